"""The function between what boosted trees add up and what they predict, where the exporter forgets it."""

from typing import Any

from onnx import ModelProto, helper
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline


def add_link(model: ModelProto, estimator: Any) -> bool:
    """Put the exponential behind a poisson or gamma booster that ends the pipeline; return whether it was one.

    One within a vote or a stack is left as it is, and found by the proofs.
    """
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    if not isinstance(estimator, HistGradientBoostingRegressor) or estimator.loss not in ("poisson", "gamma"):
        return False
    value = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["raw_value" if name == value else name for name in node.output]
    model.graph.node.append(helper.make_node("Exp", ["raw_value"], [value]))
    return True

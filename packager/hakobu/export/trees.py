"""Repairs of what the standard exporter gets wrong about trees."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor


def lower_thresholds(model: ModelProto, estimator: Any) -> int:
    """Round the thresholds of histogram gradient boosting down to float32, and return how many moved.

    The exporter rounds them to the nearest float32. Trained on float32 values, scikit-learn's rule `x <= t` with a
    double `t` equals `x <= floor32(t)`, and a threshold rounded up would send values equal to it the wrong way.
    """
    moved = 0
    nodes = [node for node in model.graph.node if node.op_type.startswith("TreeEnsemble")]
    for booster in _boosters(estimator):
        exact = np.concatenate([_thresholds(tree) for trees in booster._predictors for tree in trees])
        nearest = exact.astype(np.float32)
        for node in nodes:
            attribute = next((a for a in node.attribute if a.name == "nodes_values"), None)
            if attribute is not None and np.array_equal(np.array(attribute.floats, dtype=np.float32), nearest):
                lowered = floor32(exact)
                moved += int(np.count_nonzero(lowered != nearest))
                _replace(node, lowered)
    return moved


def floor32(exact: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 at or below each of `exact`."""
    nearest = exact.astype(np.float32)
    too_high = nearest.astype(np.float64) > exact
    return np.where(too_high, np.nextafter(nearest, np.float32(-np.inf)), nearest).astype(np.float32)


def _thresholds(tree: Any) -> NDArray[np.float64]:
    nodes = tree.nodes
    return np.where(nodes["is_leaf"], 0.0, nodes["num_threshold"])


def _replace(node: NodeProto, values: NDArray[np.float32]) -> None:
    for attribute in node.attribute:
        if attribute.name == "nodes_values":
            del attribute.floats[:]
            attribute.floats.extend(values.tolist())


def _boosters(part: object) -> Iterator[Any]:
    """Yield every fitted histogram gradient boosting inside `part`, however it is nested."""
    if isinstance(part, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        if hasattr(part, "_predictors"):
            yield part
    elif isinstance(part, BaseEstimator):
        for inner in vars(part).values():
            yield from _boosters(inner)
    elif isinstance(part, list | tuple):
        for inner in part:
            yield from _boosters(inner)
    elif isinstance(part, dict):
        yield from _boosters(list(part.values()))

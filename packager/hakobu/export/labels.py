"""Classes that come out as the trained model gives them, where float32 sums would toss a coin."""

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

TIE = 1e-6
"""Probabilities closer than this are equal: a float32 sum over trees is no more exact."""

_AVERAGES = (
    RandomForestClassifier,
    ExtraTreesClassifier,
    BaggingClassifier,
    VotingClassifier,
    DecisionTreeClassifier,
    CalibratedClassifierCV,
)
"""Those whose predict() is the largest of predict_proba(), which votes and averages often leave equal."""


def settle_ties(model: ModelProto, estimator: Any) -> bool:
    """Take the class of a forest or a vote from its probabilities, the first of equal ones; return whether it is one.

    Half of the trees often vote for each class. scikit-learn then takes the first class; a sum in float32 takes either.
    """
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    outputs = [value.name for value in model.graph.output]
    if not isinstance(estimator, _AVERAGES) or not hasattr(estimator, "predict_proba") or len(outputs) < 2:
        return False
    label, odds = outputs[:2]
    classes = np.asarray(estimator.classes_)
    texts = classes.dtype.kind in "OU"
    for node in model.graph.node:
        node.output[:] = ["raw_label" if name == label else name for name in node.output]
        node.input[:] = ["raw_label" if name == label else name for name in node.input]
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "tie_one"))
    graph.initializer.append(numpy_helper.from_array(np.array(TIE, dtype=np.float32), "tie_width"))
    named = classes.astype(object) if texts else classes.astype(np.int64)
    graph.initializer.append(
        helper.make_tensor("tie_classes", TensorProto.STRING, [len(named)], [str(name).encode() for name in named])
        if texts
        else numpy_helper.from_array(named, "tie_classes")
    )
    graph.node.extend(
        [
            # Not ReduceMax, whose axes are an attribute or an input by the opset, which the exporter chooses.
            helper.make_node("TopK", [odds, "tie_one"], ["tie_most", "tie_any"], axis=1),
            helper.make_node("Sub", ["tie_most", "tie_width"], ["tie_floor"]),
            helper.make_node("GreaterOrEqual", [odds, "tie_floor"], ["tie_first"]),
            helper.make_node("Cast", ["tie_first"], ["tie_number"], to=TensorProto.INT64),
            helper.make_node("ArgMax", ["tie_number"], ["tie_place"], axis=1, keepdims=0),
            helper.make_node("Gather", ["tie_classes", "tie_place"], [label], axis=0),
        ]
    )
    return True

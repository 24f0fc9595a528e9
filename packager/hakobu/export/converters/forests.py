"""Decision trees and forests: the first of equal probabilities, and probabilities in double."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from hakobu.export.converters import responses
from hakobu.export.converters.classes import OPTIONS, classifier_shape, give_classes, give_scores, labels_of, largest
from hakobu.export.converters.groves import Wood, sums_of
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import matrix_of
from hakobu.export.converters.writer import Piece, Writer
from hakobu.export.trees import floor32

TIE = 1e-6
"""Probabilities closer than this are equal: a float32 sum over trees is no more exact."""


def wood_of(tree: Any) -> Wood:
    """Return one of scikit-learn's own trees, which compares float32 with a double: rounded down, it says the same."""
    leaf = tree.children_left < 0
    return Wood(
        features=np.where(leaf, 0, tree.feature).astype(np.int64),
        modes=tuple(np.where(leaf, "LEAF", "BRANCH_LEQ").tolist()),
        values=np.where(leaf, 0.0, floor32(tree.threshold)).astype(np.float64),
        yes=np.where(leaf, 0, tree.children_left).astype(np.int64),
        no=np.where(leaf, 0, tree.children_right).astype(np.int64),
        missing=np.where(leaf, 0, tree.missing_go_to_left).astype(np.int64),
        leaves=np.flatnonzero(leaf),
        weights=tree.value[leaf][:, 0, :],
    )


def _mean(writer: Writer, forest: Any, given: Sequence[Any]) -> str:
    """Return the mean of what the trees say, doubles (n, outputs)."""
    trees = [wood_of(tree.tree_) for tree in getattr(forest, "estimators_", [forest])]
    columns = [np.arange(tree.weights.shape[1]) for tree in trees]
    total = sums_of(writer, trees, writer.float32(matrix_of(writer, given)), columns, narrow=True)
    return writer.add("Div", total, float(len(trees)))


def settle_ties(writer: Writer, operator: Any, scores: str, width: Piece = TIE) -> None:
    """Give out the first class of those whose `scores` are no further apart than `width`, of the same type."""
    most = writer.add("ReduceMax", scores, np.array([1], dtype=np.int64), keepdims=1)
    near = writer.add("GreaterOrEqual", scores, writer.add("Sub", most, width))
    give_classes(writer, operator, largest(writer, writer.add("Cast", near, to=TensorProto.INT64)))


def _settled(alias: str) -> Callable[[Any, Any, Any], None]:
    """Return the standard converter called `alias`, but for the label, which is taken from its probabilities."""

    def convert(scope: Any, operator: Any, container: Any) -> None:
        labels_of(operator.raw_operator)
        writer = Writer(scope, container)
        plain = scope.declare_local_operator(alias, operator.raw_operator)
        plain.inputs = operator.inputs
        plain.outputs.append(scope.declare_local_variable("raw_label", operator.outputs[0].type))
        plain.outputs.append(scope.declare_local_variable("odds", operator.outputs[1].type))
        odds = plain.outputs[1].full_name
        give_scores(writer, operator, odds)
        settle_ties(writer, operator, writer.float32(odds), np.array(TIE, dtype=np.float32))

    return convert


_KINDS = (RandomForestClassifier, ExtraTreesClassifier, DecisionTreeClassifier, ExtraTreeClassifier)
_VALUES = (RandomForestRegressor, ExtraTreesRegressor, DecisionTreeRegressor, ExtraTreeRegressor)

responses.PROBABILITIES.update(dict.fromkeys(_KINDS, _mean))
responses.VALUES.update(dict.fromkeys(_VALUES, _mean))

CONVERTERS = tuple(
    Converter(
        kind,
        classifier_shape,
        _settled(f"Sklearn{kind.__name__}"),
        "equal probabilities give the first class",
        options={
            **OPTIONS,
            "raw_scores": [True, False],
            "decision_path": [True, False],
            "decision_leaf": [True, False],
        },
    )
    for kind in _KINDS
)

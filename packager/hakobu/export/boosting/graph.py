"""Boosted trees as nodes of ONNX: all comparisons and sums in double, so that nothing is rounded that decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from hakobu.export.boosting.part import LEARNED, Part
from hakobu.export.boosting.trees import ZERO, Boosted, Link, Picks, Tree


@dataclass(frozen=True, slots=True)
class Output:
    """The name of what a model computes, and its kind, one of TensorProto's."""

    name: str
    kind: int


def write_value(part: Part, boosted: Boosted, matrix: Output, value: Output) -> None:
    """Add what computes `value`, shape (n, 1), from `matrix`."""
    middles = [_middle(tree) for tree in boosted.trees]
    sums = _sums(part, boosted, _prepared(part, boosted, matrix), middles)
    # What all rows share is added in double, behind the operator that gives out float32.
    raw = part.node("Add", sums, part.constant(boosted.base + np.sum(middles)))
    part.cast(_linked(part, boosted, raw), value.kind, to=value.name)


def write_scores(part: Part, boosted: Boosted, matrix: Output) -> str:
    """Add what computes the raw scores from `matrix`, and return their name: doubles (n, raw scores)."""
    sums = _sums(part, boosted, _prepared(part, boosted, matrix), [0.0] * len(boosted.trees))
    return part.node("Add", sums, part.constant(boosted.base)) if boosted.base.any() else sums


def write_classes(
    part: Part, boosted: Boosted, matrix: Output, classes: Sequence[Any], label: str, odds: Output
) -> None:
    """Add what computes `label`, shape (n,), and `odds`, shape (n, classes), from `matrix`."""
    raw = write_scores(part, boosted, matrix)
    likely = _linked(part, boosted, raw)
    compared = {Picks.RAW: raw, Picks.ODDS: likely, Picks.SINGLE: ""}[boosted.picks]
    if boosted.picks is Picks.SINGLE:
        likely = part.cast(part.cast(likely, TensorProto.FLOAT), TensorProto.DOUBLE)
        compared = likely
    if len(boosted.base) == 1:
        above = part.node("Greater", compared, part.constant(np.array([boosted.cut])))
        flat = part.node("Reshape", above, part.constant(np.array([-1], dtype=np.int64)))
        place = part.cast(flat, TensorProto.INT64)
        likely = part.node("Concat", part.node("Sub", part.constant(np.array([1.0])), likely), likely, axis=1)
    else:
        place = part.node("ArgMax", compared, axis=1, keepdims=0)
    part.node("Gather", part.constant(class_labels(classes)), place, to=label, axis=0)
    part.cast(likely, odds.kind, to=odds.name)


def class_labels(classes: Sequence[Any]) -> NDArray[Any]:
    """Return `classes` as a model gives them out: texts, or whole numbers."""
    array = np.asarray(classes)
    if array.dtype.kind in "OU":
        return array.astype(object)
    if not np.array_equal(array, np.trunc(array)):
        raise NotImplementedError("its classes are fractions; train it on texts or whole numbers as classes")
    return array.astype(np.int64)


def _prepared(part: Part, boosted: Boosted, given: Output) -> str:
    """Return the name of the matrix in double, with every value as the library compares it."""
    matrix, kind = given.name, given.kind
    if boosted.single and kind != TensorProto.FLOAT:
        matrix = part.cast(matrix, TensorProto.FLOAT)
    if boosted.single or kind != TensorProto.DOUBLE:
        matrix = part.cast(matrix, TensorProto.DOUBLE)
    missing = part.constant(np.array([np.nan])) if boosted.zero_gaps or not np.isnan(boosted.gap) else ""
    if not np.isnan(boosted.gap):
        gap = float(np.float32(boosted.gap)) if boosted.single else boosted.gap
        matrix = part.node("Where", part.node("Equal", matrix, part.constant(np.array([gap]))), missing, matrix)
    if boosted.zero_gaps:
        small = part.node("LessOrEqual", part.node("Abs", matrix), part.constant(np.array([ZERO])))
        small = part.node("And", small, part.constant(_mask(boosted.zero_gaps, boosted.width)))
        matrix = part.node("Where", small, missing, matrix)
    if boosted.categories:
        size = part.node("Abs", matrix)
        # A number that no 32-bit integer holds is in no category, like a negative one.
        held = part.node("Less", size, part.constant(np.array([2.0**31])))
        whole = part.node("Mul", part.node("Sign", matrix), part.node("Floor", size))
        whole = part.node("Where", held, whole, part.constant(np.array([-1.0])))
        matrix = part.node("Where", part.constant(_mask(boosted.categories, boosted.width)), whole, matrix)
    return matrix


def _mask(columns: Sequence[int], width: int) -> NDArray[np.bool_]:
    mask = np.zeros((1, width), dtype=bool)
    mask[0, list(columns)] = True
    return mask


def _middle(tree: Tree) -> float:
    """Return the mean of what the leaves of a tree with one raw score add."""
    return float(np.mean([added for node in tree for _, added in node.adds]))


def _sums(part: Part, boosted: Boosted, matrix: str, middles: Sequence[float]) -> str:
    """Return the name of what the trees add up to less their `middles`, shape (n, raw scores), in double."""
    nodes = [(tree, place, node) for tree, nodes in enumerate(boosted.trees) for place, node in enumerate(nodes)]
    leaves = [(tree, place, to, added - middles[tree]) for tree, place, node in nodes for to, added in node.adds]
    sums = part.node(
        "TreeEnsembleRegressor",
        matrix,
        domain=LEARNED,
        n_targets=len(boosted.base),
        nodes_treeids=[tree for tree, _, _ in nodes],
        nodes_nodeids=[place for _, place, _ in nodes],
        nodes_featureids=[node.feature for _, _, node in nodes],
        nodes_modes=[node.rule.value for _, _, node in nodes],
        nodes_values_as_tensor=_doubles([node.threshold for _, _, node in nodes]),
        nodes_truenodeids=[node.left for _, _, node in nodes],
        nodes_falsenodeids=[node.right for _, _, node in nodes],
        nodes_missing_value_tracks_true=[int(node.gap_left) for _, _, node in nodes],
        target_treeids=[tree for tree, _, _, _ in leaves],
        target_nodeids=[place for _, place, _, _ in leaves],
        target_ids=[to for _, _, to, _ in leaves],
        target_weights_as_tensor=_doubles([added for _, _, _, added in leaves]),
    )
    return part.cast(sums, TensorProto.DOUBLE)


def _doubles(values: Any) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype=np.float64), "")


def _linked(part: Part, boosted: Boosted, raw: str) -> str:
    match boosted.link:
        case Link.IDENTITY:
            return raw
        case Link.EXP:
            return part.node("Exp", raw)
        case Link.SOFTMAX:
            return part.node("Softmax", raw, axis=1)
        case Link.SQUARE:
            return part.node("Mul", raw, part.node("Abs", raw))
        case Link.SOFTPLUS:
            one = part.constant(np.array([1.0]))
            return part.node("Log", part.node("Add", one, part.node("Exp", raw)))
        case Link.SIGMOID:
            one = part.constant(np.array([1.0]))
            steep = part.node("Mul", raw, part.constant(np.array([-boosted.steepness])))
            return part.node("Div", one, part.node("Add", one, part.node("Exp", steep)))

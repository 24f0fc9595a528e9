"""Trees as one TreeEnsembleRegressor: their exact sum, or what each of them says."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from hakobu.export.converters.writer import Writer

MAX_LEAVES = 2**24
"""Leaf numbers go through float32, which tells no more integers apart."""

_BITS, _PARTS = 23, 4
"""A sum of so many bits, and one for the sign of rounding, is exact in float32; with so many parts a double is."""


@dataclass(frozen=True, slots=True)
class Wood:
    """The nodes of one tree, in the order of their numbers: where a row goes from each."""

    features: NDArray[np.int64]
    modes: tuple[str, ...]
    """BRANCH_LEQ, BRANCH_EQ or LEAF."""
    values: NDArray[np.float64]
    """What the feature is compared with."""
    yes: NDArray[np.int64]
    no: NDArray[np.int64]
    missing: NDArray[np.int64]
    """1 where a missing number goes the way of yes."""
    leaves: NDArray[np.int64]
    """Which nodes are leaves."""
    weights: NDArray[np.float64]
    """What each leaf is worth, (leaves, outputs)."""


def leaf_values(writer: Writer, trees: Sequence[Wood], given: str, *, narrow: bool = False) -> str:
    """Return what each tree says of each row, exactly: doubles of the shape (n, trees, outputs).

    `given` is a matrix of doubles, or of float32 where `narrow`. The operator for trees gives out float32 alone, so it
    gives the numbers of the leaves, and a table holds their values.
    """
    starts = np.cumsum([0, *(len(tree.leaves) for tree in trees)])
    if starts[-1] >= MAX_LEAVES:
        raise NotImplementedError(f"its trees have {starts[-1]:,} leaves, and only {MAX_LEAVES:,} can be told apart")
    numbers = [np.arange(first, last, dtype=np.float64).reshape(-1, 1) for first, last in pairwise(starts)]
    columns = [np.array([place]) for place in range(len(trees))]
    leaf = writer.add("Cast", _ensemble(writer, trees, given, numbers, columns, narrow=narrow), to=TensorProto.INT64)
    return writer.add("Gather", np.concatenate([tree.weights for tree in trees]), leaf, axis=0)


def sums_of(
    writer: Writer,
    trees: Sequence[Wood],
    given: str,
    columns: Sequence[NDArray[np.int64]],
    *,
    narrow: bool = False,
    exact: bool = True,
) -> str:
    """Return what the trees add up to, doubles (n, outputs); `columns` says to which outputs each tree adds.

    `given` is a matrix of doubles, or of float32 where `narrow`. The operator for trees gives out float32 alone, so it
    gives each sum in parts that fit. Not `exact`, one float32 is all: enough for every sign and order of doubles.
    """
    weights = [tree.weights for tree in trees]
    if not exact:
        return writer.double(_ensemble(writer, trees, given, weights, columns, narrow=narrow))
    parts = _parts(np.concatenate([part.ravel() for part in weights]), len(trees))
    width = int(max(places.max() for places in columns)) + 1
    ends = np.cumsum([part.size for part in weights])[:-1]
    split = [np.split(part, ends) for part in parts]
    joined = [
        np.column_stack([part[place].reshape(tree.weights.shape) for part in split]) for place, tree in enumerate(trees)
    ]
    spread = [np.concatenate([places + width * part for part in range(len(parts))]) for places in columns]
    found = writer.double(_ensemble(writer, trees, given, joined, spread, narrow=narrow))
    shaped = writer.add("Reshape", found, np.array([-1, len(parts), width], dtype=np.int64))
    return writer.sum_of(shaped, keepdims=0)


def _parts(weights: NDArray[np.float64], count: int) -> list[NDArray[np.float64]]:
    """Return parts that add up to `weights`: of each, any `count` add up in float32 with nothing lost."""
    parts: list[NDArray[np.float64]] = []
    rest = weights
    while len(parts) < _PARTS and rest.any():
        unit = 2.0 ** (np.ceil(np.log2(np.abs(rest).max() * count)) - _BITS)
        parts.append(np.round(rest / unit) * unit)
        rest = rest - parts[-1]
    return parts or [weights]


def _ensemble(
    writer: Writer,
    trees: Sequence[Wood],
    given: str,
    weights: Sequence[NDArray[np.float64]],
    columns: Sequence[NDArray[np.int64]],
    *,
    narrow: bool,
) -> str:
    """Add the operator: a leaf has a row in `weights`, and each number of it goes to one of `columns`."""
    nodes, sizes = [len(tree.modes) for tree in trees], [part.size for part in weights]
    numbers = {
        "nodes_values": np.concatenate([tree.values for tree in trees]),
        "target_weights": np.concatenate([part.ravel() for part in weights]),
    }
    return writer.add(
        "TreeEnsembleRegressor",
        given,
        n_targets=int(max(places.max() for places in columns)) + 1,
        nodes_treeids=np.repeat(np.arange(len(trees)), nodes).tolist(),
        nodes_nodeids=[node for size in nodes for node in range(size)],
        nodes_featureids=_joined([tree.features for tree in trees]),
        nodes_modes=[mode for tree in trees for mode in tree.modes],
        nodes_truenodeids=_joined([tree.yes for tree in trees]),
        nodes_falsenodeids=_joined([tree.no for tree in trees]),
        nodes_missing_value_tracks_true=_joined([tree.missing for tree in trees]),
        target_treeids=np.repeat(np.arange(len(trees)), sizes).tolist(),
        target_nodeids=_joined([np.repeat(tree.leaves, len(at)) for tree, at in zip(trees, columns, strict=True)]),
        target_ids=_joined([np.tile(at, len(tree.leaves)) for tree, at in zip(trees, columns, strict=True)]),
        **(
            {name: array.astype(np.float32).tolist() for name, array in numbers.items()}
            if narrow
            else {f"{name}_as_tensor": numpy_helper.from_array(array, name) for name, array in numbers.items()}
        ),
    )


def _joined(parts: Sequence[NDArray[np.int64]]) -> list[int]:
    numbers: list[int] = np.concatenate(parts).tolist()
    return numbers

"""Trees as one operator: as TreeEnsemble where each leaf has one number, else as its older kin."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from hakobu.export.boosting.part import LEARNED, Part
from hakobu.export.ensembles.arrays import LEAF, MODES, Trees

_NAMES = {code: name.decode() for name, code in MODES.items()} | {LEAF: "LEAF"}


def write_modern(part: Part, trees: Trees, given: str, width: int) -> str:
    """Write a TreeEnsemble, whose questions and leaves are numbered apart; return its sums."""
    leaf = trees.modes == LEAF
    numbers = np.where(leaf, np.cumsum(leaf), np.cumsum(~leaf)) - 1
    asks = np.flatnonzero(~leaf)
    bare = trees.starts[leaf[trees.starts]]  # a tree that is one leaf: a question whose answers are the same
    yes, no = (np.append(way[asks], bare) for way in (trees.yes, trees.no))
    roots = numbers[trees.starts]
    roots[leaf[trees.starts]] = len(asks) + np.arange(len(bare))
    padding = np.zeros(len(bare), dtype=np.int64)
    rule = trees.modes[asks[:1]] if len(asks) else np.zeros(1, dtype=np.uint8)
    return part.node(
        "TreeEnsemble",
        given,
        domain=LEARNED,
        aggregate_function=1,
        post_transform=0,
        n_targets=width,
        tree_roots=roots.tolist(),
        nodes_featureids=np.append(trees.features[asks], padding).tolist(),
        nodes_modes=numpy_helper.from_array(np.append(trees.modes[asks], np.resize(rule, len(bare))), ""),
        nodes_splits=numpy_helper.from_array(np.append(trees.values[asks], padding.astype(trees.values.dtype)), ""),
        nodes_trueleafs=leaf[yes].astype(np.int64).tolist(),
        nodes_truenodeids=numbers[yes].tolist(),
        nodes_falseleafs=leaf[no].astype(np.int64).tolist(),
        nodes_falsenodeids=numbers[no].tolist(),
        leaf_targetids=trees.targets.tolist(),
        leaf_weights=numpy_helper.from_array(np.ascontiguousarray(trees.weights), ""),
        **_tracks(np.append(trees.missing[asks], padding)),
    )


def write_classic(part: Part, trees: Trees, given: str, width: int) -> str:
    """Write a TreeEnsembleRegressor, whose leaves may have several numbers; return its sums, float32."""
    numbers = np.arange(len(trees.modes))
    ends = np.append(trees.starts[1:], len(trees.modes))
    tree = np.repeat(np.arange(len(trees.starts)), ends - trees.starts)
    within = numbers - trees.starts[tree]
    leaf = trees.modes == LEAF
    yes, no = (np.where(leaf, 0, within[way]) for way in (trees.yes, trees.no))
    doubles = {"nodes_values": trees.values, "target_weights": trees.weights}
    wide = trees.values.dtype == np.float64
    return part.node(
        "TreeEnsembleRegressor",
        given,
        domain=LEARNED,
        n_targets=width,
        nodes_treeids=tree.tolist(),
        nodes_nodeids=within.tolist(),
        nodes_featureids=np.where(leaf, 0, trees.features).tolist(),
        nodes_modes=[_NAMES[mode] for mode in trees.modes.tolist()],
        nodes_truenodeids=yes.tolist(),
        nodes_falsenodeids=no.tolist(),
        target_treeids=tree[trees.owners].tolist(),
        target_nodeids=within[trees.owners].tolist(),
        target_ids=trees.targets.tolist(),
        **_tracks(trees.missing),
        **{
            f"{name}_as_tensor" if wide else name: numpy_helper.from_array(np.ascontiguousarray(array), "")
            if wide
            else array.tolist()
            for name, array in doubles.items()
        },
    )


def _tracks(missing: NDArray[Any]) -> dict[str, Any]:
    """Return the attribute that tells where missing numbers go; none where it is the way of no everywhere."""
    return {"nodes_missing_value_tracks_true": missing.astype(np.int64).tolist()} if missing.any() else {}

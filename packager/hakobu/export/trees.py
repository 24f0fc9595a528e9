"""Repairs of what the standard exporter gets wrong about trees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, ModelProto, NodeProto
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.tree import BaseDecisionTree

from hakobu.export.inside import inside

BOOSTERS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)


def lower_thresholds(model: ModelProto, estimator: Any) -> int:
    """Round the thresholds of histogram gradient boosting down to float32, and return how many moved.

    The exporter rounds them to the nearest float32. Trained on float32 values, scikit-learn's rule `x <= t` with a
    double `t` equals `x <= floor32(t)`, and a threshold rounded up would send values equal to it the wrong way.
    """
    moved = 0
    nodes = list(ensembles_of(model))
    for booster in inside(estimator, BOOSTERS):
        if not hasattr(booster, "_predictors"):
            continue
        exact = np.concatenate([thresholds_of(tree) for trees in booster._predictors for tree in trees])
        nearest = exact.astype(np.float32)
        for node in nodes:
            attribute = attributes_of(node).get("nodes_values")
            if attribute is not None and np.array_equal(np.array(attribute.floats, dtype=np.float32), nearest):
                lowered = floor32(exact)
                moved += int(np.count_nonzero(lowered != nearest))
                del attribute.floats[:]
                attribute.floats.extend(lowered.tolist())
    return moved


def floor32(exact: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 at or below each of `exact`."""
    nearest = exact.astype(np.float32)
    too_high = nearest.astype(np.float64) > exact
    return np.where(too_high, np.nextafter(nearest, np.float32(-np.inf)), nearest).astype(np.float32)


def thresholds_of(tree: Any) -> NDArray[np.float64]:
    """Return where each node of a tree of histogram gradient boosting splits, 0 for a leaf."""
    nodes = tree.nodes
    return np.where(nodes["is_leaf"], 0.0, nodes["num_threshold"])


def lead_missing(model: ModelProto, estimator: Any) -> int:
    """Tell the trees of `model` which way a missing number goes, and return how many nodes were told.

    The exporter forgets it for decision trees and forests, and sends every missing number to the right. scikit-learn
    knows a way for each node, even in a tree whose training rows had no gaps. A tree that is not recognised keeps the
    exporter's way; the proofs before packing then find it out.
    """
    known: dict[bytes, list[_Tree]] = {}
    for found in inside(estimator, (BaseDecisionTree,)):
        if hasattr(found, "tree_"):
            known.setdefault(_shape_of(found.tree_), []).append(_Tree.of(found.tree_))
    told = 0
    for node in ensembles_of(model) if known else ():
        attributes = attributes_of(node)
        tracks = attributes.get("nodes_missing_value_tracks_true")
        if tracks is None or "nodes_values" not in attributes or (tracks.ints and any(tracks.ints)):
            continue  # histogram gradient boosting, which the exporter does right
        ways = np.array(tracks.ints, dtype=np.int64)
        for rows in _by_tree(attributes["nodes_treeids"].ints):
            same = known.get(_shape_in(attributes, rows), [])
            values = np.array(attributes["nodes_values"].floats, dtype=np.float64)[rows]
            place = next((place for place, tree in enumerate(same) if tree.has(values)), None)
            if place is not None:
                # Of two trees with the same splits, the first in the estimator is the first in the graph.
                tree = same.pop(place) if len(same) > 1 else same[place]
                ways[rows] = tree.left
        told += int(ways.sum())
        del tracks.ints[:]
        tracks.ints.extend(ways.tolist())
    return told


@dataclass(frozen=True, slots=True)
class _Tree:
    thresholds: NDArray[np.float64]
    left: NDArray[np.int64]
    """1 where a missing number goes left."""

    @classmethod
    def of(cls, tree: Any) -> "_Tree":
        leaf = tree.children_left < 0
        return cls(np.where(leaf, 0.0, tree.threshold), np.where(leaf, 0, tree.missing_go_to_left).astype(np.int64))

    def has(self, values: NDArray[np.float64]) -> bool:
        """Say whether these are the thresholds, but for their rounding to float32."""
        return bool(np.allclose(values, self.thresholds, rtol=5e-7, atol=1e-37))


def _shape_of(tree: Any) -> bytes:
    leaf = tree.children_left < 0
    parts = (tree.feature, tree.children_left, tree.children_right)
    return np.stack([np.where(leaf, 0, part) for part in parts]).astype(np.int64).tobytes()


def _shape_in(attributes: dict[str, AttributeProto], rows: NDArray[np.int64]) -> bytes:
    names = ("nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids")
    return np.stack([np.array(attributes[name].ints, dtype=np.int64)[rows] for name in names]).tobytes()


def _by_tree(trees: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Yield the places of the nodes of each tree; a tree's nodes stand together."""
    numbers = np.array(trees, dtype=np.int64)
    yield from np.split(np.arange(len(numbers)), np.flatnonzero(np.diff(numbers)) + 1)


def ensembles_of(model: ModelProto) -> Iterator[NodeProto]:
    """Yield the nodes of `model` that hold trees."""
    return (node for node in model.graph.node if node.op_type.startswith("TreeEnsemble"))


def attributes_of(node: NodeProto) -> dict[str, AttributeProto]:
    """Return the attributes of `node` by their names."""
    return {attribute.name: attribute for attribute in node.attribute}

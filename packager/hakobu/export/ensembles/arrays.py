"""The trees of a model as arrays."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, ModelProto, NodeProto, numpy_helper

from hakobu.export.trees import attributes_of, ensembles_of

MODES = {b"BRANCH_LEQ": 0, b"BRANCH_LT": 1, b"BRANCH_GTE": 2, b"BRANCH_GT": 3, b"BRANCH_EQ": 4, b"BRANCH_NEQ": 5}
LEQ, LT, LEAF = 0, 1, 255

MOST_NODES = 2**15
"""How many nodes an operator holds, about: onnxruntime takes several times their memory while it loads one."""

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]


class UnknownTreesError(Exception):
    """This ensemble is made in a way that is not known here; it stays as it is."""


@dataclass(frozen=True, slots=True)
class Trees:
    """The nodes of some trees, each tree in one run that begins with its root, and what their leaves are worth."""

    starts: Ints
    """The place of each root."""
    features: Ints
    modes: NDArray[np.uint8]
    values: Floats
    yes: Ints
    """The place of the node that follows; 0 of a leaf."""
    no: Ints
    missing: NDArray[np.bool_]
    """Whether a missing number goes the way of yes."""
    owners: Ints
    """Shape (weights,): the leaf that has each of `weights`, rising."""
    targets: Ints
    weights: Floats

    @property
    def is_modern(self) -> bool:
        """Whether each leaf has one number, and each node is the answer of one question."""
        leaf = self.modes == LEAF
        answers = np.concatenate([self.yes[~leaf], self.no[~leaf]])
        return np.array_equal(self.owners, np.flatnonzero(leaf)) and len(np.unique(answers)) == len(answers)

    def parts(self) -> Iterator["Trees"]:
        """Yield them in runs of about `MOST_NODES` nodes."""
        ends = np.append(self.starts[1:], len(self.modes))
        first = 0
        for tree, end in enumerate(ends.tolist()):
            begin = int(self.starts[first])
            if end - begin >= MOST_NODES or tree == len(ends) - 1:
                yield self._run(first, tree + 1, begin, end)
                first = tree + 1

    def _run(self, first: int, last: int, begin: int, end: int) -> "Trees":
        here = slice(*np.searchsorted(self.owners, (begin, end)).tolist())
        leaf = self.modes[begin:end] == LEAF
        return Trees(
            self.starts[first:last] - begin,
            self.features[begin:end],
            self.modes[begin:end],
            self.values[begin:end],
            np.where(leaf, 0, self.yes[begin:end] - begin),
            np.where(leaf, 0, self.no[begin:end] - begin),
            self.missing[begin:end],
            self.owners[here] - begin,
            self.targets[here],
            self.weights[here],
        )


def splits_of(model: ModelProto) -> Floats:
    """Return the thresholds of all the trees in `model`, whatever they split, rising; none twice."""
    found: list[Floats] = [np.empty(0)]
    for node in ensembles_of(model):
        attributes = attributes_of(node)
        if "nodes_splits" in attributes:
            found.append(numpy_helper.to_array(attributes["nodes_splits"].t))
        else:
            found.append(numbers_of(attributes, "nodes_values"))
    return np.unique(np.concatenate(found))


def numbers_of(attributes: Mapping[str, AttributeProto], name: str) -> Floats:
    """Return the floats called `name`, or the doubles called so `_as_tensor`."""
    if f"{name}_as_tensor" in attributes:
        found: Floats = numpy_helper.to_array(attributes[f"{name}_as_tensor"].t)
        return found
    return np.array(attributes[name].floats if name in attributes else (), dtype=np.float32)


def read_trees(node: NodeProto, prefix: str) -> Trees:
    """Return the trees of a TreeEnsembleClassifier or -Regressor, whose leaves are told under `prefix`."""
    attributes = attributes_of(node)

    def ints(name: str) -> Ints:
        return np.array(attributes[name].ints if name in attributes else (), dtype=np.int64)

    trees, ids = ints("nodes_treeids"), ints("nodes_nodeids")
    modes = np.array([MODES.get(mode, LEAF) for mode in attributes["nodes_modes"].strings], dtype=np.uint8)
    starts = np.flatnonzero(np.diff(trees, prepend=trees[:1] - 1))
    leaf = modes == LEAF
    yes = np.where(leaf, 0, _places(trees, ids, trees, np.where(leaf, ids, ints("nodes_truenodeids"))))
    no = np.where(leaf, 0, _places(trees, ids, trees, np.where(leaf, ids, ints("nodes_falsenodeids"))))
    missing = ints("nodes_missing_value_tracks_true")
    owners = _places(trees, ids, ints(f"{prefix}_treeids"), ints(f"{prefix}_nodeids"))
    order = np.argsort(owners, kind="stable")
    if len(np.unique(trees)) != len(starts) or np.isin(np.concatenate([yes[~leaf], no[~leaf]]), starts).any():
        raise UnknownTreesError
    return Trees(
        starts,
        ints("nodes_featureids"),
        modes,
        numbers_of(attributes, "nodes_values"),
        yes,
        no,
        (missing if len(missing) else np.zeros(len(modes))).astype(bool) & ~leaf,
        owners[order],
        ints(f"{prefix}_ids")[order],
        numbers_of(attributes, f"{prefix}_weights")[order],
    )


def _places(trees: Ints, nodes: Ints, wanted_trees: Ints, wanted_nodes: Ints) -> Ints:
    """Return where the nodes that are `wanted` stand; raise UnknownTreesError where one does not."""
    span = int(max(nodes.max(initial=0), wanted_nodes.max(initial=0))) + 1
    keys, wanted = trees * span + nodes, wanted_trees * span + wanted_nodes
    order = np.argsort(keys, kind="stable")
    places = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    if not np.array_equal(keys[places], wanted):
        raise UnknownTreesError
    found: Ints = places
    return found

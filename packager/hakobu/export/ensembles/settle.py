"""Writing all the trees of a model anew."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper

from hakobu.export.boosting.part import LEARNED, Part
from hakobu.export.ensembles.arrays import Floats, Trees, UnknownTreesError, numbers_of, read_trees
from hakobu.export.ensembles.operators import write_classic, write_modern
from hakobu.export.ensembles.turned import Columns, turned_round
from hakobu.export.trees import attributes_of, ensembles_of

MODERN = 5
"""The version of ai.onnx.ml in which a leaf has one number, and the older operators are gone."""


def settle_ensembles(model: ModelProto) -> None:
    """Write the trees of `model` anew, which computes the same; where one is made in another way, leave all."""
    if not any(True for _ in ensembles_of(model)):
        return
    widths, uses = _widths(model), _uses(model)
    try:
        made = {
            place: _Settled.of(node, widths.get(node.input[0]), uses)
            for place, node in enumerate(model.graph.node)
            if node.op_type.startswith("TreeEnsemble")
        }
    except UnknownTreesError:
        return
    modern = all(ensemble.trees.is_modern for ensemble in made.values())
    nodes: list[NodeProto] = []
    for place, node in enumerate(model.graph.node):
        if place in made:
            part = Part(f"hakobu_trees{place}_")
            made[place].write(part, modern=modern)
            nodes += part.nodes
            model.graph.initializer.extend(part.constants)
        else:
            nodes.append(node)
    nodes = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    if modern:
        for opset in model.opset_import:
            opset.version = MODERN if opset.domain == LEARNED else opset.version


def _widths(model: ModelProto) -> dict[str, int]:
    """Return how many columns each matrix of `model` has, where that is known."""
    shapeless = ModelProto.FromString(model.SerializeToString())
    for value in shapeless.graph.output:
        value.type.tensor_type.ClearField("shape")  # the exporter is sometimes wrong about it, which harms nobody
    try:
        known = onnx.shape_inference.infer_shapes(shapeless).graph
    except onnx.shape_inference.InferenceError:
        known = model.graph
    found = {}
    for value in (*known.input, *known.value_info):
        shape = value.type.tensor_type.shape.dim
        if len(shape) == 2 and shape[1].HasField("dim_value"):
            found[value.name] = shape[1].dim_value
    return found


def _uses(model: ModelProto) -> dict[str, set[str]]:
    """Return which operators read each tensor of `model`; of what it gives out, "" among them."""
    found: dict[str, set[str]] = {value.name: {""} for value in model.graph.output}
    for node in model.graph.node:
        for name in node.input:
            found.setdefault(name, set()).add(node.op_type)
    return found


@dataclass(frozen=True, slots=True)
class _Settled:
    """An ensemble as it will be written: what it reads, its trees, and what follows them."""

    node: NodeProto
    columns: Columns
    trees: Trees
    width: int
    """How many sums it gives."""
    start: Floats
    """Shape (sums,): what is added to them."""
    link: str
    """The post-transform of a classifier; "" of a regressor."""
    labels: NDArray[Any]
    """The classes of a classifier."""
    stays_double: bool
    """Whether sums of doubles are given out as they are, rather than as the float32 of the older operators."""
    gives_label: bool
    """Whether anything reads the label of a classifier."""

    @classmethod
    def of(cls, node: NodeProto, width: int | None, uses: Mapping[str, set[str]]) -> "_Settled":
        """Return how `node`, which reads `width` columns, is written anew; raise UnknownTreesError for other kinds."""
        attributes = attributes_of(node)
        link = helper.get_attribute_value(attributes["post_transform"]) if "post_transform" in attributes else b"NONE"
        known = {"TreeEnsembleRegressor": "target", "TreeEnsembleClassifier": "class"}
        sums = attributes.get("aggregate_function")
        if node.op_type not in known or (sums is not None and sums.s != b"SUM"):
            raise UnknownTreesError
        prefix = known[node.op_type]
        trees, columns = turned_round(read_trees(node, prefix), width)
        start = numbers_of(attributes, "base_values")
        if prefix == "target":
            many, link, labels = int(attributes["n_targets"].i), link.replace(b"NONE", b""), np.empty(0)
            if link:
                raise UnknownTreesError
        else:
            labels = _labels(attributes)
            many = len(labels)
            if many == 2 and len(np.unique(trees.targets)) == 1:
                trees, many = replace(trees, targets=np.zeros_like(trees.targets)), 1
            if link not in ((b"NONE", b"LOGISTIC") if many == 1 else (b"NONE", b"SOFTMAX")) or many == 2:
                raise UnknownTreesError
            if link == b"NONE" and (trees.weights < 0).any():
                raise UnknownTreesError
        if len(start) not in (0, many):
            raise UnknownTreesError
        start = start if len(start) else np.zeros(many, dtype=trees.weights.dtype)
        doubles, label = uses.get(node.output[-1], set()) <= {"Cast"}, bool(uses.get(node.output[0]))
        return cls(node, columns, trees, many, start, link.decode(), labels, doubles, label)

    def write(self, part: Part, *, modern: bool) -> None:
        """Write the nodes that give what the ensemble gave."""
        dtype = self.trees.values.dtype
        given = self.columns.write(part, self.node.input[0], dtype)
        write = write_modern if modern else write_classic
        sums = [write(part, trees, given, self.width) for trees in self.trees.parts()]
        total = sums[0] if len(sums) == 1 else part.node("Sum", *sums)
        if not modern:
            dtype = np.dtype(np.float32)  # what the older operators give out, whatever they are given
        if self.link:
            self._classes(part, total, dtype)
            return
        if self.start.any():
            total = part.node("Add", total, part.constant(self.start.astype(dtype).reshape(1, -1)))
        self._give(part, total, dtype)

    def _classes(self, part: Part, total: str, dtype: np.dtype[Any]) -> None:
        """Write what makes probabilities and labels of the sums."""
        if self.width == 1:
            # Both classes at once: 1 - p and p, or what speaks for each.
            signs, one = np.array([[-1.0, 1.0]], dtype=dtype), float(self.link == "NONE")
            starts = np.array([one - self.start[0], self.start[0]], dtype=dtype)
            total = part.node("Gemm", total, part.constant(signs), part.constant(starts))
        elif self.start.any():
            total = part.node("Add", total, part.constant(self.start.astype(dtype).reshape(1, -1)))
        if self.gives_label:
            self._label(part, total)
        if self.link != "NONE":
            total = total if dtype == np.float64 else part.cast(total, TensorProto.DOUBLE)
            total = part.node("Sigmoid", total) if self.width == 1 else part.node("Softmax", total, axis=1)
            dtype = np.dtype(np.float64)
        self._give(part, total, dtype)

    def _label(self, part: Part, total: str) -> None:
        """Write what picks the first class of the largest sum."""
        output = self.node.output[0]
        if np.array_equal(self.labels, np.arange(len(self.labels))):
            part.node("ArgMax", total, to=output, axis=1, keepdims=0)
        else:
            place = part.node("ArgMax", total, axis=1, keepdims=0)
            part.node("Gather", part.constant(self.labels), place, to=output, axis=0)

    def _give(self, part: Part, total: str, dtype: np.dtype[Any]) -> None:
        """Give `total` the name that the others know."""
        if dtype == np.float64 and not self.stays_double:
            part.cast(total, TensorProto.FLOAT, self.node.output[-1])
            return
        for node in part.nodes:
            for names in (node.input, node.output):
                names[:] = [self.node.output[-1] if name == total else name for name in names]


def _labels(attributes: Mapping[str, AttributeProto]) -> NDArray[Any]:
    if "classlabels_strings" in attributes:
        return np.array([label.decode() for label in attributes["classlabels_strings"].strings], dtype=object)
    return np.array(attributes["classlabels_int64s"].ints, dtype=np.int64)

"""Finishing a model that reads doubles, and refusing one that would not compute on them.

Most parts compute in double. scikit-learn's own trees round to float32 first (see `rounding`). Histogram gradient
boosting compares doubles with double thresholds, which is settled here.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from hakobu.export.inside import inside
from hakobu.export.rounding import TREES
from hakobu.export.trees import BOOSTERS, attributes_of, thresholds_of
from hakobu_runtime.errors import ProjectError

_NARROW = frozenset(
    [
        "Binarizer",
        "FeatureVectorizer",
        "Imputer",
        "LinearClassifier",
        "LinearRegressor",
        "Normalizer",
        "SVMClassifier",
        "SVMRegressor",
        "Scaler",
        "TreeEnsembleClassifier",
        "TreeEnsembleRegressor",
    ]
)
"""Operators that take doubles and compute in float32, or with float32 constants, all the same."""

_DOUBLE_TREES = 3
"""The version of ai.onnx.ml that trees with doubles came with."""


def settle_doubles(model: ModelProto, estimator: Any, classifier: bool) -> tuple[str, ...]:
    """Finish a model that was exported to read doubles; return what the standard exporter would have got wrong.

    It gives out probabilities as float32, as a device takes them, and the value of a regression as double.
    """
    repairs = []
    if next(inside(estimator, TREES), None) is not None:
        repairs.append("doubles rounded to float32 before the trees that do so")
    if widen_boosters(model, estimator):
        repairs.append("thresholds of boosted trees kept as doubles")
    for value in model.graph.output:
        if value.type.tensor_type.elem_type in (TensorProto.FLOAT, TensorProto.DOUBLE):
            _give(model, value, TensorProto.FLOAT if classifier else TensorProto.DOUBLE)
    return tuple(repairs)


def _give(model: ModelProto, value: ValueInfoProto, kind: int) -> None:
    """Cast what the graph gives out as `value` to `kind`; the exporter does not always know what that was."""
    inner = f"{value.name}_uncast"
    for node in model.graph.node:
        node.output[:] = [inner if name == value.name else name for name in node.output]
        node.input[:] = [inner if name == value.name else name for name in node.input]
    model.graph.node.append(helper.make_node("Cast", [inner], [value.name], to=kind))
    value.type.tensor_type.elem_type = kind


def widen_boosters(model: ModelProto, estimator: Any) -> int:
    """Give histogram gradient boosting its double thresholds, and return how many of its ensembles got them.

    They compare what they are given as doubles, and add up in double. Of a regression, only the sum of the trees goes
    through float32, which the operator gives out: the large constant that they start from is added behind it.
    """
    boosters = [found for found in inside(estimator, BOOSTERS) if hasattr(found, "_predictors")]
    nodes: list[NodeProto] = []
    widened = 0
    for node in model.graph.node:
        wide = _widened(model.graph, node, boosters) if node.op_type.startswith("TreeEnsemble") else []
        nodes += wide or [node]
        widened += bool(wide)
    if widened:
        for opset in model.opset_import:
            opset.version = max(opset.version, _DOUBLE_TREES) if opset.domain == "ai.onnx.ml" else opset.version
        nodes = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    return widened


def _widened(graph: GraphProto, node: NodeProto, boosters: Iterable[Any]) -> list[NodeProto]:
    """Return what stands for `node` when it holds the trees of one of `boosters`; [] when it does not."""
    values = attributes_of(node).get("nodes_values")
    if values is None:
        return []
    for booster in boosters:
        trees = [grown for stage in booster._predictors for grown in stage]
        exact = np.concatenate([thresholds_of(grown) for grown in trees])
        with np.errstate(over="ignore"):
            nearest = exact.astype(np.float32)
        if np.array_equal(np.array(values.floats, np.float32), nearest):
            leaves = np.concatenate([grown.nodes["value"][grown.nodes["is_leaf"] != 0] for grown in trees])
            return _wide(graph, node, exact, leaves, np.ravel(booster._baseline_prediction).astype(np.float64))
    return []


def _wide(
    graph: GraphProto,
    node: NodeProto,
    thresholds: NDArray[np.float64],
    leaves: NDArray[np.float64],
    start: NDArray[np.float64],
) -> list[NodeProto]:
    """Return `node` as one that reads doubles, and gives out a double under the name of its last output."""
    regression = node.op_type == "TreeEnsembleRegressor"
    doubles = {"nodes_values": thresholds, "target_weights" if regression else "class_weights": leaves}
    doubles |= {} if regression else {"base_values": start}
    dropped = {"nodes_hitrates", "base_values", *doubles}
    given, sums = node.input[0], node.output[-1]
    wide = NodeProto(op_type=node.op_type, domain=node.domain, name=node.name)
    wide.input.append(f"{sums}_given")
    wide.output.extend([*node.output[:-1], f"{sums}_float"])
    wide.attribute.extend(attribute for attribute in node.attribute if attribute.name not in dropped)
    for name, array in doubles.items():
        tensor = numpy_helper.from_array(np.ascontiguousarray(array, dtype=np.float64), f"{name}_as_tensor")
        wide.attribute.append(helper.make_attribute(f"{name}_as_tensor", tensor))
    before = helper.make_node("Cast", [given], [f"{sums}_given"], to=TensorProto.DOUBLE)
    if not regression:
        return [before, wide, helper.make_node("Cast", [f"{sums}_float"], [sums], to=TensorProto.DOUBLE)]
    graph.initializer.append(numpy_helper.from_array(start, f"{sums}_start"))
    after = helper.make_node("Cast", [f"{sums}_float"], [f"{sums}_double"], to=TensorProto.DOUBLE)
    return [before, wide, after, helper.make_node("Add", [f"{sums}_double", f"{sums}_start"], [sums])]


def check_doubles(model: ModelProto, estimator: Any) -> None:
    """Raise ProjectError where an operator of `model` takes doubles and cannot compute on them as such."""
    shapeless = ModelProto.FromString(model.SerializeToString())
    for value in shapeless.graph.output:
        value.type.tensor_type.ClearField("shape")  # the exporter is sometimes wrong about it, which harms nobody
    try:
        known = onnx.shape_inference.infer_shapes(shapeless, check_type=True, strict_mode=True).graph
    except onnx.shape_inference.InferenceError as error:
        raise _refused(estimator, " ".join(str(error).split())[:300]) from error
    values = (*known.input, *known.value_info, *known.output)
    kinds = {value.name: value.type.tensor_type.elem_type for value in values}
    for node in model.graph.node:
        narrow = node.op_type in _NARROW and "nodes_values_as_tensor" not in attributes_of(node)
        if narrow and kinds.get(node.input[0]) != TensorProto.FLOAT:
            raise _refused(estimator, f"its {node.op_type} computes in float32")


def _refused(estimator: Any, words: str) -> ProjectError:
    return ProjectError(
        f"{type(estimator).__name__} cannot be exported to ONNX on doubles: {words}\nremedy: leave [model] dtype at "
        '"float32", or use scalers, linear models, trees, forests or gradient boosting, which take doubles'
    )

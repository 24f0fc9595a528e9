"""From a fitted scikit-learn estimator to ONNX bytes: two packed inputs, the same bytes every time."""

import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from sklearn.base import is_classifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import StandardScaler

from hakobu.export.advice import advice
from hakobu.export.converters import register, repairs_of
from hakobu.export.converters.responses import reads_columns
from hakobu.export.doubles import check_doubles, settle_doubles
from hakobu.export.ensembles.arrays import splits_of
from hakobu.export.ensembles.settle import settle_ensembles
from hakobu.export.foreign import MATRIX, Foreign, from_foreign
from hakobu.export.gaps import with_empty_texts
from hakobu.export.rounding import register_doubles
from hakobu.export.texts import lowered, most_rows
from hakobu.export.trees import lead_missing, lower_thresholds
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.feature import Input
from hakobu_runtime.format.manifest import Dtype, Tensors

OPSETS = {"": 21, "ai.onnx.ml": 3}
"""Pinned: the exporter's default breaks IsolationForest, and a low opset runs on older runtimes too."""

IR_VERSION = 10

_ONE_MATRIX = "at most 1 input(s) is(are) supported"
"""What the exporter says where columns of numbers and of texts meet an estimator that takes them all as one."""

_ELEMENTS = {Dtype.FLOAT32: TensorProto.FLOAT, Dtype.FLOAT64: TensorProto.DOUBLE}


@dataclass(frozen=True, slots=True)
class Exported:
    """A model as ONNX, and what was done to make it compute the same."""

    model: bytes
    tensors: Tensors
    splits: NDArray[np.floating] = field(compare=False)
    """The thresholds of its trees, rising, whatever they split; they are told by the model too, less plainly."""
    repairs: tuple[str, ...] = ()
    """What the standard exporter would have got wrong, in words."""


def export(estimator: Any, inputs: Sequence[Input], classifier: bool, dtype: Dtype = Dtype.FLOAT32) -> Exported:
    """Return `estimator`, fitted on a frame with a column for each of `inputs`, as ONNX with its tensors.

    The model reads its numbers as `dtype`, which is what `estimator` was fitted on.
    Raises ProjectError naming the part that cannot be converted.
    """
    if isinstance(estimator, Foreign):
        model = from_foreign(estimator, inputs, dtype)
    else:
        model = _convert(estimator, inputs, classifier, dtype)
    repairs = list(repairs_of(estimator))
    if dtype is Dtype.FLOAT32 and lower_thresholds(model, estimator):
        repairs.append("thresholds of boosted trees rounded down to float32")
    if lead_missing(model, estimator):
        repairs.append("missing numbers led the way that each tree learned")
    if dtype is Dtype.FLOAT64:
        repairs += settle_doubles(model, estimator, classifier)
    if classifier and not hasattr(estimator, "predict_proba"):
        del model.graph.output[1:]  # scores of another kind, which nobody should take for probabilities
    # The exporter rewrites names that are no identifiers, but keeps the order.
    names = [value.name for value in model.graph.input]
    numbers = [wish for wish in inputs if not wish.reads_text]
    strings = [wish for wish in inputs if wish.reads_text]
    if names == [MATRIX]:
        rename(model, {MATRIX: "numbers" if numbers else "strings"})
    else:
        # Blanks keep the columns apart from "numbers" and "strings", and from every name that the exporter makes.
        places = {wish: f"column {place}" for place, wish in enumerate(inputs)}
        rename(model, dict(zip(names, places.values(), strict=True)))
        _pack_inputs(model, "numbers", [places[wish] for wish in numbers], _ELEMENTS[dtype])
        _pack_inputs(model, "strings", [places[wish] for wish in strings], TensorProto.STRING)
    tensors = _name_outputs(model, classifier)
    tensors = Tensors(
        "numbers" if numbers else None,
        "strings" if strings else None,
        tensors.label,
        tensors.probabilities,
        tensors.value,
        lowered(estimator, inputs),
        most_rows(estimator),
    )
    if dtype is Dtype.FLOAT64:
        check_doubles(model, estimator)
    splits = splits_of(model)
    if not isinstance(estimator, Foreign) or estimator.proven:  # what nobody can prove stays as it was brought
        settle_ensembles(model)
    _normalise(model)
    onnx.checker.check_model(model)
    return Exported(model.SerializeToString(deterministic=True), tensors, splits, tuple(repairs))


def _convert(estimator: Any, inputs: Sequence[Input], classifier: bool, dtype: Dtype) -> ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    register()
    register_doubles()
    estimator = with_empty_texts(estimator)
    number = FloatTensorType if dtype is Dtype.FLOAT32 else DoubleTensorType
    kinds = [StringTensorType if wish.reads_text else number for wish in inputs]
    if reads_columns(estimator) or len(set(kinds)) > 1:
        types = [(wish.name, kind([None, 1])) for wish, kind in zip(inputs, kinds, strict=True)]
    else:
        types = [(MATRIX, kinds[0]([None, len(inputs)]))]
    # The exporter multiplies by an inverse where StandardScaler divides, which trees behind it can tell.
    options: dict[Any, dict[str, Any]] = {StandardScaler: {"div": "div"}}
    options |= {kind: {"double": dtype is Dtype.FLOAT64} for kind in (CountVectorizer, TfidfVectorizer)}
    if is_classifier(estimator):
        options[id(estimator)] = {"zipmap": False}
    logging.getLogger("skl2onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return convert_sklearn(estimator, initial_types=types, target_opset=OPSETS, options=options, name="hakobu")
    except Exception as error:
        raise _refusal(estimator, inputs, error) from error


def _refusal(estimator: Any, inputs: Sequence[Input], error: Exception) -> ProjectError:
    """Return, in words, why the exporter ended with `error`."""
    name, words = type(estimator).__name__, _plain(error)
    texts = [wish.name for wish in inputs if wish.reads_text]
    if texts and _ONE_MATRIX in words:
        return ProjectError(
            f"{name} reads one matrix of numbers, and {texts[0]!r} holds texts\n"
            "remedy: encode texts before it, with a ColumnTransformer, or bring the numbers that it was trained on"
        )
    known = advice(estimator) or (
        "replace that step with one that has a converter (scikit-learn's scalers, imputers, encoders, linear "
        "models, trees, forests and gradient boosting have)"
    )
    return ProjectError(f"{name} cannot be exported to ONNX: {words}\nremedy: {known}")


def _plain(error: Exception) -> str:
    """Return the exporter's reason in a line; that a class has no converter, which it says in ten, in a few words."""
    words = " ".join(str(error).split())
    unknown = re.search(r"Unable to find a (?:shape calculator|converter) for (?:type|alias) .*?(\w+)'", words)
    return f"there is no converter for {unknown[1]}" if unknown else words[:400]


def _pack_inputs(model: ModelProto, matrix: str, names: Sequence[str], kind: int) -> None:
    """Replace one input a column by one matrix: a Concat of columns becomes a Gather, exact and cheap."""
    graph = model.graph
    place = {name: index for index, name in enumerate(names)}
    for value in [value for value in graph.input if value.name in place]:
        graph.input.remove(value)
    if not names:
        return
    graph.input.append(helper.make_tensor_value_info(matrix, kind, [None, len(names)]))
    heads: list[NodeProto] = []
    for node in list(graph.node):
        if node.op_type == "Concat" and all(name in place for name in node.input):
            heads.append(_gather(graph, matrix, [place[name] for name in node.input], node.output[0]))
            graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    heads += [_gather(graph, matrix, [place[name]], name) for name in names if name in used]
    for node in reversed(heads):
        graph.node.insert(0, node)


def _gather(graph: Any, matrix: str, columns: list[int], output: str) -> NodeProto:
    indices = f"{output}_columns"
    graph.initializer.append(numpy_helper.from_array(np.array(columns, dtype=np.int64), indices))
    return helper.make_node("Gather", [matrix, indices], [output], name=f"{output}_gather", axis=1)


def _name_outputs(model: ModelProto, classifier: bool) -> Tensors:
    """Give the outputs the names that the manifest states."""
    found = [value.name for value in model.graph.output]
    if classifier:
        wished = dict(zip(found, ("label", "probabilities"), strict=False))
    else:
        wished = {found[0]: "value"}
    rename(model, wished)
    names = set(wished.values())
    return Tensors(
        None,
        None,
        label="label" if "label" in names else None,
        probabilities="probabilities" if "probabilities" in names else None,
        value="value" if "value" in names else None,
    )


def rename(model: ModelProto, names: Mapping[str, str]) -> None:
    """Give inputs, outputs and what connects the nodes the new `names`."""
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)


def _normalise(model: ModelProto) -> None:
    """Take out what differs between runs and machines, or tells of them."""
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version, model.domain, model.doc_string = "hakobu", "", "", ""
    model.model_version = 0
    del model.metadata_props[:]
    versions = {opset.domain: opset.version for opset in model.opset_import}
    del model.opset_import[:]
    used = {node.domain for node in model.graph.node} | {""}
    model.opset_import.extend(helper.make_opsetid(domain, versions[domain]) for domain in sorted(used))
    model.graph.name, model.graph.doc_string = "hakobu", ""
    del model.graph.value_info[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]

"""Which output of an ONNX model is what: told by its type, and by what it gives for rows that are always the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from hakobu.export.boosting.graph import class_labels
from hakobu.export.boosting.part import Part
from hakobu.settings import Task
from hakobu.sources.ending import Scores, check_count, scores_of, write_ending
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.manifest import ClassLabel

_CLASS_ATTRIBUTES = ("classlabels_ints", "classlabels_int64s", "classlabels_strings")
_SEVERAL = "leave one label, one matrix of probabilities, or one value among its outputs"


@dataclass(frozen=True, slots=True)
class Found:
    """The outputs of a model that are used, by their names, and the classes of a classification."""

    classes: tuple[ClassLabel, ...] = ()
    label: str | None = None
    """The output that gives the class itself; None where it follows from the numbers."""
    named: bool = False
    """Whether the label is the place of the class in `classes`, not the class."""
    numbers: str | None = None
    """The probabilities or scores of a classification, or the value of a regression."""
    count: int = 1
    """How many numbers a row has."""
    scores: Scores = Scores.ODDS
    """What the numbers of a classification are."""


def without_maps(model: ModelProto) -> tuple[ClassLabel, ...]:
    """Take the ZipMaps out of `model`, which turn probabilities into maps; return the classes that they knew."""
    graph = model.graph
    classes: tuple[ClassLabel, ...] = ()
    for node in [node for node in graph.node if node.op_type == "ZipMap"]:
        classes = _class_list(node) or classes
        for value in graph.output:
            if value.name == node.output[0]:
                plain = helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, [None, len(classes) or None])
                value.CopyFrom(plain)
        graph.node.remove(node)
    return classes


def known_classes(model: ModelProto, count: int | None) -> tuple[ClassLabel, ...]:
    """Return the classes that the operators of `model` know, where they agree; `count` of them unless it is None."""
    constants = {constant.name: constant for constant in model.graph.initializer}
    outputs = {value.name for value in model.graph.output}
    lists = {_class_list(node) for node in model.graph.node}
    for node in model.graph.node:
        if node.op_type in ("Gather", "ArrayFeatureExtractor") and outputs & set(_onwards(model, node.output[0])):
            lists.add(_constant_list(constants.get(node.input[0])))
    fitting = [found for found in lists if found and (count is None or len(found) == count)]
    return fitting[0] if len(fitting) == 1 else ()


def _onwards(model: ModelProto, name: str) -> list[str]:
    """Return `name` and the names that its values go on under, unchanged but for type and shape."""
    names = [name]
    for node in model.graph.node:
        if node.op_type in ("Cast", "Reshape", "Squeeze", "Identity") and node.input[0] in names:
            names.append(node.output[0])
    return names


def _class_list(node: NodeProto) -> tuple[ClassLabel, ...]:
    for attribute in node.attribute:
        if attribute.name in _CLASS_ATTRIBUTES:
            texts = attribute.type == AttributeProto.STRINGS
            found = [text.decode("utf-8", "replace") for text in attribute.strings] if texts else list(attribute.ints)
            if found:
                return tuple(found)
    return ()


def _constant_list(constant: TensorProto | None) -> tuple[ClassLabel, ...]:
    if constant is None or constant.data_type not in (TensorProto.INT64, TensorProto.STRING):
        return ()
    values = numpy_helper.to_array(constant).ravel()
    if constant.data_type == TensorProto.STRING:
        return tuple(value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist())
    return tuple(int(value) for value in values)


def found_outputs(
    model: ModelProto,
    given: Mapping[str, NDArray[Any]],
    task: Task | None,
    classes: Sequence[ClassLabel] | None,
    told: tuple[ClassLabel, ...],
) -> Found:
    """Return which outputs of `model` are what, from what it gave; `told` are the classes that its ZipMap knew.

    Raises ProjectError when it has none that can be used, or several.
    """
    numbers = {name: np.asarray(array) for name, array in given.items() if np.asarray(array).dtype.kind == "f"}
    labels = {name: np.asarray(array) for name, array in given.items() if np.asarray(array).dtype.kind in "iuOUSb"}
    for name, array in given.items():
        if np.asarray(array).ndim not in (1, 2):
            raise ProjectError(
                f"the ONNX model's output {name!r} has the shape {np.asarray(array).shape} for 64 rows\n"
                "remedy: let it give one row of numbers, or one class, for each row"
            )
    wide = {name: array.reshape(len(array), -1) for name, array in numbers.items()}
    if task is None:
        classifies = bool(labels) or bool(classes) or any(array.shape[1] > 1 for array in wide.values())
        task = Task.CLASSIFICATION if classifies else Task.REGRESSION
    if task is Task.REGRESSION:
        return _value(numbers or {name: array for name, array in labels.items() if array.dtype.kind in "iub"})
    if labels:
        return _labelled(model, labels, wide, classes, told)
    if len(wide) != 1:
        raise ProjectError(f"the ONNX model has {len(wide)} outputs of numbers and no label\nremedy: {_SEVERAL}")
    name, array = next(iter(wide.items()))
    count = array.shape[1]
    chosen = tuple(told or classes or known_classes(model, max(2, count)) or range(max(2, count)))
    check_count(count, chosen)
    return Found(chosen, numbers=name, count=count, scores=scores_of(array))


def _value(candidates: Mapping[str, NDArray[Any]]) -> Found:
    single = [name for name, array in candidates.items() if array.size == len(array)]
    if len(single) != 1:
        raise ProjectError(f"the ONNX model has {len(single)} outputs of one number a row\nremedy: {_SEVERAL}")
    return Found(numbers=single[0])


def _labelled(
    model: ModelProto,
    labels: Mapping[str, NDArray[Any]],
    wide: Mapping[str, NDArray[Any]],
    classes: Sequence[ClassLabel] | None,
    told: tuple[ClassLabel, ...],
) -> Found:
    if len(labels) != 1:
        raise ProjectError(f"the ONNX model has {len(labels)} outputs that could be the label\nremedy: {_SEVERAL}")
    label, array = next(iter(labels.items()))
    if array.size != len(array):
        raise ProjectError("the ONNX model gives several labels for a row\nremedy: make a model for each of them")
    odds = [name for name, rows in wide.items() if rows.shape[1] > 1 and scores_of(rows) is Scores.ODDS]
    count = wide[odds[0]].shape[1] if odds else None
    own = told or known_classes(model, count)
    texts = array.dtype.kind not in "iub"
    chosen = tuple(own or classes or (() if texts else range(count or 0)))
    if len(chosen) < 2 or (count is not None and len(chosen) != count):
        raise ProjectError("the ONNX model does not say its classes\nremedy: name them, in the order of its outputs")
    named = not texts and not own and any(isinstance(name, str) for name in chosen)
    if named and all(str(name).lstrip("-").isdigit() for name in chosen):
        chosen, named = tuple(int(name) for name in chosen), False
    return Found(chosen, label, named, odds[0] if odds else None, count or 1)


def write_outputs(part: Part, found: Found, names: Mapping[str, str], kind: int) -> bool:
    """Add what gives "label" and "probabilities", or "value" of `kind`, and return whether there are probabilities.

    `names` are the new names of the model's own outputs.
    """
    numbers = "" if found.numbers is None else names[found.numbers]
    if not found.classes:
        part.cast(part.node("Reshape", numbers, part.constant(np.array([-1, 1]))), kind, to="value")
        return False
    if found.label is None:
        write_ending(part, numbers, found.count, found.scores, found.classes)
        return True
    label = part.node("Reshape", names[found.label], part.constant(np.array([-1])))
    if found.named:
        part.node("Gather", part.constant(class_labels(found.classes)), label, to="label", axis=0)
    elif isinstance(found.classes[0], str):
        part.node("Identity", label, to="label")
    else:
        part.cast(label, TensorProto.INT64, to="label")
    if numbers:
        part.cast(numbers, TensorProto.FLOAT, to="probabilities")
    return bool(numbers)

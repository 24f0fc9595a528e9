"""Models that give one thing for a row, where skl2onnx would look for more: a label, or the numbers of a step."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hakobu.export.converters.classes import OPTIONS
from hakobu.export.converters.registry import Convert, Converter, always
from hakobu.export.converters.step import Step, gives


def labels_only(kind: type, convert: Convert, repair: str) -> Converter:
    """Return a converter for a model whose only output is a label, int64 (n,)."""
    return Converter(kind, _label_shape, convert, repair, parser=_parse_label, options=OPTIONS)


def step_only(
    kind: type,
    columns: Callable[[Any], int],
    convert: Convert,
    repair: str,
    mends: Callable[[Any], bool] = always,
) -> Converter:
    """Return a converter for a step that looks like a classifier, a clustering or a forest, and gives `columns`."""
    return Converter(kind, gives(columns), convert, repair, mends=mends, parser=_parse_step, options=OPTIONS)


def _parse_label(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    from skl2onnx.common.data_types import Int64TensorType

    return _parsed(scope, model, inputs, Int64TensorType())


def _parse_step(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    from skl2onnx.common.data_types import guess_tensor_type

    return _parsed(scope, model, inputs, guess_tensor_type(inputs[0].type))


def _parsed(scope: Any, model: Any, inputs: Any, kind: Any) -> Any:
    operator = scope.declare_local_operator(f"Hakobu{type(model).__name__}", model)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("found", kind))
    return operator.outputs


def _label_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import Int64TensorType

    operator.outputs[0].type = Int64TensorType([None])


def give_labels(step: Step, labels: str) -> None:
    """Give out `labels`, integers of any shape with one for each row."""
    flat = step.add("Reshape", step.add("Cast", labels, to=7), np.array([-1], dtype=np.int64))
    step.put("Identity", [flat], [step.output])


def give_sides(step: Step, inside: str) -> None:
    """Give out 1 for the rows that `inside` says yes to, and -1 for the others."""
    give_labels(step, step.add("Where", inside, np.array(1, dtype=np.int64), np.array(-1, dtype=np.int64)))

"""How a classifier or a regressor of ours gives out what it found: skl2onnx's types, and the last nodes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from hakobu.export.converters.writer import Piece, Writer

OPTIONS = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]}
"""What skl2onnx asks of every classifier; only zipmap=False is ever used."""


def classifier_shape(operator: Any) -> None:
    """Set the types of a label and of one score a class; a model of several outputs is refused."""
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    texts = labels_of(operator.raw_operator).dtype.kind == "O"
    operator.outputs[0].type = (StringTensorType if texts else Int64TensorType)([None])
    if len(operator.outputs) > 1:
        operator.outputs[1].type = _number(operator)([None, len(operator.raw_operator.classes_)])


def regressor_shape(operator: Any) -> None:
    """Set the type of one value a row."""
    operator.outputs[0].type = _number(operator)([None, 1])


def _number(operator: Any) -> Any:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    wide = any(isinstance(value.type, DoubleTensorType) for value in operator.inputs)
    return DoubleTensorType if wide else FloatTensorType


def labels_of(estimator: Any) -> NDArray[Any]:
    """Return the classes of a fitted classifier as ONNX tells them: int64, or objects that are text."""
    if isinstance(estimator.classes_, list) or np.ndim(estimator.classes_) != 1:
        raise NotImplementedError(f"{type(estimator).__name__} has several targets: train one model for each of them")
    classes = np.asarray(estimator.classes_)
    if classes.dtype.kind in "OU" and all(isinstance(name, str) for name in classes.tolist()):
        return classes.astype(object)
    if classes.dtype.kind in "OU" or not np.array_equal(classes, classes.astype(np.int64)):
        raise NotImplementedError(f"its classes {classes.tolist()[:3]} are neither text nor integers: name them so")
    return classes.astype(np.int64)


def give_classes(writer: Writer, operator: Any, codes: str) -> None:
    """Give out the class that each of `codes` (n,) stands for."""
    names = writer.name_of(labels_of(operator.raw_operator))
    writer.put("Gather", [names, codes], [operator.outputs[0].full_name], axis=0)


def give_scores(writer: Writer, operator: Any, scores: str) -> None:
    """Give out the doubles `scores` (n, classes) beside the label, as the type that was said."""
    if len(operator.outputs) > 1:
        give(writer, scores, operator.outputs[1])


def give(writer: Writer, values: str, output: Any) -> None:
    """Give out the doubles `values` as the type of `output`."""
    from skl2onnx.common.data_types import DoubleTensorType

    to = TensorProto.DOUBLE if isinstance(output.type, DoubleTensorType) else TensorProto.FLOAT
    writer.put("Cast", [values], [output.full_name], to=to)


def largest(writer: Writer, scores: str) -> str:
    """Return the place of the largest of each row of `scores`, the first of equal ones, (n,)."""
    return writer.add("ArgMax", scores, axis=1, keepdims=0)


def above(writer: Writer, scores: str, threshold: Piece, *, equal: bool = False) -> str:
    """Return 1 where `scores` (n, 1) are above `threshold` (or `equal` to it), else 0: (n,)."""
    beyond = writer.add("GreaterOrEqual" if equal else "Greater", scores, threshold)
    return writer.add("Reshape", writer.add("Cast", beyond, to=TensorProto.INT64), np.array([-1], dtype=np.int64))


def both(writer: Writer, second: str) -> str:
    """Return the probabilities of two classes, from that of the second (n, 1)."""
    return writer.add("Concat", writer.add("Sub", np.array(1.0), second), second, axis=1)


def opposite(writer: Writer, scores: str) -> str:
    """Return what stands beside the label for two classes that have one score (n, 1): its negative, and itself."""
    return writer.add("Concat", writer.add("Neg", scores), scores, axis=1)

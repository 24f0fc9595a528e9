"""Writes the nodes of one step of a pipeline: all its inputs as one matrix of numbers, one matrix of numbers out."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from hakobu.export.converters.registry import Shape
from hakobu.export.converters.writer import Piece, Writer


class Step(Writer):
    """The nodes of one of skl2onnx's operators that turns numbers or texts into numbers."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        super().__init__(scope, container)
        self.inputs: Sequence[Any] = operator.inputs
        """skl2onnx's variables."""
        self.estimator: Any = operator.raw_operator
        self.output: str = operator.outputs[0].full_name
        self.dtype: type[np.floating] = np.float64 if is_double(operator.outputs[0].type) else np.float32
        """What comes out: float32, or double where an input is double."""

    def cast(self, name: str, dtype: type[np.generic]) -> str:
        """Turn the tensor `name` into `dtype`."""
        return self.add("Cast", name, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def stored(self, name: str) -> str:
        """Round doubles as scikit-learn does where it stores them in an array of the data's type."""
        return name if self.dtype is np.float64 else self.double(self.float32(name))

    def held(self, number: Any) -> float:
        """Return `number` as numpy compares it with the data: Python's in the data's type, numpy's own in the wider."""
        return float(number if isinstance(number, np.generic) else self.dtype(number))

    def numbers(self, dtype: type[np.floating] = np.float64) -> str:
        """Give all inputs as one matrix of `dtype`; raise NotImplementedError where one is text."""
        if any(is_text(entry.type) for entry in self.inputs):
            kind = type(self.estimator).__name__
            raise NotImplementedError(f"{kind} reads numbers, and gets a text column: encode the texts before it")
        parts = [entry.full_name for entry in self.inputs]
        if len({type(entry.type) for entry in self.inputs}) > 1:
            parts = [self.cast(name, dtype) for name in parts]
        return self.cast(self.side_by_side(parts), dtype)

    def side_by_side(self, parts: Sequence[Piece]) -> Any:
        """Join matrices of one type to one."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def sum_last(self, name: str) -> str:
        """Add up along the last axis, which goes."""
        return self.add("ReduceSum", name, np.array([-1], dtype=np.int64), keepdims=0)

    def reshape(self, name: str, *shape: int) -> str:
        """Give the tensor `name` the `shape`; 0 keeps the rows."""
        return self.add("Reshape", name, np.array(shape, dtype=np.int64))

    def widen(self, name: str) -> str:
        """Add an axis of one at the end."""
        return self.add("Unsqueeze", name, np.array([-1], dtype=np.int64))

    def give(self, name: str) -> None:
        """Let the tensor `name` be what comes out, as numbers of the output's type."""
        double = self.dtype is np.float64
        self.put("Cast", [name], [self.output], to=TensorProto.DOUBLE if double else TensorProto.FLOAT)

    def give_texts(self, name: str) -> None:
        """Let the texts `name` be what comes out."""
        self.put("Identity", [name], [self.output])


def is_text(kind: Any) -> bool:
    """Say whether skl2onnx's type `kind` is that of texts."""
    from skl2onnx.common.data_types import StringTensorType

    return isinstance(kind, StringTensorType)


def is_double(kind: Any) -> bool:
    """Say whether skl2onnx's type `kind` is that of doubles."""
    from skl2onnx.common.data_types import DoubleTensorType

    return isinstance(kind, DoubleTensorType)


def gives(columns: Callable[[Any], int]) -> Shape:
    """Return what says that an operator gives as many numbers a row as `columns` counts for its fitted estimator."""

    def shape(operator: Any) -> None:
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

        kind = DoubleTensorType if any(is_double(entry.type) for entry in operator.inputs) else FloatTensorType
        operator.outputs[0].type = kind([operator.inputs[0].get_first_dimension(), int(columns(operator.raw_operator))])

    return shape


def as_many(estimator: Any) -> int:
    """Count one number for each feature that `estimator` reads."""
    return int(estimator.n_features_in_)

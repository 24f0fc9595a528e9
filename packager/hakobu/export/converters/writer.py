"""Writes the nodes of one of our converters into skl2onnx's graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

_LEARNED = frozenset({"LabelEncoder", "SVMClassifier", "TreeEnsembleRegressor"})
"""The operators of ours that are of the domain of learned ones."""

Piece = str | float | NDArray[Any]
"""What a node reads: the name of a tensor, or a constant (a number is a double)."""


class Writer:
    """Adds nodes and constants under names that nobody else has."""

    def __init__(self, scope: Any, container: Any) -> None:
        self.scope = scope
        self.container = container

    def add(self, operator: str, *pieces: Piece, **attributes: Any) -> str:
        """Add a node that reads `pieces`; return the name of its output."""
        name = self._new(operator.lower())
        self.put(operator, pieces, [name], **attributes)
        return name

    def put(self, operator: str, pieces: Sequence[Piece], outputs: Sequence[str], **attributes: Any) -> None:
        """Add a node that reads `pieces` and writes tensors called `outputs`."""
        self.container.add_node(
            operator,
            [self.name_of(piece) for piece in pieces],
            list(outputs),
            op_domain="ai.onnx.ml" if operator in _LEARNED else "",
            name=self.scope.get_unique_operator_name(f"hakobu_{operator}"),
            **attributes,
        )

    def name_of(self, piece: Piece) -> str:
        """Return the name of `piece`, made a constant where it is none yet."""
        if isinstance(piece, str):
            return piece
        array = np.asarray(piece)
        name = self._new("constant")
        if array.dtype.kind in "OU":
            texts = [str(text).encode() for text in array.ravel()]
            self.container.add_initializer(name, TensorProto.STRING, list(array.shape), texts)
        else:
            tensor = numpy_helper.from_array(np.array(array, order="C", copy=True), name)
            self.container.add_initializer(name, tensor.data_type, list(array.shape), tensor)
        return name

    def double(self, piece: str) -> str:
        """Return `piece` as doubles."""
        return self.add("Cast", piece, to=TensorProto.DOUBLE)

    def float32(self, piece: str) -> str:
        """Return `piece` rounded to float32."""
        return self.add("Cast", piece, to=TensorProto.FLOAT)

    def column(self, matrix: str, place: int) -> str:
        """Return one column of `matrix`, shape (n, 1)."""
        return self.add("Gather", matrix, np.array([place], dtype=np.int64), axis=1)

    def sum_of(self, matrix: str, axis: int = 1, keepdims: int = 1) -> str:
        """Return the sum of `matrix` along `axis`."""
        return self.add("ReduceSum", matrix, np.array([axis], dtype=np.int64), keepdims=keepdims)

    def total(self, pieces: Sequence[str]) -> str:
        """Return the sum of `pieces`, added one after the other as scikit-learn's loops do."""
        found = pieces[0]
        for piece in pieces[1:]:
            found = self.add("Add", found, piece)
        return found

    def _new(self, seed: str) -> str:
        name: str = self.scope.get_unique_variable_name(f"hakobu_{seed}")
        return name

"""A part of an ONNX graph while it is put together: nodes and constants whose names begin alike."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

LEARNED = "ai.onnx.ml"


class Part:
    """Nodes in the order of computing, and the constants that they read."""

    def __init__(self, prefix: str) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._prefix = prefix

    def node(self, operator: str, *inputs: str, to: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node, and return the name of its output: `to`, or a new one."""
        name = f"{self._prefix}{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [to or name], name=name, domain=domain, **attributes))
        return to or name

    def constant(self, values: Any) -> str:
        """Add a constant, of texts or an array of numbers, and return its name."""
        name = f"{self._prefix}constant_{len(self.constants)}"
        array: NDArray[Any] = np.asarray(values)
        if array.dtype.kind in "OU":
            texts = [str(text).encode() for text in array.ravel()]
            self.constants.append(helper.make_tensor(name, TensorProto.STRING, array.shape, texts))
        else:
            self.constants.append(numpy_helper.from_array(array, name))
        return name

    def cast(self, name: str, kind: int, to: str = "") -> str:
        """Return `name` as `kind`, one of TensorProto's."""
        own = f"{self._prefix}cast_{len(self.nodes)}"
        self.nodes.append(helper.make_node("Cast", [name], [to or own], name=own, to=kind))
        return to or own

"""Fitting an ONNX graph of another's making to what the device gives it and takes from it."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, inliner

from hakobu.export.boosting.part import Part
from hakobu.export.foreign import MATRIX
from hakobu_runtime.format.manifest import Dtype

ELEMENTS = {Dtype.FLOAT32: TensorProto.FLOAT, Dtype.FLOAT64: TensorProto.DOUBLE}


def cleaned(model: ModelProto) -> ModelProto:
    """Return `model` with its functions written out, and without remarks, which tell of the builder's machine."""
    if model.functions:
        model = inliner.inline_local_functions(model)
    del model.metadata_props[:]
    graph = model.graph
    del graph.metadata_props[:]
    del graph.value_info[:]
    named: Iterable[Any] = (*graph.input, *graph.output, *graph.initializer, *graph.node)
    for part in named:
        part.doc_string = ""
        del part.metadata_props[:]
    return model


def elements_of(value: Any) -> int:
    """Return the kind of the numbers in an input or output, one of TensorProto's; 0 when it is no tensor."""
    return int(value.type.tensor_type.elem_type) if value.type.HasField("tensor_type") else 0


def shape_of(value: Any) -> tuple[int | None, ...] | None:
    """Return the shape of an input or output, None for what is free; None for no shape at all."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(size.dim_value if size.HasField("dim_value") else None for size in tensor.shape.dim)


def hide_names(model: ModelProto) -> dict[str, str]:
    """Give every input, output, constant and result a name by its place, and return the new name of each old one.

    Exporters take names from objects of the process, or count on from the model before: the same network would come
    out in other bytes.
    """
    graph, names = model.graph, {"": ""}
    for value in graph.input:
        names.setdefault(value.name, f"net_input_{len(names)}")
    fixed = {constant.name: constant for constant in graph.initializer}
    for place, node in enumerate(graph.node):
        for name in (*node.input, *node.output):
            names.setdefault(name, f"net_{len(names)}")
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
        node.name = f"net_{node.op_type.lower()}_{place}"
    del graph.initializer[:]
    for old in names:
        if old in fixed:
            graph.initializer.append(fixed[old])
            graph.initializer[-1].name = names[old]
    for value in (*graph.input, *graph.output):
        value.name = names.setdefault(value.name, f"net_{len(names)}")
    return names


def read_matrix(model: ModelProto, dtype: Dtype, width: int) -> None:
    """Have `model`, which reads one matrix, read it as MATRIX of `dtype`."""
    old = model.graph.input[0]
    part = Part("given_")
    part.cast(MATRIX, elements_of(old), to=old.name)
    _put_first(model, part)
    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info(MATRIX, ELEMENTS[dtype], [None, width]))


def read_columns(model: ModelProto, widths: Sequence[int], dtype: Dtype) -> None:
    """Have `model`, whose inputs read `widths` columns each, read every column as an input of its own."""
    part = Part("given_")
    columns: list[Any] = []
    for old, width in zip(model.graph.input, widths, strict=True):
        text, shape = elements_of(old) == TensorProto.STRING, shape_of(old) or ()
        kind = TensorProto.STRING if text else ELEMENTS[dtype]
        own = [f"column_{len(columns) + place}" for place in range(width)]
        columns += [helper.make_tensor_value_info(name, kind, [None, 1]) for name in own]
        matrix = part.node("Concat", *own, axis=1)
        if len(shape) == 1:
            matrix = part.node("Reshape", matrix, part.constant(np.array([-1])))
        if text:
            part.node("Identity", matrix, to=old.name)
        else:
            part.cast(matrix, elements_of(old), to=old.name)
    _put_first(model, part)
    del model.graph.input[:]
    model.graph.input.extend(columns)


def add_last(model: ModelProto, part: Part, outputs: Sequence[Any]) -> None:
    """Put the nodes of `part` at the end of `model`, which then gives `outputs` alone."""
    model.graph.node.extend(part.nodes)
    model.graph.initializer.extend(part.constants)
    del model.graph.output[:]
    model.graph.output.extend(outputs)


def _put_first(model: ModelProto, part: Part) -> None:
    nodes = [*part.nodes, *(onnx.NodeProto.FromString(node.SerializeToString()) for node in model.graph.node)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(part.constants)


def class_outputs(classes: Sequence[Any], *, odds: bool = True) -> list[Any]:
    """Return the outputs of a classifier: "label", and "probabilities" where it has `odds`."""
    kind = TensorProto.STRING if isinstance(classes[0], str) else TensorProto.INT64
    outputs = [helper.make_tensor_value_info("label", kind, [None])]
    if odds:
        outputs.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, len(classes)]))
    return outputs


def value_output(kind: int) -> list[Any]:
    """Return the output of a regression."""
    return [helper.make_tensor_value_info("value", kind, [None, 1])]

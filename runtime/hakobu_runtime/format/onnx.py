"""A look into an ONNX model before anything may run it, with neither onnx nor protobuf at hand.

onnxruntime refuses broken models, but runs an endless Loop, opens files named in the model, and allocates whatever it
is told to. So a model has to pass here first. Field numbers are those of onnx.proto (https://github.com/onnx/onnx).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.constant import DTYPES, read_constant
from hakobu_runtime.format.growth import MAX_ELEMENTS, Growth, weigh
from hakobu_runtime.format.operators import check_operator, check_opset, domain_of
from hakobu_runtime.format.trees import INTS, check_trees
from hakobu_runtime.format.wire import Field, Message, Wire, int64s, plain_bytes, runs, signed, text, varints, walk

MAX_NODES = 200_000
"""Ten times the largest exports in use; beyond, loading takes minutes."""
MAX_COLUMNS = 2**20
"""Numbers a row that one learned operator may give out; a text model of a million words still fits."""

_V, _B = Wire.VARINT, Wire.BYTES
_BYTES, _VARINTS = frozenset({_B}), frozenset({_V, _B})
_SPARSE = "it holds sparse tensors, which are not allowed: export the model with dense ones"
_WITHIN = "it holds a graph within the graph (as If, Loop and Scan do), which is not allowed"

_MODEL = Message(
    "the model",
    {1: _V, 2: _B, 3: _B, 4: _B, 5: _V, 6: _B, 7: _B},
    {8: _BYTES, 14: _BYTES},
    {20: "it holds training information, which is not allowed", 25: "it defines functions, which are not allowed"},
)
_OPSET = Message("an opset", {1: _B, 2: _V})
_GRAPH = Message("the graph", {2: _B, 10: _B}, dict.fromkeys((1, 5, 11, 12, 13, 14, 16), _BYTES), {15: _SPARSE})
_NODE = Message("a node", {3: _B, 4: _B, 6: _B, 7: _B}, dict.fromkeys((1, 2, 5, 9), _BYTES))
_ATTRIBUTE = Message(
    "an attribute",
    {1: _B, 2: Wire.FOUR, 3: _V, 4: _B, 5: _B, 13: _B, 20: _V},
    {7: frozenset({Wire.FOUR, _B}), 8: _VARINTS, 9: _BYTES, 10: _BYTES},
    {6: _WITHIN, 11: _WITHIN, 22: _SPARSE, 23: _SPARSE},
    runs({7: Wire.FOUR, 8: _V, 9: _B}),
)
_VALUE = Message("an input or output", {1: _B, 2: _B, 3: _B}, {4: _BYTES})
_NO_TENSOR = dict.fromkeys((4, 5, 7, 8, 9), "an input or output is no plain tensor (ZipMap? export with zipmap=False)")
_TYPE = Message("a type", {1: _B, 6: _B}, {}, _NO_TENSOR)
_TENSOR_TYPE = Message("a tensor type", {1: _V, 2: _B})
_SHAPE = Message("a shape", {}, {1: _BYTES})
_DIMENSION = Message("a dimension", {1: _V, 2: _B, 3: _B})

_VALUE_FIELDS = frozenset({2, 3, 4, 5, 7, 8, 9, 10})
_SIZE_ATTRIBUTES = frozenset(
    ["dilations", "kernel_shape", "output_padding", "output_shape", "pads", "scales", "shape", "strides"]
)
_COLUMN_ATTRIBUTES = frozenset(["inputdimensions", "n_targets", "ngram_indexes", "targets"])
_FILL_ATTRIBUTES = frozenset(["value", "value_float", "value_floats", "value_int", "value_ints"])


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a model: a free dimension is None, and a shape that is not given too."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """What a model takes, gives and is made of."""

    inputs: tuple[Tensor, ...]
    """Without those that have a fixed value in the model."""
    outputs: tuple[Tensor, ...]
    opsets: Mapping[str, int]
    operators: frozenset[str]
    nodes: int
    ir_version: int


def check_model(content: bytes) -> ModelSummary:
    """Return what the ONNX model in `content` is made of; raise FormatError when it may not run here."""
    try:
        return _model(content)
    except FormatError as error:
        raise FormatError(f"model.onnx: {error}") from error


def _model(content: bytes) -> ModelSummary:
    opsets: dict[str, int] = {}
    graph: Field | None = None
    ir_version = 0
    for entry in walk(content, 0, len(content), _MODEL):
        if entry.number == 1:
            ir_version = entry.value
        elif entry.number == 7:
            graph = entry
        elif entry.number == 8:
            domain, version = _opset(content, entry)
            if opsets.setdefault(domain, version) != version:
                raise FormatError(f"it names two opsets of {domain}: {opsets[domain]} and {version}")
    if graph is None or not opsets:
        raise FormatError("it has no graph, or names no opset: it is damaged, or no ONNX model")
    return _graph(content, graph, opsets, ir_version)


def _opset(content: bytes, opset: Field) -> tuple[str, int]:
    domain, version = "", 0
    for entry in walk(content, opset.start, opset.end, _OPSET):
        if entry.number == 1:
            domain = text(content, entry)
        else:
            version = signed(entry.value)
    check_opset(domain_of(domain), version)
    return domain_of(domain), version


def _graph(content: bytes, graph: Field, opsets: Mapping[str, int], ir_version: int) -> ModelSummary:
    parts: dict[int, list[Field]] = {1: [], 5: [], 11: [], 12: []}
    for entry in walk(content, graph.start, graph.end, _GRAPH):
        if entry.number in parts:
            parts[entry.number].append(entry)
    if len(parts[1]) > MAX_NODES:
        raise FormatError(f"it has {len(parts[1]):,} nodes; at most {MAX_NODES:,} are allowed")
    growth = Growth()
    fixed: set[str] = set()
    for entry in parts[5]:
        name, numbers = read_constant(content, entry)
        fixed.add(name)
        growth.constant(name, numbers)
    inputs = [_value(content, entry) for entry in parts[11]]
    return ModelSummary(
        inputs=tuple(tensor for tensor in inputs if tensor.name not in fixed),
        outputs=tuple(_value(content, entry) for entry in parts[12]),
        opsets=opsets,
        operators=frozenset(_node(content, entry, opsets, growth) for entry in parts[1]),
        nodes=len(parts[1]),
        ir_version=ir_version,
    )


def _node(content: bytes, node: Field, opsets: Mapping[str, int], growth: Growth) -> str:
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: list[Field] = []
    operator = domain = ""
    for entry in walk(content, node.start, node.end, _NODE):
        if entry.number == 1:
            inputs.append(text(content, entry))
        elif entry.number == 2:
            outputs.append(text(content, entry))
        elif entry.number == 4:
            operator = text(content, entry)
        elif entry.number == 5:
            attributes.append(entry)
        elif entry.number == 7:
            domain = text(content, entry)
    domain = domain_of(domain)
    check_operator(domain, operator)
    if domain not in opsets:
        raise FormatError(f"operator {operator!r} is of {domain}, but the model names no opset of it")
    fill = _fill(content, operator, attributes)
    if operator == "Constant":
        growth.constant(outputs[0] if outputs else "", fill)
    else:
        growth.node(operator, inputs, outputs, fill or ())
    return operator


def _fill(content: bytes, operator: str, attributes: list[Field]) -> tuple[float, ...] | None:
    """Return the few numbers that a node holds as its value, after checking all its attributes."""
    fill = None
    names: set[str] = set()
    ways: dict[str, NDArray[np.int64]] = {}
    for attribute in attributes:
        name, entries = "", []
        for entry in walk(content, attribute.start, attribute.end, _ATTRIBUTE):
            if entry.number == 1:
                name = text(content, entry)
            entries.append(entry)
        if name in names or len({entry.number for entry in entries} & _VALUE_FIELDS) > 1:
            raise FormatError(f"operator {operator!r}: attribute {name!r} has two values")
        names.add(name)
        for numbers in _numbers(content, name, entries):
            _check_attribute(operator, name, numbers)
            fill = numbers if name in _FILL_ATTRIBUTES else fill
        if operator == "TreeEnsemble" and name in INTS:
            parts = [int64s(content, entry) for entry in entries if entry.number in (3, 8)]
            ways[name] = np.concatenate([np.empty(0, dtype=np.int64), *parts])
    if operator == "TreeEnsemble":
        check_trees(ways)
    return fill


def _numbers(content: bytes, name: str, entries: list[Field]) -> Iterator[tuple[float, ...]]:
    wanted = name in _FILL_ATTRIBUTES or name in _SIZE_ATTRIBUTES or name in _COLUMN_ATTRIBUTES
    most = MAX_COLUMNS if name in _COLUMN_ATTRIBUTES else 1_000
    for entry in entries:
        if entry.number in (5, 10):
            _, numbers = read_constant(content, entry)
            if numbers is not None:
                yield numbers
        elif wanted and entry.number in (3, 8):
            yield varints(content, entry, most)
        elif wanted and entry.number in (2, 7):
            yield tuple(np.frombuffer(plain_bytes(content, entry), "<f4").tolist())


def _check_attribute(operator: str, name: str, numbers: tuple[float, ...]) -> None:
    if name in _SIZE_ATTRIBUTES and weigh(numbers) > np.log2(MAX_ELEMENTS):
        raise FormatError(f"operator {operator!r}: the sizes in {name!r} ask for more memory than is allowed")
    if name in _COLUMN_ATTRIBUTES and max(numbers, default=0) > MAX_COLUMNS:
        raise FormatError(f"operator {operator!r}: {name!r} asks for more than {MAX_COLUMNS:,} columns")


def _value(content: bytes, value: Field) -> Tensor:
    name, dtype = "", 0
    shape: tuple[int | None, ...] | None = None
    for entry in walk(content, value.start, value.end, _VALUE):
        if entry.number == 1:
            name = text(content, entry)
        for kind in walk(content, entry.start, entry.end, _TYPE) if entry.number == 2 else ():
            for part in walk(content, kind.start, kind.end, _TENSOR_TYPE) if kind.number == 1 else ():
                if part.number == 1:
                    dtype = part.value
                else:
                    shape = tuple(_dimension(content, dim) for dim in walk(content, part.start, part.end, _SHAPE))
    return Tensor(name, DTYPES.get(dtype, f"type {dtype}"), shape)


def _dimension(content: bytes, dimension: Field) -> int | None:
    entries = walk(content, dimension.start, dimension.end, _DIMENSION)
    return next((signed(entry.value) for entry in entries if entry.number == 1), None)

"""A tensor whose elements stand in the model: read when small enough to be a shape, only checked otherwise."""

from math import prod

import numpy as np

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.wire import Field, Message, Wire, plain_bytes, runs, text, varints, walk

_FEW = 64
"""A tensor of more elements than this gives no shape: no tensor has so many dimensions."""
DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "float64",
}
"""The names of the element types that ONNX numbers, those of our models."""
_NUMBER_FIELDS = {1: 4, 6: 5, 7: 7, 11: 10}
"""For the element types that a shape may have, the field that holds them when it is not the raw one."""

_V, _B = Wire.VARINT, Wire.BYTES
_BYTES, _VARINTS = frozenset({_B}), frozenset({_V, _B})
_EXTERNAL = (
    "it keeps weights in a file outside the model (external data), which is not allowed: "
    "save the model as one file with all its weights"
)
_TENSOR = Message(
    "a tensor",
    {2: _V, 8: _B, 9: _B, 12: _B, 14: _V},
    {
        1: _VARINTS,
        4: frozenset({Wire.FOUR, _B}),
        5: _VARINTS,
        6: _BYTES,
        7: _VARINTS,
        10: frozenset({Wire.EIGHT, _B}),
        11: _VARINTS,
        16: _BYTES,
    },
    {3: "it holds a tensor in segments, which is not allowed", 13: _EXTERNAL},
    runs({4: Wire.FOUR, 5: _V, 6: _B, 7: _V, 11: _V}),
)


def read_constant(content: bytes, tensor: Field) -> tuple[str, tuple[float, ...] | None]:
    """Return the name of a tensor, and its elements when they are few numbers."""
    name, dtype = "", 0
    dims: list[int] = []
    data: list[Field] = []
    for entry in walk(content, tensor.start, tensor.end, _TENSOR):
        if entry.number == 1:
            dims.extend(varints(content, entry, _FEW))
        elif entry.number == 2:
            dtype = entry.value
        elif entry.number == 8:
            name = text(content, entry)
        elif entry.number == 14 and entry.value != 0:
            raise FormatError(_EXTERNAL)
        elif entry.number in (4, 5, 6, 7, 9, 10, 11):
            data.append(entry)
    elements = prod(dims)
    # Two numbers a byte is the densest that ONNX knows (int4): a tensor that claims more would make others allocate.
    if min(dims, default=0) < 0 or elements > 2 * sum(entry.end - entry.start for entry in data):
        raise FormatError(f"tensor {name!r} claims {elements:,} elements and does not hold them")
    if elements > _FEW or dtype not in _NUMBER_FIELDS:
        return name, None
    numbers = tuple(number for entry in data for number in _elements(content, entry, dtype))
    if len(numbers) != elements:
        raise FormatError(f"tensor {name!r} claims {elements} elements and holds {len(numbers)}")
    return name, numbers


def _elements(content: bytes, entry: Field, dtype: int) -> tuple[float, ...]:
    if entry.number == 9 or dtype in (1, 11):
        raw = plain_bytes(content, entry)
        kind = np.dtype({1: "<f4", 6: "<i4", 7: "<i8", 11: "<f8"}[dtype])
        if entry.number not in (9, _NUMBER_FIELDS[dtype]) or len(raw) % kind.itemsize:
            raise FormatError(f"a tensor of {DTYPES[dtype]} holds numbers of another kind")
        return tuple(np.frombuffer(raw, kind).tolist())
    if entry.number != _NUMBER_FIELDS[dtype]:
        raise FormatError(f"a tensor of {DTYPES[dtype]} holds numbers of another kind")
    return varints(content, entry, _FEW)

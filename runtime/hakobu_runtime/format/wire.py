"""The wire format of protocol buffers, walked without copying: enough to look into a model before anything runs it.

Stricter than protobuf where two readers could disagree: an unknown field, a known one in an unknown form, and a single
one that comes twice are errors, not things to skip, merge or overwrite.
Source of the format: https://protobuf.dev/programming-guides/encoding/
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import FormatError

_LONGEST_VARINT = 10


class Wire(IntEnum):
    """How a field is written."""

    VARINT = 0
    EIGHT = 1
    """Eight bytes."""
    BYTES = 2
    """A length, and that many bytes: text, a message within, or packed numbers."""
    FOUR = 5
    """Four bytes."""


class Field(NamedTuple):
    """One field, or a run of fields of one number that follow each other."""

    number: int
    wire: Wire
    start: int
    end: int
    value: int = 0
    """Of a varint."""
    is_run: bool = False
    """Whether `start..end` spans whole fields, tags and all."""


_SHORT_TEXTS = b"(?:" + b"|".join(re.escape(bytes([size])) + b".{%d}" % size for size in range(64)) + b")"
_RUN_BODIES = {Wire.VARINT: rb"[\x80-\xff]{0,9}+[\x00-\x7f]", Wire.FOUR: b".{4}", Wire.BYTES: _SHORT_TEXTS}


@cache
def _run(tag: int) -> re.Pattern[bytes]:
    """Return what matches fields with this tag; made when one comes, for it takes milliseconds."""
    # Possessive: nothing is kept for backtracking, so memory does not grow with the run.
    return re.compile(b"(?:" + re.escape(bytes([tag])) + _RUN_BODIES[Wire(tag & 7)] + b")++", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Message:
    """What one kind of message may hold: each field's number and form."""

    name: str
    single: Mapping[int, Wire]
    many: Mapping[int, frozenset[Wire]] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)
    """Fields that are known and not allowed, with the reason in words."""
    runs: frozenset[int] = frozenset()
    """The tag bytes of which many fields are skipped at once, at the speed of C."""


def runs(forms: Mapping[int, Wire]) -> frozenset[int]:
    """Return the tags of fields below number 16, each in the form in which it repeats."""
    return frozenset(number << 3 | wire for number, wire in forms.items())


def walk(content: bytes, start: int, end: int, message: Message) -> Iterator[Field]:
    """Yield the fields of the `message` in `content[start:end]`; raise FormatError at the first that is not allowed."""
    seen: set[int] = set()
    at = start
    while at < end:
        found = _run(content[at]).match(content, at, end) if content[at] in message.runs else None
        if found:
            yield Field(content[at] >> 3, Wire(content[at] & 7), at, found.end(), is_run=True)
            at = found.end()
            continue
        entry, at = _field(content, at, end, message)
        if entry.number in message.single:
            if entry.number in seen:
                raise FormatError(f"field {entry.number} of {message.name} comes twice")
            seen.add(entry.number)
        yield entry


def _field(content: bytes, at: int, end: int, message: Message) -> tuple[Field, int]:
    tag, at = _varint(content, at, end)
    number, form = tag >> 3, tag & 7
    _check(number, form, message)
    if form == Wire.VARINT:
        value, after = _varint(content, at, end)
        return Field(number, Wire.VARINT, at, after, value), after
    size = 4 if form == Wire.FOUR else 8
    if form == Wire.BYTES:
        size, at = _varint(content, at, end)
    if size > end - at:
        raise FormatError(f"{message.name} is cut short at byte {at}: it is damaged, or no ONNX model")
    return Field(number, Wire(form), at, at + size), at + size


def _check(number: int, form: int, message: Message) -> None:
    if number in message.refused:
        raise FormatError(message.refused[number])
    if message.single.get(number) != form and form not in message.many.get(number, ()):
        raise FormatError(
            f"field {number} in form {form} of {message.name} is not known here: it is damaged, or no ONNX model, "
            "or one written for a newer ONNX"
        )


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(min(_LONGEST_VARINT, end - at)):
        byte = content[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + place + 1
    raise FormatError(f"a number is cut short at byte {at}: it is damaged, or no ONNX model")


def text(content: bytes, entry: Field) -> str:
    """Return the text that `entry` holds; raise FormatError when it is not UTF-8."""
    try:
        return content[entry.start : entry.end].decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"a name at byte {entry.start} is not UTF-8: it is damaged, or no ONNX model") from error


def signed(value: int) -> int:
    """Return the int64 that the varint `value` stands for."""
    return value - (1 << 64) if value >> 63 else value


def varints(content: bytes, entry: Field, most: int) -> tuple[int, ...]:
    """Return the int64s of a varint field, a run of them, or a packed one; raise FormatError beyond `most`."""
    if entry.wire is Wire.VARINT and not entry.is_run:
        return (signed(entry.value),)
    values: list[int] = []
    at = entry.start
    while at < entry.end:
        if entry.is_run:
            _, at = _varint(content, at, entry.end)
        value, at = _varint(content, at, entry.end)
        values.append(signed(value))
        if len(values) > most:
            raise FormatError(f"a list of more than {most} numbers stands where a few are expected")
    return tuple(values)


def int64s(content: bytes, entry: Field) -> NDArray[np.int64]:
    """Return the same of any number of them, at the speed of numpy."""
    if entry.wire is Wire.VARINT and not entry.is_run:
        return np.array([signed(entry.value)], dtype=np.int64)
    raw = np.frombuffer(content, dtype=np.uint8, count=entry.end - entry.start, offset=entry.start)
    ends = np.flatnonzero(raw < 0x80)
    if len(raw) and raw[-1] >= 0x80:
        raise FormatError(f"a number is cut short at byte {entry.end}: it is damaged, or no ONNX model")
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + 1
    if entry.is_run:  # every other one is a tag
        starts, ends = starts[1::2], ends[1::2]
    more = ends - starts
    longest = int(more.max(initial=0))
    if longest >= _LONGEST_VARINT:
        raise FormatError(f"a number at byte {entry.start} has no end: it is damaged, or no ONNX model")
    values = (raw[starts] & 0x7F).astype(np.int64)
    for place in range(1, longest + 1):
        longer = np.flatnonzero(more >= place)
        values[longer] |= (raw[starts[longer] + place] & 0x7F).astype(np.int64) << 7 * place
    return values


def plain_bytes(content: bytes, entry: Field) -> bytes:
    """Return the fixed-size numbers of a field, a run of FOUR fields, or a packed one, as their bytes alone."""
    raw = content[entry.start : entry.end]
    return b"".join(raw[at + 1 : at + 5] for at in range(0, len(raw), 5)) if entry.is_run else raw

"""How the journal keeps the counts of one window: packed, with a checksum, so that a bad disk cannot change a count."""

from collections.abc import Iterator, Mapping
from zlib import crc32

import msgspec
import numpy as np

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.histogram import Counts

LARGEST = 2**63 - 1
_CRC = 4
_INT64 = np.dtype("<i8")


class _Packed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    revision: int
    rows: int
    verdicts: dict[str, int]
    features: dict[str, bytes]
    outputs: dict[str, bytes]
    breaches: dict[str, dict[str, int]]
    latency: bytes


def pack(counts: WindowCounts, revision: int) -> bytes:
    """Return valid `counts` as bytes; raise FormatError as `check` does."""
    check(counts)
    packed = _Packed(
        revision,
        counts.rows,
        counts.verdicts,
        {name: _bytes(array) for name, array in counts.features.items()},
        {name: _bytes(array) for name, array in counts.outputs.items()},
        counts.breaches,
        _bytes(counts.latency),
    )
    content = msgspec.msgpack.encode(packed)
    return crc32(content).to_bytes(_CRC, "little") + content


def unpack(content: object) -> tuple[WindowCounts, int]:
    """Return the counts and the revision in `content`; raise FormatError when it is not what `pack` returned."""
    if not isinstance(content, bytes):
        raise FormatError("a window holds no counts")
    checksum, body = content[:_CRC], content[_CRC:]
    if crc32(body).to_bytes(_CRC, "little") != checksum:
        raise FormatError("the counts do not match their checksum")
    try:
        packed = msgspec.msgpack.decode(body, type=_Packed)
    except msgspec.DecodeError as error:
        raise FormatError(f"the counts cannot be read: {error}") from error
    counts = WindowCounts(
        rows=packed.rows,
        verdicts=packed.verdicts,
        features=_arrays(packed.features),
        outputs=_arrays(packed.outputs),
        breaches=packed.breaches,
        latency=_array(packed.latency),
    )
    return counts, packed.revision


def check(counts: WindowCounts) -> None:
    """Raise FormatError unless every count is of int64 and not negative, and the verdicts add up to the rows."""
    for name, smallest, largest in _extremes(counts):
        if smallest < 0:
            raise FormatError(f"{name}: a count of {smallest} is impossible")
        if largest > LARGEST:
            raise FormatError(f"{name}: a count of {largest} passes 2^63 - 1")
    judged = sum(counts.verdicts.values())
    if judged != counts.rows:
        raise FormatError(f"the verdicts add up to {judged}, the rows are {counts.rows}")


def holds_any(counts: WindowCounts) -> bool:
    """Say whether anything was counted at all."""
    return any(largest > 0 for _, _, largest in _extremes(counts))


def _extremes(counts: WindowCounts) -> Iterator[tuple[str, int, int]]:
    """Yield the name, the smallest and the largest number of each group of counts."""
    yield "rows", counts.rows, counts.rows
    groups = [("verdicts", counts.verdicts), *counts.breaches.items()]
    for name, numbers in groups:
        if numbers:
            yield name, min(numbers.values()), max(numbers.values())
    for name, array in [*counts.features.items(), *counts.outputs.items(), ("latency", counts.latency)]:
        if array.dtype != np.int64:
            raise FormatError(f"{name}: counts are int64, not {array.dtype}")
        if array.size:
            yield name, int(array.min()), int(array.max())


def _bytes(array: Counts) -> bytes:
    return array.astype(_INT64).tobytes()


def _arrays(parts: Mapping[str, bytes]) -> dict[str, Counts]:
    return {name: _array(part) for name, part in parts.items()}


def _array(part: bytes) -> Counts:
    return np.frombuffer(part, dtype=_INT64).astype(np.int64)

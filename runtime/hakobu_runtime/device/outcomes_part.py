"""A part of what is kept: some predictions of one model and one day, as columns."""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.device.outcomes_ids import Hashes
from hakobu_runtime.errors import FormatError

_CRC = 4


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """n predictions; the last one of an id is the one that holds."""

    ids: Hashes
    codes: NDArray[np.integer]
    """The places of the predicted classes, shape (n,); zeros for a regression."""
    scores: NDArray[np.floating]
    """The value, or the probability that is watched, shape (n,); zeros where there is none."""
    truths: NDArray[np.float64]
    """The place of the true class, or the true value, shape (n,); NaN as long as it is not known."""

    @classmethod
    def fresh(cls, ids: Hashes, codes: NDArray[np.integer], scores: NDArray[np.floating]) -> "Part":
        """Return predictions without labels."""
        return cls(ids, codes, scores, np.full(len(ids), np.nan))

    def __len__(self) -> int:
        return len(self.ids)


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    """The bytes of each column; of codes and scores, b"" where all are nought, of truths where none is known."""

    ids: bytes
    codes: bytes
    scores: bytes
    truths: bytes


def joined(*parts: Part) -> Part:
    """Return the predictions of one or more parts, in their order."""
    return Part(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.truths for part in parts]),
    )


def pack(part: Part) -> bytes:
    """Return `part` as bytes, with a checksum."""
    codes = part.codes.astype("<u2" if part.codes.max(initial=0) < 2**16 else "<u4")
    wide = part.scores.dtype == np.float64
    known = ~np.isnan(part.truths)
    whole = bool((part.truths[known].astype(np.float32) == part.truths[known]).all())
    packed = _Packed(
        part.ids.astype("<u8").tobytes(),
        codes.tobytes() if codes.any() else b"",
        part.scores.astype("<f8" if wide else "<f4").tobytes() if part.scores.any() else b"",
        part.truths.astype("<f4" if whole else "<f8").tobytes() if known.any() else b"",
    )
    content = msgspec.msgpack.encode(packed)
    return crc32(content).to_bytes(_CRC, "little") + content


def unpack(content: object) -> Part:
    """Return the part in `content`; raise FormatError when it is not what `pack` returned."""
    if not isinstance(content, bytes) or crc32(content[_CRC:]).to_bytes(_CRC, "little") != content[:_CRC]:
        raise FormatError("kept predictions do not match their checksum")
    try:
        packed = msgspec.msgpack.decode(memoryview(content)[_CRC:], type=_Packed)
    except msgspec.DecodeError as error:
        raise FormatError(f"kept predictions cannot be read: {error}") from error
    ids = np.frombuffer(packed.ids, dtype="<u8").astype(np.uint64)
    rows = len(ids)
    codes = _column(packed.codes, rows, "u").astype(np.int64)
    scores = _column(packed.scores, rows, "f")
    truths = _column(packed.truths, rows, "f").astype(np.float64) if packed.truths else np.full(rows, np.nan)
    return Part(ids, codes, scores, truths)


def _column(content: bytes, rows: int, kind: str) -> NDArray[Any]:
    """Return the numbers of a column, as wide as its bytes tell."""
    if not content:
        return np.zeros(rows, dtype=f"<{kind}4")
    if len(content) % rows or len(content) // rows not in (2, 4, 8):
        raise FormatError(f"{len(content)} bytes are no column of {rows} kept predictions")
    return np.frombuffer(content, dtype=f"<{kind}{len(content) // rows}").copy()

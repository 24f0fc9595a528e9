"""The footer of a Parquet file, walked before arro3 sees it: arro3 panics on a damaged one, and tells no row count.

Source of the formats: https://parquet.apache.org/docs/file-format/ and Thrift's compact protocol,
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

import os
from pathlib import Path

_MAGIC = b"PAR1"
_ENCRYPTED = b"PARE"
_NUM_ROWS = 3
_DEEPEST = 32
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)


class FooterError(Exception):
    """What is wrong with the file, in words."""


def count_rows(path: Path) -> int:
    """Return how many rows the Parquet file at `path` says it holds; raise FooterError when it is damaged."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < 12:
            raise FooterError("it is too short")
        file.seek(0)
        start = file.read(4)
        file.seek(size - 8)
        tail = file.read(8)
        if _ENCRYPTED in (start, tail[4:]):
            raise FooterError("it is encrypted")
        if start != _MAGIC:
            raise FooterError("it does not begin like one")
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or length > size - 12:
            raise FooterError("its end is missing")
        file.seek(size - 8 - length)
        footer = _Footer(file.read(length))
    try:
        rows = footer.struct(0)
    except (IndexError, UnicodeDecodeError) as error:
        raise FooterError("its footer is damaged") from error
    if rows is None or rows < 0:
        raise FooterError("its footer names no number of rows")
    return rows


class _Footer:
    """A walk through a struct of Thrift's compact protocol."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def struct(self, depth: int) -> int | None:
        """Walk over a struct; of the outermost, return the number of rows."""
        if depth > _DEEPEST:
            raise FooterError("its footer is nested too deeply")
        field, rows = 0, None
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            field = field + delta if delta else self._zigzag()
            if field == _NUM_ROWS and depth == 0 and kind == _I64:
                rows = self._zigzag()
            elif kind not in (_TRUE, _FALSE):  # of a field, these two are the value itself
                self._value(kind, depth)
        return rows

    def _value(self, kind: int, depth: int) -> None:
        if kind in (_TRUE, _FALSE, _BYTE):
            self._byte()
        elif kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _DOUBLE:
            self._skip(8)
        elif kind == _BINARY:
            self._skip(self._varint())
        elif kind in (_LIST, _SET):
            head = self._byte()
            for _ in range(self._varint() if head >> 4 == 15 else head >> 4):
                self._value(head & 15, depth + 1)
        elif kind == _MAP:
            size = self._varint()
            kinds = self._byte() if size else 0
            for _ in range(size):
                self._value(kinds >> 4, depth + 1)
                self._value(kinds & 15, depth + 1)
        elif kind == _STRUCT:
            self.struct(depth + 1)
        else:
            raise FooterError("its footer is damaged")

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise FooterError("its footer is damaged")

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _skip(self, size: int) -> None:
        if size > len(self._content) - self._at:
            raise FooterError("its footer is damaged")
        self._at += size

"""The footer of a Parquet file, walked before arro3 sees it.

arro3 panics on a damaged footer, and on a negative place in the file it ends the whole process; nor does it tell how
many rows there are.

Source of the formats: https://parquet.apache.org/docs/file-format/ and Thrift's compact protocol,
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

import os
from pathlib import Path

_MAGIC = b"PAR1"
_ENCRYPTED = b"PARE"
_NUM_ROWS = (3,)
# row_groups / columns / meta_data / the size of a column chunk, and where its pages start
_SIZE, _PAGES, _DICTIONARY = (4, 1, 3, 7), (4, 1, 3, 9), (4, 1, 3, 11)
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
        footer = _Footer(file.read(length), size)
    try:
        footer.walk()
    except IndexError as error:
        raise FooterError("its footer is damaged") from error
    if footer.rows is None:
        raise FooterError("its footer names no number of rows")
    return footer.rows


class _Footer:
    """A walk through the structs of Thrift's compact protocol; a value's path is the field numbers that lead to it."""

    def __init__(self, content: bytes, file_size: int) -> None:
        self._content = content
        self._file_size = file_size
        self._at = 0
        self.rows: int | None = None

    def walk(self, path: tuple[int, ...] = ()) -> None:
        """Walk over the struct at `path`; raise FooterError, or IndexError where the bytes end."""
        if len(path) > _DEEPEST:
            raise FooterError("its footer is nested too deeply")
        field = 0
        places: dict[tuple[int, ...], int] = {}
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            field = field + delta if delta else self._zigzag()
            here = (*path, field)
            if here in (_NUM_ROWS, _SIZE, _PAGES, _DICTIONARY):
                places[here] = self._count(kind)
            elif kind not in (_TRUE, _FALSE):  # of a field, these two are the value itself
                self._value(kind, here)
        start = min(places.get(_PAGES, 0), places.get(_DICTIONARY) or self._file_size)
        if start + places.get(_SIZE, 0) > self._file_size:
            raise FooterError("a column lies beyond its end")
        self.rows = places.get(_NUM_ROWS, self.rows)

    def _count(self, kind: int) -> int:
        found = self._zigzag() if kind == _I64 else -1
        if found < 0:
            raise FooterError("its footer is damaged")
        return found

    def _value(self, kind: int, path: tuple[int, ...]) -> None:
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
                self._value(head & 15, path)
        elif kind == _MAP:
            size = self._varint()
            kinds = self._byte() if size else 0
            for _ in range(size):
                self._value(kinds >> 4, path)
                self._value(kinds & 15, path)
        elif kind == _STRUCT:
            self.walk(path)
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

"""A file as UTF-8, whatever its encoding; and what a file is that is no text at all."""

import codecs
from typing import Protocol

from hakobu_runtime.errors import InputError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FOREIGN = (
    (b"PK\x03\x04", "this is an Excel or zip file: open it and save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "this is an old Excel file: open it and save the sheet as CSV"),
    (b"PAR1\x15", "this is a Parquet file: give --format parquet, or name it .parquet"),
    (b"\x1f\x8b", "this file is compressed with gzip: unpack it first, or give it a name that ends in .gz"),
    (b"\x28\xb5\x2f\xfd", "this file is compressed with zstd: unpack it first"),
    (b"%PDF", "this is a PDF: save the table as CSV"),
    (b"SQLite format 3\x00", "this is a SQLite database: export the table as CSV"),
)
_MARK = codecs.BOM_UTF8


class UnreadableError(Exception):
    """Why a stream cannot be read on, in words without the file and the row, which the reader adds."""


class Readable(Protocol):
    """What gives bytes; it may raise UnreadableError where they break off."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""


class Utf8Stream:
    """The text of a binary file as UTF-8 bytes, without a byte order mark.

    Raises InputError when the file is no text, or `encoding` (None: UTF-8, or what a byte order mark says) is unknown.
    """

    def __init__(self, file: Readable, encoding: str | None, where: str) -> None:
        self._file = file
        self._where = where
        try:
            self._head = self._read(64)
        except UnreadableError as problem:
            raise InputError(f"{where}: {problem}") from problem
        self._problem: UnreadableError | None = None
        foreign = next((words for magic, words in _FOREIGN if self._head.startswith(magic)), None)
        if foreign:
            raise InputError(f"{where}: {foreign}")
        marked = next((name for mark, name in _BOMS if self._head.startswith(mark)), None)
        self._codec = _codec(encoding, where) if encoding else (marked or "utf-8")
        self._is_utf8 = self._codec == "utf-8"
        self._decoder = codecs.getincrementaldecoder(self._codec)("strict")
        self._fed = 0
        self._started = False
        self.consumed = 0
        """How many bytes of the file were read."""

    def read(self, size: int) -> bytes:
        """Return some bytes, about `size` of the file's; b"" at the end; raise UnreadableError where it breaks off."""
        while self._problem is None:
            chunk = self._head or self._read(size)
            self._head = b""
            self.consumed += len(chunk)
            decoded = self._decode(chunk)
            if decoded and not self._started:
                self._started = True
                decoded = decoded.removeprefix(_MARK)
            if b"\0" in decoded:
                decoded = decoded[: decoded.index(b"\0")]
                self._problem = UnreadableError(
                    "there is a NUL byte, so this is no text, or text in UTF-16: save it as CSV in UTF-8, "
                    "or give --encoding utf-16"
                )
            if decoded or not (chunk or self._problem):
                return decoded
        raise self._problem

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise InputError(
                f"{self._where}: cannot be read on: {error.strerror}; is the disk or stick still there?"
            ) from error

    def _decode(self, chunk: bytes) -> bytes:
        before, (waiting, _) = self._fed, self._decoder.getstate()
        self._fed += len(chunk)
        if self._is_utf8 and not waiting and chunk.isascii():
            return chunk
        state = self._decoder.getstate()
        try:
            return self._decoder.decode(chunk, not chunk).encode()
        except UnicodeDecodeError as error:
            pending = len(error.object) - len(chunk)
            byte, offset = error.object[error.start], before - pending + error.start
            self._problem = UnreadableError(
                f"byte 0x{byte:02X} at offset {offset} is not {self._codec.upper()}: {self._remedy()}"
            )
            self._decoder.setstate(state)
            good = chunk[: max(0, error.start - pending)]
            return self._decoder.decode(good).encode()
        except UnicodeError as error:  # UTF-16 or UTF-32 without the mark that it needs
            self._problem = UnreadableError(f"this is not {self._codec.upper()} ({error}): {self._remedy()}")
            return b""

    def _remedy(self) -> str:
        if self._is_utf8:
            return "save the file in UTF-8, or name its encoding, like --encoding latin-1 or --encoding cp932"
        return "name the right encoding with --encoding, or save the file in UTF-8"


def _codec(encoding: str, where: str) -> str:
    try:
        "".encode(encoding)  # refuses what is a codec but no encoding of text, like rot13
        codecs.getincrementaldecoder(encoding)
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise InputError(
            f"{where}: there is no encoding named {encoding!r}; known are utf-8, latin-1, cp1252, cp932, utf-16, ..."
        ) from error
    return "utf-8" if name == "utf-8-sig" else name

"""Opening a file of rows: its format, what can be wrong with the path, and the stream of blocks."""

import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

from hakobu_runtime.errors import InputError, UsageError
from hakobu_runtime.format.block import Block, Wanted
from hakobu_runtime.rows.encoding import Readable, Utf8Stream
from hakobu_runtime.rows.gunzip import Gunzip
from hakobu_runtime.rows.names import nearest
from hakobu_runtime.rows.piece import Piece

_FORMATS: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_KNOWN = ("csv", "jsonl", "parquet")
_PACKED = ".gz"
_COPIED = 1 << 20
"""How many bytes are copied at once."""
BLOCK_ROWS = 4_000
"""About how many rows a block holds: enough to keep numpy busy, few enough for a small device's memory."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a file are written; None leaves it to the file's name and first bytes."""

    format: str | None = None
    """`csv`, `jsonl` or `parquet`."""
    delimiter: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.format not in (None, *_KNOWN):
            raise UsageError(f"there is no format {self.format!r}; known are {', '.join(_KNOWN)}")
        if self.delimiter in ("\\t", "tab"):
            object.__setattr__(self, "delimiter", "\t")
        sign = self.delimiter
        if sign is not None and (len(sign) != 1 or not sign.isascii() or sign in '"\r\n\0'):
            raise UsageError(f"the delimiter {sign!r} must be a single ASCII character, like ',' ';' '|' or '\\t'")


class Reader(Protocol):
    """What a format must give."""

    columns: tuple[str, ...]

    @property
    def position(self) -> int:
        """How many bytes of the file were read."""

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces of the file, in their order."""


class Rows:
    """The rows of a file, a block at a time, in their order; a context manager that closes the file."""

    def __init__(self, reader: Reader, size: Callable[[], int | None], opened: ExitStack) -> None:
        self._reader = reader
        self._opened = opened
        self._skip = 0
        self._blocks: Iterator[Block] | None = None
        self._size = size

    @property
    def size(self) -> int | None:
        """How many bytes there are to read, as far as is known by now; None when that is nothing, as of a pipe."""
        return self._size()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the file's columns."""
        return self._reader.columns

    @property
    def position(self) -> int:
        """How many bytes of the file were read so far."""
        return self._reader.position

    def skip(self, rows: int) -> None:
        """Leave out the first `rows` rows of the file; to be called before the first block is taken."""
        self._skip = rows

    def __enter__(self) -> "Rows":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def pieces(self) -> Iterator[Piece]:
        """Yield what is left of the file in pieces, for a program that reads several at once.

        To be called instead of iterating; `skip` is for iterating.
        """
        return self._reader.pieces()

    def __iter__(self) -> Iterator[Block]:
        return self

    def __next__(self) -> Block:
        if self._blocks is None:
            self._blocks = self._read()
        return next(self._blocks)

    def _read(self) -> Iterator[Block]:
        first = 0
        for piece in self._reader.pieces():
            rows = piece.count() if first < self._skip else None
            if rows is not None and first + rows <= self._skip:
                first += rows
                continue
            block = piece.read(first)
            first += block.size
            if first > self._skip and block.size:
                yield from_row(block, self._skip)


def open_rows(path: Path, wanted: Wanted, *, layout: Layout | None = None, block_rows: int = BLOCK_ROWS) -> Rows:
    """Open the table at `path` for reading the columns that are `wanted`, in blocks of about `block_rows` rows.

    Blocks depend on the file and the arguments alone. Raises InputError when the file cannot be read, is not of its
    format, or lacks a required column.
    """
    layout = layout or Layout()
    kind = layout.format or _format(path)
    delimiter = layout.delimiter or ("\t" if _ending(path) == ".tsv" else None)
    with ExitStack() as opened:
        try:
            file = opened.enter_context(path.open("rb"))
            found = path.stat()
        except OSError as error:
            raise InputError(_refusal(path, error)) from error
        size = found.st_size if stat.S_ISREG(found.st_mode) else None
        if kind == "parquet":
            if size is None:
                raise InputError(f"{path}: Parquet cannot be read from a pipe; give a file")
            return Rows(_parquet(path, wanted, str(path), block_rows), lambda: size, opened.pop_all())
        layout = replace(layout, format=kind, delimiter=delimiter)
        if not _is_packed(path):
            return Rows(_text(file, wanted, layout, str(path), block_rows), lambda: size, opened.pop_all())
        unpacked = Gunzip(file, size)
        return Rows(_text(unpacked, wanted, layout, str(path), block_rows), lambda: unpacked.size, opened.pop_all())


def open_stream(
    file: BinaryIO, where: str, wanted: Wanted, *, layout: Layout | None = None, block_rows: int = BLOCK_ROWS
) -> Rows:
    """Open the table that `file` delivers, which is CSV unless `layout` says otherwise; `where` names it in errors.

    Parquet, whose end has to be read first, is copied into a temporary file; of the others nothing is kept.
    """
    layout = layout or Layout()
    if layout.format != "parquet":
        return Rows(_text(file, wanted, layout, where, block_rows), lambda: None, ExitStack())
    import shutil  # here, since they load much that a plain file does without
    import tempfile

    with ExitStack() as opened:
        try:
            folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="hakobu-", ignore_cleanup_errors=True))
            path = Path(folder) / "spooled.parquet"
            with path.open("wb") as copy:
                shutil.copyfileobj(file, copy, _COPIED)
        except OSError as error:
            raise InputError(
                f"{where}: cannot be copied to a temporary file: {error.strerror}; write it to a file and give that"
            ) from error
        size = path.stat().st_size
        return Rows(_parquet(path, wanted, where, block_rows), lambda: size, opened.pop_all())


def _parquet(path: Path, wanted: Wanted, where: str, block_rows: int) -> Reader:
    from hakobu_runtime.rows.parquet import ParquetReader

    return ParquetReader(path, path.stat().st_size, wanted, where, block_rows)


def _text(file: Readable, wanted: Wanted, layout: Layout, where: str, block_rows: int) -> Reader:
    stream = Utf8Stream(file, layout.encoding, where)
    if layout.format == "jsonl":
        from hakobu_runtime.rows.jsonl import JsonlReader

        return JsonlReader(stream, wanted, where, block_rows)
    from hakobu_runtime.rows.delimited import DelimitedReader

    return DelimitedReader(stream, wanted, layout.delimiter or ",", where, block_rows)


def is_table(path: Path) -> bool:
    """Say whether the name of the file at `path` tells the format of its rows."""
    return _ending(path) in _FORMATS and not (_is_packed(path) and _FORMATS[_ending(path)] == "parquet")


def table_name(path: Path) -> str:
    """Return the name of the file at `path` without the endings that tell its format."""
    name = path.name[: -len(_PACKED)] if _is_packed(path) and path.stem else path.name
    stem = Path(name).stem
    return stem if Path(name).suffix.lower() in _FORMATS else name


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == _PACKED


def _ending(path: Path) -> str:
    """Return what tells the format of the rows: .csv, for table.csv and table.CSV.gz alike."""
    return (Path(path.stem) if _is_packed(path) else path).suffix.lower()


def _format(path: Path) -> str:
    if is_table(path):
        return _FORMATS[_ending(path)]
    if path.is_dir() or not path.exists():
        return "csv"  # opening it says what is wrong
    if _is_packed(path) and _ending(path) in _FORMATS:
        raise InputError(f"{path}: Parquet packs its columns by itself; unpack the file first: gunzip {path.name}")
    ending = f"the ending {path.suffix!r} says" if path.suffix else "its name says"
    hint = "; save the sheet as CSV" if path.suffix.lower() in (".xls", ".xlsx", ".xlsm", ".ods") else ""
    raise InputError(f"{path}: {ending} nothing about its format: give --format csv, jsonl or parquet{hint}")


def _refusal(path: Path, error: OSError) -> str:
    if path.is_dir():
        return f"{path}: is a folder; name a file in it"
    if isinstance(error, PermissionError):
        return f"{path}: you have no permission to read this file; ask its owner, or copy it to a folder of yours"
    if not isinstance(error, FileNotFoundError):
        return f"{path}: cannot be read: {error.strerror}"
    if not path.parent.is_dir():
        return f"{path}: there is no folder {path.parent}"
    close = nearest(path.name, (other.name for other in path.parent.iterdir()))
    hint = f"; the nearest there: {', '.join(close)}" if close else "; check the name"
    return f"{path}: there is no such file{hint}"


def from_row(block: Block, row: int) -> Block:
    """Return `block` without the rows before number `row` of the table."""
    cut = row - block.first
    if cut <= 0:
        return block
    return replace(
        block,
        first=row,
        size=block.size - cut,
        numbers={name: values[cut:] for name, values in block.numbers.items()},
        texts={name: values[cut:] for name, values in block.texts.items()},
        wrong={name: kept for name, cells in block.wrong.items() if (kept := _shift(cells, cut))},
        broken=_shift(block.broken, cut),
        carried={name: values[cut:] for name, values in block.carried.items()},
    )


def _shift(cells: Mapping[int, str], cut: int) -> dict[int, str]:
    return {row - cut: text for row, text in cells.items() if row >= cut}

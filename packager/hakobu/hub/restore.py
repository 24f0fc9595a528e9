"""Restoring a hub from a backup, in one transaction: all of it, or nothing."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Table, delete, func, insert, select, text
from sqlalchemy.exc import DataError, IntegrityError

from hakobu.hub import migrate
from hakobu.hub.backup_file import END, LARGEST_LINE, End, Header, Section, bare, cell_type, kept
from hakobu.hub.database import Database
from hakobu.hub.tables import facts, metadata
from hakobu_runtime.errors import DamageError, FormatError, StateError
from hakobu_runtime.format.codec import decode

_AT_ONCE = 500
"""Rows that are in memory."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back."""

    made: str
    """When the backup was made."""
    rows: dict[str, int]
    """By table."""


def restore(database: Database, path: Path, *, replace: bool) -> Restored:
    """Fill `database`, whose tables are made if need be, with the backup at `path`, or `replace` all that it holds.

    Raises DamageError when the file is none or not whole, and StateError when it is of a newer hakobu, or the database
    holds something that is not to be replaced; nothing is changed then.
    """
    with _reading(path), gzip.open(path, "rb") as stream:
        lines = _lines(stream)
        header = _header(next(lines, ("", b""))[1], path)
        migrate.upgrade(database)
        with database.begin() as connection:
            _make_room(connection, database, replace=replace)
            rows = _fill(connection, lines)
            if not database.is_sqlite:
                _count_on(connection)
    return Restored(header.made, rows)


def _lines(stream: gzip.GzipFile) -> Iterator[tuple[str, bytes]]:
    """Yield each line and where it is, up to the last one, which has to fit to them."""
    digest = sha256()
    for number in count(1):
        line, where = stream.readline(LARGEST_LINE), f"line {number}"
        if line.startswith(END):
            if decode(line, End, where).sha256 != digest.hexdigest() or stream.read(1):
                raise FormatError(f"{where}: what stands before it is not what was written, or something follows it")
            return
        if not line.endswith(b"\n"):
            raise FormatError(f"{where}: it ends there, in the middle")
        digest.update(line)
        yield where, line


def _header(line: bytes, path: Path) -> Header:
    header = decode(line, Header, "line 1")
    if header.revision not in migrate.revisions():
        raise StateError(
            f"{path}: was written by hakobu {header.hakobu}, whose tables ({header.revision[:40]!r}) this version does "
            "not know: install that one here"
        )
    return header


def _make_room(connection: Connection, database: Database, *, replace: bool) -> None:
    """Keep others from writing, and see that nothing is there."""
    if not database.is_sqlite:
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
    if replace:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
    found = [table.name for table in kept() if table is not facts and _holds_any(connection, table)]
    if found:
        raise StateError(
            f"{database.name}: holds {', '.join(found)} already, and nothing was changed; name an empty database, or "
            "add --replace to give up all that this one holds"
        )
    connection.execute(delete(facts))  # of a hub that holds nothing


def _holds_any(connection: Connection, table: Table) -> bool:
    return connection.execute(select(*table.primary_key).limit(1)).first() is not None


def _fill(connection: Connection, lines: Iterator[tuple[str, bytes]]) -> dict[str, int]:
    """Put what the `lines` hold into the tables; return how many rows each got."""
    loaders: list[_Loader] = []
    for where, line in lines:
        if not line.startswith(b"["):
            for loader in loaders[-1:]:
                loader.flush()
            loaders.append(_Loader(connection, decode(line, Section, where), where))
        elif loaders:
            loaders[-1].add(line, where)
        else:
            raise FormatError(f"{where}: a row of no table")
    for loader in loaders[-1:]:
        loader.flush()
    return {loader.name: loader.many for loader in loaders}


class _Loader:
    """The rows of one table, on their way into it."""

    def __init__(self, connection: Connection, section: Section, where: str) -> None:
        table = {table.name: table for table in kept()}.get(section.table)
        if table is None or not {*section.columns} <= {*table.columns.keys()}:
            raise FormatError(f"{where}: there is no table {section.table[:80]!r} of such columns")
        self.name, self.many = table.name, 0
        self._connection, self._command = connection, insert(bare(table))
        self._names = section.columns
        self._rest = {one.name: _default(one, where) for one in table.columns if one.name not in section.columns}
        self._decoder = msgspec.json.Decoder(tuple[*(cell_type(table.c[name]) for name in section.columns)])  # type: ignore[misc]
        self._waiting: list[dict[str, Any]] = []

    def add(self, line: bytes, where: str) -> None:
        """Take one row."""
        try:
            cells = self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FormatError(f"{where}: {error}") from error
        self._waiting.append(dict(zip(self._names, cells, strict=True)) | self._rest)
        self.many += 1
        if len(self._waiting) >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Put into the table what waits; raise FormatError when it does not fit to what is there."""
        if self._waiting:
            try:
                self._connection.execute(self._command, self._waiting)
            except (IntegrityError, DataError) as error:
                words = str(error.orig).partition("\n")[0]
                raise FormatError(f"the rows of {self.name} cannot be: {words}") from error
            self._waiting.clear()


def _default(column: Column[Any], where: str) -> object:
    """Return what a column holds that an older backup does not have."""
    if column.default is not None and column.default.is_scalar:
        return column.default.arg  # type: ignore[attr-defined]
    if column.nullable:
        return None
    raise FormatError(f"{where}: the column {column.name!r} is missing")


def _count_on(connection: Connection) -> None:
    """Let PostgreSQL number new rows after those that came with their numbers."""
    for table in kept():
        if "id" in table.columns:
            highest = connection.execute(select(func.max(table.c.id))).scalar_one() or 0
            place = func.pg_get_serial_sequence(table.name, "id")
            connection.execute(select(func.setval(place, highest + 1, False)))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with the file into words."""
    try:
        yield
    except (FormatError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamageError(
            f"{path}: is no whole backup of a hub ({error}): nothing was changed; take another copy of it"
        ) from error
    except OSError as error:
        raise StateError(
            f"{path}: cannot be read: {error.strerror or error}; check the name and permissions"
        ) from error

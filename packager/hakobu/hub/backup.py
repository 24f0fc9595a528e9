"""A backup of the hub: one file, of one moment, written while the hub serves."""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import msgspec
from sqlalchemy import Connection, Table, select

from hakobu import __version__
from hakobu.hub import migrate
from hakobu.hub.backup_file import SCHEMA, End, Header, Section, bare, kept
from hakobu.hub.database import Database
from hakobu_runtime.disk import sync_folder
from hakobu_runtime.errors import StateError, UsageError

_AT_ONCE = 500
"""Rows that are in memory."""
_LEVEL = 3
"""Of gzip; most of what it packs is packed already."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a backup holds."""

    path: Path
    size: int
    """Bytes."""
    rows: dict[str, int]
    """By table."""


def backup(database: Database, path: Path, now: datetime) -> Saved:
    """Write all that the hub knows, but for who is logged in, to the file at `path`; only its owner can read it.

    Until it is whole and on the disk, `path` is as it was. Raises UsageError when something else than a backup is
    there, and StateError when the disk or the database refuses.
    """
    _check_place(path)
    rows: dict[str, int] = {}
    with database.read() as connection, _draft(path) as file:
        header = Header(schema=SCHEMA, made=now.isoformat(), hakobu=__version__, revision=migrate.revisions()[0])
        with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0) as stream:
            digest = sha256()
            for line in _lines(connection, header, rows):
                digest.update(line)
                stream.write(line)
            stream.write(_line(End(sha256=digest.hexdigest())))
    return Saved(path, path.stat().st_size, rows)


def _lines(connection: Connection, header: Header, rows: dict[str, int]) -> Iterator[bytes]:
    """Yield the lines up to the last one, and count the `rows`."""
    yield _line(header)
    for table in kept():
        rows[table.name] = 0
        yield _line(Section(table=str(table.name), columns=tuple(map(str, table.columns.keys()))))
        for row in _rows(connection, table):
            rows[table.name] += 1
            yield _line(row)


def _rows(connection: Connection, table: Table) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `table` by its key, so that equal tables come to equal lines."""
    source = bare(table)
    query = select(source).order_by(*(source.c[key.name] for key in table.primary_key))
    with connection.execute(query, execution_options={"yield_per": _AT_ONCE}) as found:
        for row in found:
            yield tuple(row)


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _check_place(path: Path) -> None:
    """Raise UsageError when `path` is a file that must not be written over, like the database itself."""
    try:
        with path.open("rb") as file:
            is_ours = not file.read(1) or _begins_well(file)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path}: no backup can be written there: {error.strerror}") from error
    if not is_ours:
        raise UsageError(f"{path}: is there already, and no backup of a hub: name another file")


def _begins_well(file: BinaryIO) -> bool:
    file.seek(0)
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            return SCHEMA.encode() in stream.read(len(SCHEMA) + 20)
    except (OSError, EOFError):
        return False


@contextmanager
def _draft(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that is put at `path`, on the disk, when the block ends well, and taken away when it does not."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StateError(
            f"{path}: cannot be written: {error.strerror or error}; free some space there, or name another file: "
            "nothing was changed"
        ) from error
    finally:
        draft.unlink(missing_ok=True)

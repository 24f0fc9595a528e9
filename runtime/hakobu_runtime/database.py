"""One SQLite file that several processes write to, with what can go wrong with it in words."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from hakobu_runtime.errors import DamageError, StateError

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    # Our statements are sound, so "no such table", or a value that its own table should not hold, speaks of the file.
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
}
_LOG_BYTES = 4 << 20
"""To what the write-ahead log is cut back after a large transaction; SQLite alone would keep its largest size."""
_FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN}


class Database:
    """An open database; the threads of a program may share it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, anew: str) -> None:
        self.path = path
        self._anew = anew
        self._connection = connection
        self._lock = threading.Lock()
        self._identity: tuple[int, int] | None = None

    @classmethod
    def open(cls, path: Path, steps: Sequence[Sequence[str]], *, patience: float, anew: str) -> "Database":
        """Open the database at `path`, made when it is not there; wait `patience` seconds for locks.

        Each of `steps` holds the statements that bring the tables to the next version, the first from nothing to
        version 1. `anew` says what follows when a damaged file is moved away, for the error's remedy.

        Raises StateError when it cannot be used, or was written by a newer version; DamageError when it is damaged.
        """
        before = _identity(path)
        with _in_words(path, anew):
            connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
        try:
            connection.text_factory = _text
            database = cls(path, connection, anew)
            with _in_words(path, anew):
                _write_ahead(connection, patience)
            database._prepare(steps)
        except BaseException:
            connection.close()
            raise
        database._identity = before or _identity(path)
        return database

    def moved(self) -> bool:
        """Say whether the file was moved away or replaced since it was opened: what is written now would be lost."""
        return _identity(self.path) != self._identity

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of one `SELECT`, all as of one moment."""
        with self._lock, _in_words(self.path, self._anew):
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the only writer's place until the block ends; then all it did is on the disk, or none if it raised."""
        with self._lock, _in_words(self.path, self._anew):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself has rolled back after some failures
                    self._connection.execute("ROLLBACK")
                raise

    def damaged(self, what: str) -> DamageError:
        """Return the error that says that the file is damaged."""
        return DamageError(f"{self.path}: {_damaged(self.path, what, self._anew)}")

    def examine(self) -> None:
        """Read the whole file; raise DamageError when SQLite finds anything wrong with it."""
        found = self.read("PRAGMA integrity_check(1)")
        if found != [("ok",)]:
            raise self.damaged(str(found[0][0]))

    def _prepare(self, steps: Sequence[Sequence[str]]) -> None:
        found = self._version()
        if found > len(steps):
            raise StateError(
                f"{self.path}: was written by a newer version of hakobu (format {found}, this one reads {len(steps)}): "
                "update hakobu on this device"
            )
        if found == len(steps):
            return
        with self.writing() as connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]  # another process may have been faster
            if not found and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise StateError(
                    f"{self.path}: is a database of another program; move it away or choose another --state"
                )
            for statement in chain.from_iterable(steps[found:]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {max(found, len(steps)):d}")

    def _version(self) -> int:
        return int(self.read("PRAGMA user_version")[0][0])


def _write_ahead(connection: sqlite3.Connection, patience: float) -> None:
    """Choose the write-ahead log, and commits that survive a power cut.

    SQLite does not wait for another process that is just choosing the same, so this does.
    """
    latest = monotonic() + patience
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if _code(error) not in _BUSY or monotonic() > latest:
                raise
            sleep(0.01)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES:d}")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: past the drive's own cache; elsewhere without effect


@contextmanager
def _in_words(path: Path, anew: str) -> Iterator[None]:
    """Turn SQLite's errors about the file into what is wrong and what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        kind = DamageError if _code(error) in _DAMAGED else StateError
        raise kind(f"{path}: {_words(path, error, anew)}") from error
    except UnicodeDecodeError as error:  # sqlite3 fails to tell us SQLite's words, when they quote damaged letters
        words = bytes(error.object).decode(errors="replace")
        raise DamageError(f"{path}: {_damaged(path, words, anew)}") from error


def _words(path: Path, error: sqlite3.DatabaseError, anew: str) -> str:
    code = _code(error)
    if code in _BUSY:
        return "another program keeps it locked; wait until that has ended and run the command again"
    if code in _DAMAGED:
        return _damaged(path, str(error), anew)
    if code in _FORBIDDEN:
        return (
            f"cannot be opened for writing ({error}); make {path.parent} a writable folder, or choose another --state"
        )
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path.parent)):
        return "the disk is full; nothing was lost: free some space and run the command again"
    if code == sqlite3.SQLITE_IOERR:
        return f"the disk failed ({error}); check it, or choose a --state on another one"
    return f"cannot be used: {error}"


def _is_full(folder: Path) -> bool:
    """Say whether the disk has no room for the 32 kB beside the file that SQLite needs to open it."""
    import shutil  # here, since scoring goes without it

    try:
        return shutil.disk_usage(folder).free < 2**16
    except OSError:
        return False


def _damaged(path: Path, what: str, anew: str) -> str:
    return f"is damaged ({what}); move it away, with {path.name}-wal and {path.name}-shm if they are there: {anew}"


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one that is put in its place; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _text(content: bytes) -> str:
    """Return a text of the file; a damaged one as well, so that whoever reads it can say which it is."""
    return content.decode("utf-8", "replace")


def _code(error: sqlite3.DatabaseError) -> int:
    """Return the primary result code; 0 when the error is not SQLite's own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF

"""The hub's database: SQLite in its own folder, or PostgreSQL where that is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import random
from time import sleep
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from hakobu_runtime.errors import StateError, UsageError

_PATIENCE = 30
"""Seconds that a writer waits for another one, and anybody for a server."""
_IN_THE_WAY = ("40001", "40P01")
"""PostgreSQL's words for two transactions that could not both go on."""
_ATTEMPTS = 6
_FORMS = "sqlite:///PATH or postgresql://USER@HOST/NAME"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Database:
    """A database that is there; `hub.migrate` brings it up to date."""

    engine: Engine

    @property
    def is_sqlite(self) -> bool:
        """Whether it is one file, with one writer at a time."""
        return self.engine.dialect.name == "sqlite"

    @property
    def name(self) -> str:
        """Where it is, for a message: without its password."""
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Do one transaction: all of it, or nothing. Raises StateError when the database refuses."""
        with self._worded(), self.engine.begin() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Look at one state of the database, and change nothing."""
        with self._worded(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection
            connection.rollback()

    def attempt(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns when done in one transaction; again, a few times, when others were in its way."""
        for number in range(_ATTEMPTS):
            try:
                with self.begin() as connection:
                    return work(connection)
            except StateError as error:
                cause = error.__cause__
                state = getattr(cause.orig, "sqlstate", None) if isinstance(cause, DBAPIError) else None
                if state not in _IN_THE_WAY or number == _ATTEMPTS - 1:
                    raise
                sleep(random() * 0.05 * 2**number)  # noqa: S311 - so that those who met do not meet again
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StateError(
                f"{self.name}: the database refuses: {_first_line(error.orig)}; check that it runs, that its disk has "
                "space, and that it was made by this version: hakobu hub upgrade"
            ) from error
        except SQLAlchemyError as error:
            raise StateError(f"{self.name}: the database refuses: {_first_line(error)}") from error


def open_database(url: str | URL) -> Database:
    """Return the database at `url`: sqlite:///PATH or postgresql://USER@HOST/NAME; raise UsageError for others."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # the text is not told, as it may hold a password
        raise UsageError(f"this is no address of a database: write {_FORMS}") from error
    if parsed.drivername == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise UsageError(f"a hub cannot keep its database in memory alone: write {_FORMS}")
        engine = create_engine(parsed, connect_args={"timeout": _PATIENCE, "check_same_thread": False})
        event.listen(engine, "connect", _prepare)
        return Database(engine)
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return Database(
            create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_pre_ping=True,
                connect_args={"connect_timeout": _PATIENCE},
            )
        )
    raise UsageError(f"{parsed.drivername!r} is no database that the hub knows: write {_FORMS}")


def _prepare(connection: Any, _record: object) -> None:
    """Let us begin transactions ourselves, keep readers and the writer apart, and lose nothing in a power cut."""
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0]

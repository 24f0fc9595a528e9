"""The ledgers of all devices in one database in memory, into which the rows of the device at hand are put.

The statements are those of the real ledger, and so are its tables. Left out is what belongs to a file: opening it,
waiting for other processes, and putting SQLite's errors into words.
"""

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from types import TracebackType
from typing import Any

from hakobu_runtime.device import ledger

Rows = dict[str, list[tuple[Any, ...]]]
"""What the ledger of one device holds, by table; without the empty ones."""
_QUERIES = {table: f"SELECT * FROM {table}" for table in ledger._TABLES}  # noqa: S608 - the names are the ledger's own
_EMPTY = {table: f"DELETE FROM {table}" for table in ledger._TABLES}  # noqa: S608 - the same


class Ledgers:
    """All of them, one at a time."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._transaction = _Transaction(self._connection)
        for statement in chain.from_iterable(ledger._STEPS):
            self._connection.execute(statement)
        self._inserts = {table: self._insert(table) for table in ledger._TABLES}

    def doors(self) -> Iterator[tuple[object, str, object]]:
        """Yield where the real code opens a ledger, under which name, and what leads it to this one."""
        opening = nullcontext(self)
        instead = {"reading": lambda state: opening, "changing": lambda state: self._transaction}
        for module in [module for name, module in sys.modules.items() if name.startswith("hakobu_runtime.device.")]:
            for name, led in instead.items():
                if vars(module).get(name) is vars(ledger)[name]:
                    yield module, name, led

    def read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of one `SELECT`."""
        return self._connection.execute(query, values).fetchall()

    def put(self, rows: Rows) -> None:
        """Let the ledger, which is empty, hold these rows."""
        with self._transaction as connection:
            for table, those in rows.items():
                connection.executemany(self._inserts[table], those)

    def take(self) -> Rows:
        """Return what the ledger holds, and leave it empty."""
        with self._transaction as connection:
            found = {table: connection.execute(query).fetchall() for table, query in _QUERIES.items()}
            rows = {table: those for table, those in found.items() if those}
            for table in rows:
                connection.execute(_EMPTY[table])
        return rows

    def _insert(self, table: str) -> str:
        columns = len(self._connection.execute(_QUERIES[table]).description)
        return f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"  # noqa: S608 - see _QUERIES


class _Transaction:
    """A block that is done in whole or not at all; one after the other may use it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.execute("ROLLBACK" if kind else "COMMIT")

"""What a device remembers of its bundles: one database, in which a change is one transaction or none."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from hakobu_runtime.database import Database
from hakobu_runtime.device.state import State

_SLOTS = (
    "CREATE TABLE device (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), id TEXT NOT NULL)",
    """CREATE TABLE slots (
        model TEXT NOT NULL, place TEXT NOT NULL CHECK (place IN ('active', 'former')),
        version TEXT NOT NULL, digest TEXT NOT NULL, installed TEXT NOT NULL, PRIMARY KEY (model, place))""",
)
_UPDATES = (
    "CREATE TABLE facts (model TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (model, name))",
    """CREATE TABLE held (
        model TEXT NOT NULL, digest TEXT NOT NULL, version TEXT NOT NULL, reason TEXT NOT NULL, since TEXT NOT NULL,
        PRIMARY KEY (model, digest))""",
    """CREATE TABLE revoked (
        model TEXT NOT NULL, digest TEXT NOT NULL, version TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (model, digest))""",
    """CREATE TABLE probation (
        model TEXT NOT NULL, digest TEXT NOT NULL,
        batches INTEGER NOT NULL, share REAL NOT NULL, most_crashes INTEGER NOT NULL,
        seen INTEGER NOT NULL DEFAULT 0, rows INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (model, digest))""",
    """CREATE TABLE events (
        number INTEGER PRIMARY KEY, model TEXT NOT NULL, time TEXT NOT NULL, kind TEXT NOT NULL,
        version TEXT NOT NULL, digest TEXT NOT NULL, words TEXT NOT NULL)""",
)
# The serial of the last parcel that went out.
_UPLINK = ("ALTER TABLE device ADD COLUMN serial INTEGER NOT NULL DEFAULT 0",)
# What is known of the hubs; see hubs.py.
_HUBS = (
    """CREATE TABLE hubs (
        address TEXT PRIMARY KEY, enrolled TEXT NOT NULL, "group" TEXT NOT NULL, home TEXT NOT NULL,
        serial INTEGER NOT NULL, digest TEXT NOT NULL, again INTEGER NOT NULL, tried TEXT NOT NULL,
        trouble TEXT NOT NULL, refusal TEXT NOT NULL, until TEXT NOT NULL)""",
)
_STEPS = (_SLOTS, _UPDATES, _UPLINK, _HUBS)
_TABLES = ("device", "slots", "facts", "held", "revoked", "probation", "events", "hubs")
_ANEW = "then install the bundles again"
_PATIENCE = 30.0


@contextmanager
def changing(state: State) -> Iterator[sqlite3.Connection]:
    """Open the ledger for one transaction: all that the block did is on the disk when it ends, or none if it raised."""
    database = Database.open(state.slots, _STEPS, patience=_PATIENCE, anew=_ANEW)
    with closing(database), database.writing() as connection:
        yield connection


@contextmanager
def reading(state: State) -> Iterator[Database]:
    """Open the ledger for looking; whoever writes to it meanwhile is not waited for."""
    with closing(Database.open(state.slots, _STEPS, patience=_PATIENCE, anew=_ANEW)) as database:
        yield database


def examine(path: Path, *, patience: float) -> None:
    """Read the whole ledger at `path`; raise StateError when it cannot be used."""
    with closing(Database.open(path, _STEPS, patience=patience, anew=_ANEW)) as database:
        database.examine()
        for table in _TABLES:
            database.read(f"SELECT * FROM {table} LIMIT 1")  # noqa: S608 - the names stand above


def device_id(state: State) -> str:
    """Return this device's own random name, made at the first call."""
    with changing(state) as ledger:
        ledger.execute("INSERT OR IGNORE INTO device (only_row, id) VALUES (1, ?)", (str(uuid.uuid4()),))
        found: str = ledger.execute("SELECT id FROM device").fetchone()[0]
        return found


def last_serial(state: State) -> int:
    """Return the serial of the last parcel that was to go out; 0 when none was."""
    with reading(state) as ledger:
        rows = ledger.read("SELECT serial FROM device")
    return int(rows[0][0]) if rows else 0


def take_serial(state: State, beyond: int = 0) -> int:
    """Return a serial, above `beyond`, that no parcel of this device has had, and none will have."""
    device_id(state)
    with changing(state) as ledger:
        ledger.execute("UPDATE device SET serial = max(serial, ?) + 1", (beyond,))
        return int(ledger.execute("SELECT serial FROM device").fetchone()[0])


def stamp(moment: datetime) -> str:
    """Return a time as the ledger holds it: ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(" ", "seconds")

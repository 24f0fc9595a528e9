"""What became of the bundles on this device, for the report that goes home: the last hundred events of each model."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hakobu_runtime.device.ledger import reading, stamp
from hakobu_runtime.device.state import State

_KEPT = 100


class Kind(StrEnum):
    """What happened."""

    INSTALLED = "installed"
    PROVEN = "proven"
    """It came through its probation."""
    ROLLED_BACK = "rolled back"
    """It was left for the former bundle."""
    FAILED = "failed"
    """It did not come through its golden rows, and was never used; or its probation, with none to go back to."""
    REFUSED = "refused"
    """It was not taken: its signature does not hold, or it needs a newer runtime."""
    REVOKED = "revoked"
    """It must not be used any more."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a bundle here."""

    number: int
    """Counts upwards."""
    model: str
    time: str
    """ISO 8601 in UTC, by this PC's clock."""
    kind: str
    version: str
    digest: str
    words: str


def record(
    ledger: sqlite3.Connection, model: str, now: datetime, kind: Kind, version: str, digest: str, words: str = ""
) -> None:
    """Remember an event; one that repeats the last of that bundle is no news."""
    query = "SELECT kind, words FROM events WHERE model = ? AND digest = ? ORDER BY number DESC LIMIT 1"
    last = ledger.execute(query, (model, digest)).fetchone()
    if kind is not Kind.INSTALLED and last == (kind.value, words):
        return
    row = (model, stamp(now), kind.value, version, digest, words)
    ledger.execute("INSERT INTO events (model, time, kind, version, digest, words) VALUES (?, ?, ?, ?, ?, ?)", row)
    ledger.execute(
        """DELETE FROM events WHERE model = ? AND number NOT IN
        (SELECT number FROM events WHERE model = ? ORDER BY number DESC LIMIT ?)""",
        (model, model, _KEPT),
    )


def events_of(state: State, model: str) -> tuple[Event, ...]:
    """Return what happened to the bundles of `model`, oldest first."""
    query = "SELECT number, model, time, kind, version, digest, words FROM events WHERE model = ? ORDER BY number"
    with reading(state) as ledger:
        return tuple(Event(*row) for row in ledger.read(query, (model,)))

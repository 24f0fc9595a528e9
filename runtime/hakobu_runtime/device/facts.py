"""Facts about following a channel that outlive the command that learned them, for each model."""

import sqlite3
from datetime import UTC, datetime

from hakobu_runtime.device.ledger import reading, stamp
from hakobu_runtime.device.state import State

FLOOR = "floor"
"""The time that it cannot be earlier than: the latest at which something was signed that this device verified."""
CONTACT = "contact"
"""When a depot was last read and believed, by this PC's clock."""
TRIED = "tried"
"""When that was last tried."""
TROUBLE = "trouble"
"""Why it failed then; "" when it did not."""
EXPIRES = "expires"
"""Until when what the depot said then is believed."""
OFFERED = "offered"
"""What the channel had for this device then, in words."""
MINIMUM = "minimum"
"""The oldest version that may be used still."""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def facts_of(state: State, model: str) -> dict[str, str]:
    """Return all facts about `model`."""
    with reading(state) as ledger:
        return dict(ledger.read("SELECT name, value FROM facts WHERE model = ?", (model,)))


def note(ledger: sqlite3.Connection, model: str, name: str, value: str) -> None:
    """Put a fact in place of the one of that name."""
    ledger.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", (model, name, value))


def raise_floor(ledger: sqlite3.Connection, model: str, moment: datetime) -> None:
    """Note that it cannot be earlier than `moment`; an earlier one than is known changes nothing."""
    found = ledger.execute("SELECT value FROM facts WHERE model = ? AND name = ?", (model, FLOOR)).fetchone()
    if found is None or datetime.fromisoformat(found[0]) < moment:
        note(ledger, model, FLOOR, stamp(moment))


def floor_in(facts: dict[str, str]) -> datetime:
    """Return the time that it cannot be earlier than, by these facts."""
    return datetime.fromisoformat(facts[FLOOR]) if FLOOR in facts else EARLIEST

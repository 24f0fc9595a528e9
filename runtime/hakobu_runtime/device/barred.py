"""Bundles that may not be used here: revoked ones, ones below the minimum, and those that failed on this device.

What was learned from a channel once is obeyed with no network, too.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hakobu_runtime.device.facts import MINIMUM, note
from hakobu_runtime.device.ledger import reading, stamp
from hakobu_runtime.device.state import State
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.channel import Channel
from hakobu_runtime.format.manifest import precedence

Read = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""Reads rows of the ledger, in a transaction or outside."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A bundle that failed on this device, so that it is not tried again."""

    model: str
    version: str
    digest: str
    reason: str
    since: str
    """When, ISO 8601 in UTC."""


def reader(ledger: sqlite3.Connection) -> Read:
    """Return what reads in the transaction of `ledger`."""
    return lambda query, values: ledger.execute(query, values).fetchall()


def why_barred(read: Read, model: str, version: str, digest: str) -> str:
    """Say why a bundle must not be used any more, revoked or too old; "" when it may."""
    revoked = read("SELECT reason FROM revoked WHERE model = ? AND digest = ?", (model, digest))
    if revoked:
        return f"{model} {version} was revoked: {revoked[0][0] or 'no reason was given'}"
    minimum = read("SELECT value FROM facts WHERE model = ? AND name = ?", (model, MINIMUM))
    if minimum and minimum[0][0] and precedence(version) < precedence(minimum[0][0]):
        return f"{model} {version} is older than {minimum[0][0]}, the oldest version that may be used"
    return ""


def refuse_barred(state: State, model: str, version: str, digest: str) -> None:
    """Raise StateError when the bundle must not be used any more."""
    if not state.slots.exists():
        return
    with reading(state) as ledger:
        reason = why_barred(ledger.read, model, version, digest)
    if reason:
        raise StateError(f"{reason}; take a newer one: hakobu-run sync, or hakobu-run install FILE.hako")


def learn(ledger: sqlite3.Connection, channel: Channel) -> None:
    """Remember what `channel` bars; what was revoked stays so, whatever another channel says or leaves out."""
    for entry in channel.revoked:
        row = (channel.model, entry.digest, entry.version, entry.reason)
        ledger.execute("INSERT OR REPLACE INTO revoked VALUES (?, ?, ?, ?)", row)
    note(ledger, channel.model, MINIMUM, channel.minimum_version)


def hold_back(ledger: sqlite3.Connection, model: str, version: str, digest: str, reason: str, now: datetime) -> None:
    """Remember that a bundle failed here; its probation ends."""
    row = (model, digest, version, reason, stamp(now))
    ledger.execute("INSERT OR REPLACE INTO held (model, digest, version, reason, since) VALUES (?, ?, ?, ?, ?)", row)
    ledger.execute("DELETE FROM probation WHERE model = ? AND digest = ?", (model, digest))


def let_go(ledger: sqlite3.Connection, model: str, digest: str) -> None:
    """Forget what held a bundle back."""
    ledger.execute("DELETE FROM held WHERE model = ? AND digest = ?", (model, digest))


def held_back(state: State, model: str | None = None) -> tuple[HeldBack, ...]:
    """Return what is held back of `model`, or of all models, oldest first."""
    query = "SELECT model, version, digest, reason, since FROM held WHERE model = coalesce(?, model) ORDER BY since"
    with reading(state) as ledger:
        return tuple(HeldBack(*row) for row in ledger.read(query, (model,)))

"""Small parcels of the tiny model for a hub, and what a hub makes of them."""

from datetime import UTC, datetime
from functools import cache

import numpy as np
from sqlalchemy import select

from hakobu.hub.database import Database
from hakobu.hub.tables import metadata
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.format.outcome import SCHEMA as OUTCOME
from hakobu_runtime.format.outcome import Outcome, Subject, counts_of
from hakobu_runtime.format.parcel import SCHEMA as PARCEL
from hakobu_runtime.format.parcel import Box, ModelState, Parcel
from hakobu_runtime.format.tally import SCHEMA as TALLY
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import PrivateKey
from hakobu_runtime.uplink.parcel import pack_parcel

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
_SPANS = {13: Span.HOUR, 10: Span.DAY, 7: Span.MONTH}


@cache
def key_of(device: str) -> PrivateKey:
    """Return the key of a device."""
    return PrivateKey.generate()


def pem_of(device: str) -> str:
    """Return its public half."""
    return key_of(device).public.pem.decode()


def window(start: str) -> Window:
    """Return the window that `start` names."""
    return Window(start, _SPANS[len(start)])


def tally(device: str, bundle: Bundle, start: str, rows: int, revision: int = 1) -> Tally:
    """Return that so many rows were counted in a window."""
    name = ModelName(bundle.manifest.name, bundle.manifest.version, bundle.digest)
    features: dict[str, tuple[int, ...]] = {"temp": (0, rows, 0, 0, 0, 0), "load": (0, 0, rows, 0, 0, 0)}
    outputs: dict[str, tuple[int, ...]] = {"labels": (rows, 0, 0, 0)}
    return Tally(TALLY, device, name, window(start), revision, rows, {"ok": rows}, features, outputs, {}, (), "e")


def outcome(device: str, bundle: Bundle, start: str, rows: int) -> Outcome:
    """Return that of so many predictions the truth is known."""
    subject = Subject.of(bundle.manifest, bundle.digest)
    counts = counts_of(subject, np.ones(rows, dtype=np.int64), np.full(rows, 0.75), np.ones(rows))
    return Outcome(OUTCOME, device, subject.model, window(start), 1, "o", subject.unit, counts)


def parcel(
    device: str, serial: int, bundle: Bundle, *tallies: Tally, outcomes: tuple[Outcome, ...] = (), made: datetime = NOW
) -> bytes:
    """Return a parcel as a device signs it."""
    box = Box(bundle.manifest.version, bundle.digest, made.isoformat())
    state = ModelState(bundle.manifest.name, "stable", box)
    found = Parcel(
        PARCEL, device, pem_of(device), serial, made.isoformat(), "0.1.0", "Linux", (state,), tallies, outcomes
    )
    return pack_parcel(found, key_of(device))


def rows_of(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return all that is in a database, but for who is logged in."""
    with database.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
            if table.name != "sessions"
        }

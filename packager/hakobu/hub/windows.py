"""The state of every device's windows: the highest revision holds, and a longer window takes the place of shorter ones.

The order in which they come, how often, and what is lost on the way make no difference: what is here is always what
`hakobu.fleet.merge` makes of all that came.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, delete, select

from hakobu.fleet.merge import order
from hakobu.hub import bulk
from hakobu.hub.block import Layout, counts_of, pack_row, unpack_row
from hakobu.hub.bundles import known
from hakobu.hub.tables import devices, windows
from hakobu.hub.totals import Changes
from hakobu_runtime.format.histogram import Counts
from hakobu_runtime.format.window import Span

_SPANS = {13: Span.HOUR, 10: Span.DAY, 7: Span.MONTH}
_LAST = "~"
"""Comes after whatever a start goes on with."""

Key = tuple[int, int, str, str]
"""Device, bundle, epoch and start."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """The counts of one window of one device, as they came."""

    key: Key
    group: str
    """That the device is in."""
    revision: int
    row: Counts
    """Over the layout of its bundle, int64."""


@dataclass(slots=True, eq=False)
class _Held:
    """A window as it is, or will be when the transaction ends."""

    revision: int
    rows: int
    row: Counts | None = None
    """None while it is only in the database."""
    stored: bool = True


def put(connection: Connection, states: Sequence[State], layouts: Mapping[int, Layout]) -> tuple[State, ...]:
    """Take states in, change the totals with them, and return those that said something new.

    The rows of their devices must be locked by the caller. Raises CountError when a sum passes int64: then the whole
    transaction must be given up.
    """
    held = _held(connection, states)
    inside = _inside(held)
    taken: dict[Key, State] = {}
    before: dict[Key, None] = {}
    for state in sorted(states, key=lambda state: len(state.key[3])):  # the longer ones first
        key = state.key
        if any(longer in held for longer in _around(key)) or not _is_newer(connection, state, held.get(key), layouts):
            continue
        for gone in (key, *inside.get(key, ())):
            former = held.pop(gone, None)
            if former is not None and former.stored:
                before[gone] = None
        held[key] = _Held(state.revision, int(state.row[0]), state.row, stored=False)
        taken[key] = state
    _write(connection, taken, tuple(before), layouts)
    return tuple(taken.values())


def _write(
    connection: Connection, taken: Mapping[Key, State], before: Collection[Key], layouts: Mapping[int, Layout]
) -> None:
    changes, groups = Changes(), {key[0]: state.group for key, state in taken.items()}
    for key, row in _rows(connection, before, layouts).items():
        changes.add(key[1], groups[key[0]], key[3], row, -1)
    for key, state in taken.items():
        changes.add(key[1], state.group, key[3], state.row)
    bulk.remove(connection, windows, _COLUMNS, [key for key in before if key not in taken])
    bulk.put(connection, windows, [_stored(state) for state in taken.values()])
    changes.apply(connection)


def remove_device(connection: Connection, device: int) -> None:
    """Take the windows of a device away, and out of the totals."""
    _leave(connection, device, None)
    connection.execute(delete(windows).where(windows.c.device_id == device))


def move_device(connection: Connection, device: int, former: str, group: str) -> None:
    """Take the counts of a device out of the totals of the group `former` and into those of `group`."""
    _leave(connection, device, (former, group))


def _leave(connection: Connection, device: int, groups: tuple[str, str] | None) -> None:
    """Take the counts of a device out of the totals of its group, or from those of one into those of another."""
    lock = select(devices.c.group_name).where(devices.c.id == device)
    if connection.dialect.name != "sqlite":
        lock = lock.with_for_update(key_share=True)
    there = connection.scalar(lock)
    former = there if groups is None else groups[0]
    changes, layouts = Changes(), {bundle.id: bundle.layout for bundle in known(connection).values()}
    query = select(windows.c.bundle_id, windows.c.start, windows.c.counts).where(windows.c.device_id == device)
    for bundle, start, counts in connection.execute(query):
        row = unpack_row(counts, layouts[bundle].size)
        changes.add(bundle, former or "", start, row, -1)
        if groups is not None:
            changes.add(bundle, groups[1], start, row)
    changes.apply(connection)


def _held(connection: Connection, states: Iterable[State]) -> dict[Key, _Held]:
    """Return the windows that are there of those that came, of those around them, and of those inside them."""
    keys: dict[Key, None] = {}
    longest: dict[tuple[int, int, str], list[str]] = {}
    for state in states:
        keys |= dict.fromkeys((state.key, *_around(state.key)))
        if len(state.key[3]) < 13:
            longest.setdefault(state.key[:3], []).append(state.key[3])
    columns = (*_COLUMNS, windows.c.revision, windows.c.rows)
    found: dict[Key, _Held] = {}
    for row in bulk.find(connection, columns, _COLUMNS, keys):
        found[row[0], row[1], row[2], row[3]] = _Held(row[4], row[5])
    for (device, bundle, epoch), starts in longest.items():
        query = select(*columns).where(
            windows.c.device_id == device,
            windows.c.bundle_id == bundle,
            windows.c.epoch == epoch,
            windows.c.start > min(starts),
            windows.c.start < max(start + _LAST for start in starts),
        )
        for inner in connection.execute(query):
            found.setdefault((inner[0], inner[1], inner[2], inner[3]), _Held(inner[4], inner[5]))
    return found


def _is_newer(connection: Connection, state: State, held: _Held | None, layouts: Mapping[int, Layout]) -> bool:
    """Say whether a state is to take the place of what is held, as `hakobu.fleet.merge` would decide it."""
    if held is None or state.revision != held.revision:
        return held is None or state.revision > held.revision
    layout, rows = layouts[state.key[1]], int(state.row[0])
    if rows != held.rows:
        return rows > held.rows
    if held.row is None:
        held.row = _rows(connection, (state.key,), layouts)[state.key]
    if np.array_equal(held.row, state.row):
        return False
    return order(counts_of(layout, state.row)) > order(counts_of(layout, held.row))


def _around(key: Key) -> tuple[Key, ...]:
    """Return the places of the windows that hold the one of `key`."""
    device, bundle, epoch, start = key
    return tuple((device, bundle, epoch, start[:length]) for length in (7, 10) if len(start) > length)


def _inside(held: Iterable[Key]) -> dict[Key, list[Key]]:
    """Return the windows held that lie in others, by the place of these."""
    found: dict[Key, list[Key]] = {}
    for key in held:
        for longer in _around(key):
            found.setdefault(longer, []).append(key)
    return found


def _rows(connection: Connection, keys: Collection[Key], layouts: Mapping[int, Layout]) -> dict[Key, Counts]:
    found: dict[Key, Counts] = {}
    for row in bulk.find(connection, (*_COLUMNS, windows.c.counts), _COLUMNS, keys):
        found[row[0], row[1], row[2], row[3]] = unpack_row(row[4], layouts[row[1]].size)
    return found


_COLUMNS = (windows.c.device_id, windows.c.bundle_id, windows.c.epoch, windows.c.start)


def _stored(state: State) -> dict[str, object]:
    device, bundle, epoch, start = state.key
    return {
        "device_id": device,
        "bundle_id": bundle,
        "epoch": epoch,
        "start": start,
        "revision": state.revision,
        "rows": int(state.row[0]),
        "counts": pack_row(state.row),
    }

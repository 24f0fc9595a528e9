"""The sums over the devices of a group, by day and by month: what pages and judgements read.

They are changed in the transaction that changes the windows, never on their own: so they are the same sums always.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import numpy as np
from sqlalchemy import Connection, delete, func, select

from hakobu.hub.block import counts_of, pack_row, unpack_row
from hakobu.hub.bulk import find, put, remove
from hakobu.hub.bundles import KnownBundle, known
from hakobu.hub.database import Database
from hakobu.hub.tables import bundles, devices, totals, windows
from hakobu_runtime.errors import CountError, DamageError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.histogram import Counts
from hakobu_runtime.format.window import Span, Window, start_text

_COLUMNS = (totals.c.bundle_id, totals.c.group_name, totals.c.start)
_LENGTHS = {Span.DAY: 10, Span.WEEK: 10, Span.MONTH: 7}
"""Of the text that starts the total that a span is read from."""

Key = tuple[int, str, str]
"""Bundle, group and start."""


class Changes:
    """What the windows that came and went make of the totals: to be applied at the end of the same transaction."""

    def __init__(self) -> None:
        self._rows: dict[Key, Counts] = {}

    def add(self, bundle: int, group: str, start: str, row: Counts, sign: int = 1) -> None:
        """Note that the window `start` of a device of `group` now counts `row` more, or less with a `sign` of -1."""
        for length in (7, 10):
            if len(start) >= length:
                key = (bundle, group, start[:length])
                if key not in self._rows:
                    self._rows[key] = np.zeros(row.size, dtype=np.int64)
                # Within int64: the sums of what is stored are, and one transaction brings too few windows to pass it.
                self._rows[key] += row if sign > 0 else -row

    def apply(self, connection: Connection) -> None:
        """Change the totals; raise CountError when a sum passes int64, so that nothing of the transaction holds."""
        rows = {key: row for key, row in sorted(self._rows.items()) if row.any()}
        lock(connection, {bundle for bundle, _, _ in rows})
        held = _held(connection, tuple(rows), {key[0]: row.size for key, row in rows.items()})
        left, gone = [], []
        for key, row in rows.items():
            total = _sum(key, held[key] if key in held else np.zeros_like(row), row)
            if total.any():
                left.append(_stored(key, total))
            else:
                gone.append(key)
        put(connection, totals, left)
        remove(connection, totals, _COLUMNS, gone)


def lock(connection: Connection, ids: Collection[int]) -> None:
    """Keep others from the totals of these bundles until the transaction ends, always in the same order."""
    if ids and connection.dialect.name != "sqlite":
        query = select(bundles.c.id).where(bundles.c.id.in_(sorted(ids))).order_by(bundles.c.id)
        connection.execute(query.with_for_update(key_share=True)).all()


def series(
    connection: Connection,
    bundle: KnownBundle,
    groups: Collection[str] | None,
    span: Span,
    since: date | None = None,
    until: date | None = None,
) -> Iterator[tuple[Window, WindowCounts]]:
    """Yield the counts of a bundle by windows of `span` (a day, week or month), the oldest first.

    Of the devices of `groups`, None for all; from the window that holds `since` to the one that holds `until`. A week
    is the sum of its days, so that what came as months is in the months alone.
    """
    query = select(totals.c.start, totals.c.counts).where(
        totals.c.bundle_id == bundle.id, func.length(totals.c.start) == _LENGTHS[span]
    )
    if groups is not None:
        query = query.where(totals.c.group_name.in_(sorted(groups)))
    if since is not None:
        query = query.where(totals.c.start >= _first(since, span))
    if until is not None:
        query = query.where(totals.c.start <= _last(until, span))
    part = Span.MONTH if span is Span.MONTH else Span.DAY
    rows = connection.execute(query.order_by(totals.c.start))
    for window, some in groupby(rows, key=lambda row: Window(row.start, part).widen(span)):
        found = np.zeros(bundle.layout.size, dtype=np.int64)
        for row in some:
            found = _sum((bundle.id, "", window.start), found, unpack_row(row.counts, bundle.layout.size))
        yield window, counts_of(bundle.layout, found)


def verify(database: Database) -> None:
    """Raise DamageError unless every total is the sum of its windows."""
    with database.read() as connection:
        for bundle in known(connection).values():
            found = _sums(connection, bundle)
            query = select(totals).where(totals.c.bundle_id == bundle.id)
            for row in connection.execute(query):
                key = (row.bundle_id, row.group_name, row.start)
                held, sums = unpack_row(row.counts, bundle.layout.size), found.pop(key, None)
                if sums is None or row.rows != held[0] or not np.array_equal(held, sums):
                    raise _wrong(database, bundle, key)
            if found:
                raise _wrong(database, bundle, next(iter(found)))


def rebuild(database: Database) -> None:
    """Make all totals again from the windows."""
    with database.begin() as connection:
        every = known(connection)
        lock(connection, {bundle.id for bundle in every.values()})
        connection.execute(delete(totals))
        for bundle in every.values():
            put(connection, totals, [_stored(key, row) for key, row in sorted(_sums(connection, bundle).items())])


def _sums(connection: Connection, bundle: KnownBundle) -> dict[Key, Counts]:
    """Return the sums of the windows of a bundle, those that are not 0."""
    found: dict[Key, Counts] = {}
    query = (
        select(devices.c.group_name, windows.c.start, windows.c.counts)
        .join(devices, devices.c.id == windows.c.device_id)
        .where(windows.c.bundle_id == bundle.id)
    )
    for group, start, counts in connection.execute(query.execution_options(yield_per=1000)):
        row = unpack_row(counts, bundle.layout.size)
        for length in (7, 10):
            if len(start) >= length:
                key = (bundle.id, group, start[:length])
                found[key] = row if key not in found else _sum(key, found[key], row)
    return {key: row for key, row in found.items() if row.any()}


def _held(connection: Connection, keys: Collection[Key], sizes: dict[int, int]) -> dict[Key, Counts]:
    found: dict[Key, Counts] = {}
    for bundle, group, start, counts in find(connection, (*_COLUMNS, totals.c.counts), _COLUMNS, keys):
        found[bundle, group, start] = unpack_row(counts, sizes[bundle])
    return found


def _sum(key: Key, one: Counts, change: Counts) -> Counts:
    """Return `one`, which is not negative, with a change of it."""
    found: Counts = one + change
    wrong = found < 0
    if (wrong & (change > 0)).any():  # the sum of two numbers that are not negative comes out negative when it wraps
        raise CountError(f"{key[2]}: the sum of the counts of all devices passes 2^63 - 1")
    if wrong.any():
        raise DamageError(f"the total of {key[2]} is less than what goes out of it: run hakobu hub check")
    return found


def _stored(key: Key, row: Counts) -> dict[str, object]:
    bundle, group, start = key
    return {"bundle_id": bundle, "group_name": group, "start": start, "rows": int(row[0]), "counts": pack_row(row)}


def _first(day: date, span: Span) -> str:
    """Return the start of the first total that a window of `span` around `day` is made of."""
    if span is Span.WEEK:
        day -= timedelta(days=day.weekday())
    return start_text(datetime(day.year, day.month, day.day, tzinfo=UTC), _part(span))


def _last(day: date, span: Span) -> str:
    if span is Span.WEEK:
        day += timedelta(days=6 - day.weekday())
    return start_text(datetime(day.year, day.month, day.day, tzinfo=UTC), _part(span))


def _part(span: Span) -> Span:
    return Span.MONTH if span is Span.MONTH else Span.DAY


def _wrong(database: Database, bundle: KnownBundle, key: Key) -> DamageError:
    return DamageError(
        f"{database.name}: the total of {bundle.model} {bundle.version}, {key[2]} of the group {key[1]!r} is not "
        "the sum of its windows: make the totals again with hakobu hub check --mend"
    )

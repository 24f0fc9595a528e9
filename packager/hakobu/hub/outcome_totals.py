"""The sums of outcomes over the devices of a group, by day: what pages and judgements read.

They are changed in the transaction that changes the outcomes, never on their own: so they are the same sums always.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from itertools import groupby
from operator import attrgetter

import msgspec
import numpy as np
from sqlalchemy import Connection, delete, select

from hakobu.hub.bulk import find, put, remove
from hakobu.hub.bundles import KnownBundle, known
from hakobu.hub.database import Database
from hakobu.hub.tables import devices, outcome_totals, outcomes
from hakobu.hub.totals import lock
from hakobu_runtime.errors import DamageError, FormatError
from hakobu_runtime.format.codec import decode
from hakobu_runtime.format.outcome import OutcomeCounts
from hakobu_runtime.format.window import Span, Window

_COLUMNS = (outcome_totals.c.bundle_id, outcome_totals.c.group_name, outcome_totals.c.start)

Key = tuple[int, str, str]
"""Bundle, group and day."""
ByGroup = Mapping[str, Mapping[Window, OutcomeCounts]]


class _Counts(msgspec.Struct):
    """What of a hakobu.outcome/1 is added up."""

    counts: OutcomeCounts


class OutcomeChanges:
    """What the outcomes that came and went make of the totals: to be applied at the end of the same transaction."""

    def __init__(self) -> None:
        self._came: defaultdict[Key, list[OutcomeCounts]] = defaultdict(list)
        self._gone: defaultdict[Key, list[OutcomeCounts]] = defaultdict(list)

    def add(self, bundle: int, group: str, start: str, counts: OutcomeCounts) -> None:
        """Note that a device of `group` now has these outcomes on the day `start`."""
        self._came[bundle, group, start].append(counts)

    def take(self, bundle: int, group: str, start: str, counts: OutcomeCounts) -> None:
        """Note that a device of `group` has these no more."""
        self._gone[bundle, group, start].append(counts)

    def apply(self, connection: Connection) -> None:
        """Change the totals; raise CountError when a sum passes int64, so that nothing of the transaction holds."""
        keys = sorted({*self._came, *self._gone})
        lock(connection, {bundle for bundle, _, _ in keys})
        held = _held(connection, keys)
        left, gone = [], []
        for key in keys:
            total = _without(key, held.get(key, OutcomeCounts()), self._gone.get(key, ()))
            total = summed((total, *self._came.get(key, ())))
            if total.rows:
                left.append(_stored(key, total))
            else:
                gone.append(key)
        put(connection, outcome_totals, left)
        remove(connection, outcome_totals, _COLUMNS, gone)


def by_group(
    connection: Connection,
    bundle: KnownBundle,
    groups: Collection[str] | None = None,
    since: date | None = None,
    until: date | None = None,
) -> ByGroup:
    """Return the outcomes of a bundle by group and day, from `since` to `until`; of `groups`, None for all."""
    total = outcome_totals.c
    query = select(total.group_name, total.start, total.counts).where(total.bundle_id == bundle.id)
    if groups is not None:
        query = query.where(total.group_name.in_(sorted(groups)))
    if since is not None:
        query = query.where(total.start >= since.isoformat())
    if until is not None:
        query = query.where(total.start <= until.isoformat())
    found: dict[str, dict[Window, OutcomeCounts]] = {}
    for group, start, counts in connection.execute(query.order_by(total.start, total.group_name)):
        found.setdefault(group, {})[Window(start, Span.DAY)] = _read(counts)
    return found


def together(groups: ByGroup) -> dict[Window, OutcomeCounts]:
    """Return the sums over groups, by day."""
    days: dict[Window, list[OutcomeCounts]] = {}
    for found in groups.values():
        for window, counts in found.items():
            days.setdefault(window, []).append(counts)
    return {window: summed(days[window]) for window in sorted(days)}


def summed(some: Collection[OutcomeCounts]) -> OutcomeCounts:
    """Return the sum of the counts of some devices, all of one kind; raise CountError when it passes int64.

    As `OutcomeCounts.plus` one after the other, and many times as fast.
    """
    cells: defaultdict[tuple[int, int], int] = defaultdict(int)
    for one in some:
        for truth, code, many in one.confusion:
            cells[truth, code] += many
    # Where a column wraps, the rows, which never do, pass int64 too: that raises.
    return OutcomeCounts(
        sum(one.rows for one in some),
        tuple((*pair, many) for pair, many in sorted(cells.items())),
        _column([one.not_so for one in some if one.not_so]),
        _column([one.so for one in some if one.so]),
        sum(one.error for one in some),
        sum(one.absolute for one in some),
        sum(one.squares for one in some),
    )


def verify(database: Database) -> None:
    """Raise DamageError unless every total of outcomes is the sum of them."""
    with database.read() as connection:
        for bundle in known(connection).values():
            found = {(bundle.id, group, start): counts for group, start, counts in _sums(connection, bundle)}
            query = select(outcome_totals).where(outcome_totals.c.bundle_id == bundle.id)
            for row in connection.execute(query):
                key = (row.bundle_id, row.group_name, row.start)
                total = found.pop(key, None)
                if total is None or row.rows != total.rows or _read(row.counts) != total:
                    raise _wrong(database, bundle, key)
            if found:
                raise _wrong(database, bundle, next(iter(found)))


def rebuild(database: Database) -> None:
    """Make all totals again from the outcomes."""
    with database.begin() as connection:
        every = known(connection)
        lock(connection, {bundle.id for bundle in every.values()})
        connection.execute(delete(outcome_totals))
        for bundle in every.values():
            sums = [_stored((bundle.id, group, start), counts) for group, start, counts in _sums(connection, bundle)]
            put(connection, outcome_totals, sums)


def _sums(connection: Connection, bundle: KnownBundle) -> Iterator[tuple[str, str, OutcomeCounts]]:
    """Yield the sums of the outcomes of a bundle, those that are not 0: group, day and counts; a day at a time."""
    query = (
        select(devices.c.group_name, outcomes.c.start, outcomes.c.content)
        .join(devices, devices.c.id == outcomes.c.device_id)
        .where(outcomes.c.bundle_id == bundle.id)
        .order_by(outcomes.c.start)
    )
    rows = connection.execute(query.execution_options(yield_per=1000))
    for start, day in groupby(rows, key=attrgetter("start")):
        groups: dict[str, list[OutcomeCounts]] = {}
        for group, _, content in day:
            groups.setdefault(group, []).append(decode(content, _Counts, "outcomes in the hub").counts)
        for group, some in groups.items():
            if (total := summed(some)).rows:
                yield group, start, total


def _held(connection: Connection, keys: Collection[Key]) -> dict[Key, OutcomeCounts]:
    found: dict[Key, OutcomeCounts] = {}
    for bundle, group, start, counts in find(connection, (*_COLUMNS, outcome_totals.c.counts), _COLUMNS, keys):
        found[bundle, group, start] = _read(counts)
    return found


def _without(key: Key, total: OutcomeCounts, gone: Collection[OutcomeCounts]) -> OutcomeCounts:
    """Return `total` without what is gone, which must be part of it."""
    if not gone:
        return total
    try:
        left = total.minus(summed(gone))
    except FormatError as error:
        raise _less(key) from error
    if not left.rows and left != OutcomeCounts():
        raise _less(key)
    return left


def _less(key: Key) -> DamageError:
    return DamageError(f"the total of the outcomes of {key[2]} is less than what goes out of it: run hakobu hub check")


def _column(sides: Collection[Collection[int]]) -> tuple[int, ...]:
    return tuple(np.array(sides, dtype=np.int64).sum(axis=0).tolist()) if sides else ()


def _read(content: bytes) -> OutcomeCounts:
    try:
        return decode(content, OutcomeCounts, "a total of outcomes in the hub")
    except FormatError as error:
        raise DamageError(f"{error}: make the totals again with hakobu hub check --mend") from error


def _stored(key: Key, counts: OutcomeCounts) -> dict[str, object]:
    bundle, group, start = key
    content = msgspec.json.encode(counts)
    return {"bundle_id": bundle, "group_name": group, "start": start, "rows": counts.rows, "counts": content}


def _wrong(database: Database, bundle: KnownBundle, key: Key) -> DamageError:
    return DamageError(
        f"{database.name}: the total of outcomes of {bundle.model} {bundle.version}, {key[2]} of the group {key[1]!r} "
        "is not the sum of them: make the totals again with hakobu hub check --mend"
    )

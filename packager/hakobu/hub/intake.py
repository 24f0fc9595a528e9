"""The one way in: a parcel is checked, and its counts are merged into what is there, whole or not at all.

Whom a parcel is from is decided by its signature and by the key that the device is known by, never by where it came
from. Whether it may be taken, and what of it, is for `hakobu.hub.admission` to say; whatever is refused is counted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from hakobu.hub import bulk, horizon
from hakobu.hub import devices as enrolled
from hakobu.hub.admission import Admitted, Sent, admit
from hakobu.hub.bundles import of_digests
from hakobu.hub.database import Database
from hakobu.hub.outcomes import put_outcomes
from hakobu.hub.refusals import Kind, Refusal, count, count_apart, refusal_of
from hakobu.hub.standings import note
from hakobu.hub.tables import devices, parcels
from hakobu.hub.totals import lock
from hakobu.hub.windows import put
from hakobu_runtime.errors import CountError, FormatError, TrustError
from hakobu_runtime.format.parcel import LARGEST_FILE, plain_words
from hakobu_runtime.format.receipt import MOST_PARCELS, CameHome
from hakobu_runtime.uplink.parcel import read_parcel

_MOST_PARCELS = 100
_MOST_WINDOWS = 3_000
"""Of one transaction, about: enough to make its end cheap, few enough for the memory, and for those who wait."""

Items = Iterable[tuple[str, Callable[[], bytes]]]
"""Where each parcel comes from, and what reads it; a FormatError of it refuses the parcel, an OSError ends it all."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A parcel whose counts are in the database."""

    where: str
    device: str
    serial: int
    digest: str
    """The sha256 of what was signed, in hex."""
    is_new: bool
    """Whether it was not here before."""
    windows: int
    """How many it changed."""
    left_out: tuple[str, ...] = ()
    """What of it was not taken, in words that its device can show; then it is not acknowledged."""


def take(database: Database, content: bytes, where: str, now: datetime) -> Taken:
    """Take one parcel; `where` stands for it in messages.

    Raises Refused, a TrustError or a FormatError, when nothing of it was taken, and StateError when the database fails.
    """
    (found,) = take_many(database, [(where, lambda: content)], now)
    if isinstance(found, Refusal):
        raise found.error
    return found


def take_many(
    database: Database,
    items: Items,
    now: datetime,
    progress: Callable[[int], None] = lambda many: None,
    newcomers: str | None = None,
) -> Iterator[Taken | Refusal]:
    """Take parcels, many in one transaction, and yield what came of each, in their order, once it is on the disk.

    `progress` hears how many were done. Devices that are not known are enrolled in the group `newcomers`, by the key
    that comes first; None refuses them. Raises StateError when the database fails, and the OSError of an item when
    those before it were taken: what was yielded stays.
    """
    done = 0
    for batch in _batches(items):
        for found in _take_batch(database, batch, now, newcomers):
            yield found
            done += 1
        progress(done)


def homes(connection: Connection, device: str) -> tuple[CameHome, ...]:
    """Return what a receipt for a device says: its newest parcels of which nothing was left out."""
    query = (
        select(parcels.c.serial, parcels.c.digest)
        .join(devices, devices.c.id == parcels.c.device_id)
        .where(devices.c.name == device)
        .order_by(parcels.c.serial.desc())
        .limit(MOST_PARCELS)
    )
    return tuple(sorted(CameHome(row.serial, row.digest) for row in connection.execute(query)))


def _batches(items: Items) -> Iterator[list[Sent | Refusal]]:
    """Yield parcels whose signatures hold, and those that cannot be read, in parts for one transaction each."""
    batch: list[Sent | Refusal] = []
    many = 0
    for where, read in items:
        try:
            batch.append(_read(where, read))
        except OSError:  # the stick was pulled out: what was read before counts
            yield batch
            raise
        last = batch[-1]
        many += len(last.parcel.tallies) if isinstance(last, Sent) else 0
        if len(batch) == _MOST_PARCELS or many >= _MOST_WINDOWS:
            yield batch
            batch, many = [], 0
    if batch:
        yield batch


def _read(where: str, read: Callable[[], bytes]) -> Sent | Refusal:
    try:
        content = read()
        if len(content) > LARGEST_FILE:
            return Refusal(where, Kind.TOO_LARGE, f"has more than {LARGEST_FILE:,} bytes, which no parcel needs")
        return Sent(where, read_parcel(content, where))
    except (FormatError, TrustError) as error:
        return refusal_of(error, where)


def _take_batch(
    database: Database, batch: Sequence[Sent | Refusal], now: datetime, newcomers: str | None
) -> list[Taken | Refusal]:
    try:
        return database.attempt(lambda connection: _take(connection, batch, now, newcomers))
    except CountError as error:
        if len(batch) > 1:  # one of them is to blame, and costs the others nothing
            return [found for one in batch for found in _take_batch(database, [one], now, newcomers)]
        (sent,) = batch
        refusal = Refusal(sent.where, Kind.IMPOSSIBLE_COUNTS, plain_words(str(error)))
        count_apart(database, refusal, now)
        return [refusal]


def _take(
    connection: Connection, batch: Sequence[Sent | Refusal], now: datetime, newcomers: str | None
) -> list[Taken | Refusal]:
    """Take a batch; return what came of each."""
    month = horizon.first(connection)  # what was pruned stays so
    sent = [one for one in batch if isinstance(one, Sent)]
    if newcomers is not None:
        _enrol(connection, sent, newcomers, now)
    locked = _lock(connection, {one.parcel.device for one in sent})
    known = _known_serials(connection, sent, locked)
    bundles = of_digests(connection, {one.model.digest for each in sent for one in each.counted})
    found = [one if isinstance(one, Refusal) else admit(one, locked, known, bundles, now) for one in batch]
    admitted = [one for one in found if isinstance(one, Admitted)]
    layouts = {bundle.id: bundle.layout for bundle in bundles.values()}
    states = [state for one in admitted for state in one.states if not horizon.is_before(state.key[3], month)]
    outcomes = [state for one in admitted for state in one.outcomes if not horizon.is_before(state.key[3], month)]
    ids = {one.key[1] for one in states} | {one.key[1] for one in outcomes}
    lock(connection, ids)  # the totals of both at once: two who took turns would be in each other's way
    changed = {id(one) for one in put(connection, states, layouts)}
    put_outcomes(connection, outcomes)
    if month:
        _count_old(connection, admitted, month, now)
    _acknowledge(connection, admitted, now)
    note(connection, [(one.device, one.sent.parcel) for one in admitted], now)
    for one in found:
        if isinstance(one, Refusal):
            count(connection, one, now)
        else:
            for kind, words in one.left_out:
                count(connection, one.sent.refused(kind, words), now)
    return [one if isinstance(one, Refusal) else _taken(one, changed) for one in found]


def _count_old(connection: Connection, admitted: Iterable[Admitted], month: str, now: datetime) -> None:
    """Count the parcels that hold windows before `month`; they are acknowledged, since sending again would not help."""
    for one in admitted:
        starts = [counted.window.start for counted in one.sent.counted]
        if old := sum(horizon.is_before(start, month) for start in starts):
            words = f"windows before {month} are kept no more, and {one.sent.parcel.device} sent {old} of them"
            count(connection, one.sent.refused(Kind.TOO_OLD, words), now)


def _taken(one: Admitted, changed: set[int]) -> Taken:
    many = sum(id(state) in changed for state in one.states)
    parcel = one.sent.parcel
    words = tuple(words for _, words in one.left_out)
    return Taken(one.sent.where, parcel.device, parcel.serial, one.sent.opened.digest, not one.is_known, many, words)


def _enrol(connection: Connection, sent: Iterable[Sent], group: str, now: datetime) -> None:
    """Make the devices known that are not."""
    keys = {one.parcel.device: one.parcel.key for one in reversed(list(sent))}
    there = set(connection.scalars(select(devices.c.name).where(devices.c.name.in_(sorted(keys)))))
    for name in sorted(keys.keys() - there):
        enrolled.enrol(connection, name, keys[name], group, now)


def _lock(connection: Connection, names: Iterable[str]) -> dict[str, Row[Any]]:
    """Return the devices that are known, by name; nobody else changes them or their windows meanwhile."""
    query = select(devices).where(devices.c.name.in_(sorted(names))).order_by(devices.c.id)
    if connection.dialect.name != "sqlite":
        query = query.with_for_update(key_share=True)
    return {row.name: row for row in connection.execute(query)}


def _known_serials(
    connection: Connection, sent: Iterable[Sent], locked: Mapping[str, Row[Any]]
) -> dict[tuple[int, int], str]:
    """Return the digests of the parcels that came before, by device and serial."""
    places = [(locked[one.parcel.device].id, one.parcel.serial) for one in sent if one.parcel.device in locked]
    columns = (parcels.c.device_id, parcels.c.serial)
    found = bulk.find(connection, (*columns, parcels.c.digest), columns, places)
    return {(row.device_id, row.serial): row.digest for row in found}


def _acknowledge(connection: Connection, admitted: Iterable[Admitted], now: datetime) -> None:
    """Note which parcels came home, so that receipts speak of them."""
    rows = [
        {
            "device_id": one.device.id,
            "serial": one.sent.parcel.serial,
            "digest": one.sent.opened.digest,
            "received": now,
        }
        for one in admitted
        if not one.is_known and not one.left_out
    ]
    bulk.put(connection, parcels, rows, replace=False)

"""Alarms: what calls for somebody, each opened once, kept while it lasts, and closed when it is over.

The rule by which they open and close is that of hub.sightings; what was counted is looked at by hub.judged.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, func, insert, or_, select, true, update

from hakobu.hub import bundles
from hakobu.hub.bundles import KnownBundle
from hakobu.hub.database import Database
from hakobu.hub.judged import Found, judged
from hakobu.hub.lookback import FARTHEST, Lookback
from hakobu.hub.mark import mark_of
from hakobu.hub.sightings import Keep, Kind, Last, Matter, Open, changes
from hakobu.hub.tables import alarms, devices, evaluations, states, totals
from hakobu.hub.tables import bundles as known_bundles
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.window import Span, Window

_LOCK = 0x616C726D
"""The number of PostgreSQL's lock that those who change alarms hold; SQLite has one writer at a time anyway."""
_SPANS = {10: Span.DAY, 8: Span.WEEK, 7: Span.MONTH}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm, open or over."""

    id: int
    matter: Matter
    period: str
    """The newest period that showed it, like 2026-11-20 or 2026-W47."""
    words: str
    """One sentence of what was found in it."""
    opened: datetime
    seen: datetime
    """When that period was judged so."""
    closed: datetime | None
    """When it was over, or somebody said that it is; None while it is open."""
    snoozed: datetime | None
    """Until when nobody wants to hear of it."""
    told: datetime | None
    """When every hook had heard of it."""

    @property
    def place(self) -> str:
        """Where it is: in the fleet, in a group of devices, or on one."""
        matter = self.matter
        if matter.device:
            return f"device {matter.device}"
        return f"group {matter.group}" if matter.group else "the fleet"

    def is_snoozed(self, now: datetime) -> bool:
        """Say whether nobody wants to hear of it yet."""
        return self.snoozed is not None and now < self.snoozed

    def sentence(self) -> str:
        """Say in one sentence what it is, and where and when it was seen."""
        where = "" if self.place == "the fleet" else f", {self.place}"
        return f"{self.matter.model} {self.matter.version}{where}, {self.period}: {self.words}"

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        matter = self.matter
        found: dict[str, object] = {
            "id": self.id,
            "model": matter.model,
            "version": matter.version,
            "kind": matter.kind.value,
            "subject": matter.subject,
            "group": matter.group,
            "device": matter.device,
            "period": self.period,
            "words": self.words,
        }
        times = {"opened": self.opened, "seen": self.seen, "closed": self.closed, "snoozed": self.snoozed}
        return found | {name: None if time is None else time.isoformat() for name, time in times.items()}


def evaluate(database: Database, now: datetime) -> tuple[Alarm, ...]:
    """Judge what was counted of every bundle, open and close alarms by it, and return those that are new.

    What is judged is said in hub.lookback. A bundle of which nothing new came since it was judged, today, costs one
    look. Of two that evaluate at once each alarm is opened by one of them. Judging keeps nobody from writing.
    """
    back = Lookback.of(now)
    new: list[Alarm] = []
    with database.read() as connection:
        every = sorted(bundles.known(connection).values(), key=lambda one: one.id)
    for bundle in every:
        with database.read() as connection:
            mark = mark_of(connection, bundle, back)
            before = connection.scalar(select(evaluations.c.mark).where(evaluations.c.bundle_id == bundle.id))
            if mark == before:
                continue
            found = judged(connection, bundle, back, _watched(connection, bundle))
        with alone(database) as connection:
            opened = _apply(connection, bundle, found, now)
            _close_gone(connection, bundle, back, now)
            connection.execute(delete(evaluations).where(evaluations.c.bundle_id == bundle.id))
            connection.execute(insert(evaluations).values(bundle_id=bundle.id, mark=mark, evaluated=now))
            new += _all(connection, select(alarms).where(alarms.c.id.in_(opened), alarms.c.closed.is_(None)))
    return tuple(new)


def find(connection: Connection, number: int) -> Alarm | None:
    """Return the alarm `number`; None when there is none."""
    return next(iter(_all(connection, select(alarms).where(alarms.c.id == number))), None)


def open_alarms(connection: Connection, model: str | None = None) -> tuple[Alarm, ...]:
    """Return the alarms that are open, of all models or of one, the newest first; those that are snoozed too."""
    query = select(alarms).where(alarms.c.closed.is_(None))
    return _all(connection, query if model is None else query.where(alarms.c.model == model))


def every(connection: Connection, model: str | None = None) -> tuple[Alarm, ...]:
    """Return all alarms, of all models or of one, the newest first."""
    query = select(alarms)
    return _all(connection, query if model is None else query.where(alarms.c.model == model))


def snooze(connection: Connection, number: int, until: datetime) -> Alarm:
    """Let nobody hear of the alarm `number`, nor of its like, before `until`; raise StateError unless it is open."""
    return _change(connection, number, snoozed=until)


def close(connection: Connection, number: int, now: datetime) -> Alarm:
    """Take the alarm `number` as dealt with; what is still so in a later period opens another one.

    Raises StateError unless it is open.
    """
    return _change(connection, number, closed=now)


@contextmanager
def alone(database: Database) -> Iterator[Connection]:
    """Do one transaction in which nobody else changes alarms, or what is remembered of telling them."""
    with database.begin() as connection:
        if not database.is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        yield connection


def _watched(connection: Connection, bundle: KnownBundle) -> list[tuple[str, str]]:
    """Return the devices and features of which it is to be known whether they are odd still."""
    query = select(alarms.c.device, alarms.c.subject).where(_of(bundle), alarms.c.kind == Kind.DEVICE.value)
    features = {feature.name for feature in bundle.manifest.features}
    return [(row.device, row.subject) for row in connection.execute(query) if row.subject in features]


def _of(bundle: KnownBundle) -> ColumnElement[bool]:
    """Say whether an alarm is of a bundle, and open."""
    return and_(alarms.c.model == bundle.model, alarms.c.version == bundle.version, alarms.c.closed.is_(None))


def _apply(connection: Connection, bundle: KnownBundle, seen: Found, now: datetime) -> list[int]:
    """Open, keep and close the alarms of a bundle by what was seen; return the numbers of those that were opened."""
    rows = _newest(connection, bundle, now)
    last = {matter: Last(_window(row.period), row.words, row.closed is None) for matter, row in rows.items()}
    opened = []
    for matter, change in changes(seen, last).items():
        if isinstance(change, Open):
            opened.append(_open(connection, matter, change, rows.get(matter), now))
        elif isinstance(change, Keep):
            told = {"period": change.sighting.window.start, "words": change.sighting.words, "seen": now}
            connection.execute(update(alarms).where(alarms.c.id == rows[matter].id).values(**told))
        else:
            connection.execute(update(alarms).where(alarms.c.id == rows[matter].id).values(closed=now))
    return opened


def _close_gone(connection: Connection, bundle: KnownBundle, back: Lookback, now: datetime) -> None:
    """Close alarms that nothing more will come of: of a version nobody runs, of devices and groups that are gone."""
    is_run = select(func.count()).where(states.c.model == bundle.model, states.c.version == bundle.version)
    counted = (
        select(func.count())
        .select_from(totals.join(known_bundles))
        .where(known_bundles.c.model == bundle.model, known_bundles.c.version == bundle.version)
        .where(totals.c.start >= back.since.isoformat())
    )
    gone = [
        and_(alarms.c.device != "", alarms.c.device.not_in(select(devices.c.name).where(devices.c.blocked == ""))),
        and_(alarms.c.group_name != "", alarms.c.group_name.not_in(select(devices.c.group_name))),
        *(() if connection.scalar(is_run) or connection.scalar(counted) else (true(),)),
    ]
    connection.execute(update(alarms).where(_of(bundle), or_(*gone)).values(closed=now))


def _newest(connection: Connection, bundle: KnownBundle, now: datetime) -> dict[Matter, Row[Any]]:
    """Return the newest alarm of each matter of a bundle, but those that were over before anything that is judged."""
    query = (
        select(alarms)
        .where(alarms.c.model == bundle.model, alarms.c.version == bundle.version)
        .where(or_(alarms.c.closed.is_(None), alarms.c.closed >= now - FARTHEST))
        .order_by(alarms.c.id)
    )
    return {_matter(row): row for row in connection.execute(query)}


def _open(connection: Connection, matter: Matter, change: Open, before: Row[Any] | None, now: datetime) -> int:
    """Write a new alarm and return its number; it is snoozed as long as the last one of its kind was to be."""
    sighting = change.sighting
    values = {
        "model": matter.model,
        "version": matter.version,
        "kind": matter.kind.value,
        "subject": matter.subject,
        "group_name": matter.group,
        "device": matter.device,
        "period": sighting.window.start,
        "words": sighting.words,
        "opened": now,
        "seen": now,
        "snoozed": None if before is None else before.snoozed,
    }
    return int(connection.execute(insert(alarms).values(**values).returning(alarms.c.id)).scalar_one())


def _change(connection: Connection, number: int, **values: datetime) -> Alarm:
    is_open = (alarms.c.id == number) & alarms.c.closed.is_(None)
    row = connection.execute(update(alarms).where(is_open).values(**values).returning(alarms)).one_or_none()
    if row is None:
        raise StateError(f"there is no open alarm {number}; hakobu hub alarms lists those that are open")
    return _alarm(row)


def _all(connection: Connection, query: Select[Any]) -> tuple[Alarm, ...]:
    return tuple(_alarm(row) for row in connection.execute(query.order_by(alarms.c.opened.desc(), alarms.c.id.desc())))


def _alarm(row: Row[Any]) -> Alarm:
    return Alarm(row.id, _matter(row), row.period, row.words, row.opened, row.seen, row.closed, row.snoozed, row.told)


def _matter(row: Row[Any]) -> Matter:
    return Matter(row.model, row.version, Kind(row.kind), row.subject, row.group_name, row.device)


def _window(period: str) -> Window:
    return Window(period, _SPANS[len(period)])

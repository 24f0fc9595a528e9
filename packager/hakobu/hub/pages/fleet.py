"""The fleet: for each model which versions run where, what keeps devices from the newest, and how it was adopted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import BigInteger, Connection, func, select, type_coerce

from hakobu.hub.pages.standings import Channels, DeviceStanding, Trouble, standings
from hakobu.hub.tables import changes, devices, refusals
from hakobu_runtime.format.manifest import precedence

REFUSAL_DAYS = 14
"""How many days back refusals are shown."""
_DAY = 86_400
_MOST_REASONS = 6
_ORDER = (Trouble.BARRED, Trouble.ROLLED_BACK, Trouble.HELD_BACK, Trouble.CUT_OFF, Trouble.BEHIND, Trouble.SILENT)


@dataclass(frozen=True, slots=True)
class VersionLine:
    """How many devices run a version."""

    version: str
    """"" for those that run none."""
    devices: int
    share: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a version is not taken, or a depot not reached, and by how many devices."""

    trouble: Trouble
    version: str
    words: str
    devices: int
    example: str
    """The first of them."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """How many devices ran each version at the end of each day."""

    days: tuple[date, ...]
    versions: tuple[str, ...]
    """The newest first."""
    counts: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class ModelFleet:
    """One model in the fleet."""

    model: str
    devices: int
    versions: tuple[VersionLine, ...]
    """The newest first."""
    troubles: tuple[tuple[Trouble, int], ...]
    """How many devices each trouble has, the gravest first; those without any are left out."""
    reasons: tuple[Reason, ...]
    adoption: Adoption | None


@dataclass(frozen=True, slots=True)
class RefusalLine:
    """What was refused in the last days, by kind."""

    kind: str
    many: int
    last: date
    words: str
    """The last reason that was given."""


@dataclass(frozen=True, slots=True)
class FleetView:
    """The page."""

    devices: int
    blocked: int
    silent: int
    never: int
    """How many were enrolled and never heard of."""
    newest: datetime | None
    """When the last parcel came."""
    models: tuple[ModelFleet, ...]
    refusals: tuple[RefusalLine, ...]
    ids: Mapping[Trouble, frozenset[int]]
    """Which devices have a trouble with any model, for the table."""


def view(connection: Connection, channels: Channels, now: datetime) -> FleetView:
    """Return how the fleet is at `now`."""
    by_model: dict[str, list[DeviceStanding]] = {}
    for one in standings(connection, channels, now):
        by_model.setdefault(one.model, []).append(one)
    ids: dict[Trouble, set[int]] = {}
    for one in (one for found in by_model.values() for one in found):
        for trouble in one.troubles:
            ids.setdefault(trouble, set()).add(one.device_id)
    many, seen, newest = connection.execute(
        select(func.count(), func.count(devices.c.seen), func.max(devices.c.seen))
    ).one()
    blocked = connection.scalar(select(func.count()).where(devices.c.blocked != "")) or 0
    return FleetView(
        devices=many,
        blocked=blocked,
        silent=len(ids.get(Trouble.SILENT, ())),
        never=many - seen,
        newest=newest,
        models=tuple(_model(connection, name, found, now) for name, found in sorted(by_model.items())),
        refusals=tuple(_refusals(connection, now)),
        ids={trouble: frozenset(found) for trouble, found in ids.items()},
    )


def _model(connection: Connection, name: str, found: list[DeviceStanding], now: datetime) -> ModelFleet:
    counts = Counter(one.version for one in found)
    versions = tuple(
        VersionLine(version, counts[version], counts[version] / len(found)) for version in newest_first(counts)
    )
    troubles = Counter(trouble for one in found for trouble in one.troubles)
    return ModelFleet(
        name,
        len(found),
        versions,
        tuple((trouble, troubles[trouble]) for trouble in _ORDER if troubles[trouble]),
        tuple(_reasons(found))[:_MOST_REASONS],
        _adoption(connection, name, now),
    )


def newest_first(versions: Iterable[str]) -> list[str]:
    """Return versions in the order of a page; those that run none come last."""
    return sorted(versions, key=lambda version: (version != "", precedence(version) if version else ()), reverse=True)


def _reasons(found: Iterable[DeviceStanding]) -> Iterator[Reason]:
    """Yield why devices do not have what they should, the commonest first."""
    told: dict[tuple[Trouble, str, str], list[str]] = {}
    for one in found:
        for held in one.held:
            trouble = Trouble.ROLLED_BACK if held.is_rolled_back else Trouble.HELD_BACK
            if trouble in one.troubles:
                told.setdefault((trouble, held.version, held.reason), []).append(one.device)
        if one.barred:
            told.setdefault((Trouble.BARRED, one.version, one.barred), []).append(one.device)
        if one.trouble:
            told.setdefault((Trouble.CUT_OFF, "", one.trouble), []).append(one.device)
    for (trouble, version, words), names in sorted(told.items(), key=lambda item: (-len(item[1]), item[0])):
        yield Reason(trouble, version, words, len(names), min(names))


def _adoption(connection: Connection, model: str, now: datetime) -> Adoption | None:
    """Return how many devices ran what, by day, from the first change on; None before there are two days."""
    before = func.lag(changes.c.version).over(partition_by=changes.c.device_id, order_by=changes.c.since)
    day = type_coerce(changes.c.since, BigInteger) // _DAY
    steps = select(day.label("day"), changes.c.version, before.label("before")).where(changes.c.model == model)
    grouped = steps.subquery()
    query = select(grouped.c.day, grouped.c.version, grouped.c.before, func.count()).group_by(
        grouped.c.day, grouped.c.version, grouped.c.before
    )
    moves = connection.execute(query).all()
    last = int(now.timestamp()) // _DAY
    moves = [move for move in moves if move[0] <= last]  # a device whose clock is ahead
    if not moves:
        return None
    first = min(move[0] for move in moves)
    if last - first < 1:
        return None
    days = range(first, last + 1)
    delta: dict[str, list[int]] = {}
    for at, version, former, many in moves:
        for name, sign in ((version, 1), (former, -1)):
            if name:
                delta.setdefault(name, [0] * len(days))[at - first] += sign * many
    versions = tuple(newest_first(delta))
    counts = {version: tuple(_running(delta[version])) for version in versions}
    return Adoption(tuple(date(1970, 1, 1) + timedelta(days=at) for at in days), versions, counts)


def _running(steps: Iterable[int]) -> Iterator[int]:
    total = 0
    for step in steps:
        total += step
        yield total


def _refusals(connection: Connection, now: datetime) -> Iterator[RefusalLine]:
    """Yield what was refused lately, the commonest kind first."""
    since = (now.date() - timedelta(days=REFUSAL_DAYS - 1)).isoformat()
    rows = connection.execute(select(refusals).where(refusals.c.day >= since).order_by(refusals.c.day.desc())).all()
    kinds: dict[str, list[int]] = {}
    last: dict[str, tuple[str, str]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(row.many)
        last.setdefault(row.kind, (row.day, row.words))
    for kind, counts in sorted(kinds.items(), key=lambda item: (-sum(item[1]), item[0])):
        day, words = last[kind]
        yield RefusalLine(kind, sum(counts), date.fromisoformat(day), words)

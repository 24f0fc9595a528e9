"""The table of devices: searched, filtered, sorted and paged in the database, since there may be thousands."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, case, func, or_, select

from hakobu.hub.pages.fleet import newest_first
from hakobu.hub.pages.standings import SILENCE, Trouble
from hakobu.hub.tables import devices, states

PAGE = 50
"""Devices on one page."""
SORTS = ("name", "group", "version", "seen")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the table somebody wants to see."""

    search: str = ""
    """A part of a device's name."""
    model: str = ""
    version: str = ""
    group: str | None = None
    """None for all; "" is that of the devices in none."""
    trouble: Trouble | None = None
    sort: str = "name"
    is_down: bool = False
    page: int = 1

    def query(self, **changed: object) -> dict[str, object]:
        """Return the part of an address that asks for this, with something `changed`."""
        asked = replace(self, **changed)  # type: ignore[arg-type]
        return {
            "q": asked.search, "model": asked.model, "version": asked.version, "group": asked.group,
            "state": asked.trouble, "sort": asked.sort if asked.sort != "name" else "",
            "down": "1" if asked.is_down else "", "page": asked.page if asked.page > 1 else "",
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device."""

    name: str
    group: str
    versions: tuple[tuple[str, str], ...]
    """Each model with the version that runs."""
    seen: datetime | None
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True)
class DeviceTable:
    """One page of it."""

    asked: Asked
    rows: tuple[DeviceRow, ...]
    found: int
    """How many devices there are on all pages."""
    groups: tuple[str, ...]
    models: tuple[str, ...]
    versions: tuple[str, ...]
    """Of the model that was asked for."""

    @property
    def pages(self) -> int:
        """How many there are."""
        return max(1, -(-self.found // PAGE))


def view(connection: Connection, asked: Asked, ids: Mapping[Trouble, frozenset[int]], now: datetime) -> DeviceTable:
    """Return the page that was `asked` for; `ids` says which devices have which trouble."""
    models = tuple(connection.scalars(select(states.c.model).distinct().order_by(states.c.model)))
    model = asked.model or (models[0] if len(models) == 1 else "")
    query = select(states.c.version).distinct().where(states.c.model == model)
    versions = tuple(newest_first(connection.scalars(query))) if model else ()
    rule = _rule(asked, model, ids, now)
    found = connection.scalar(_joined(select(func.count()), model).where(rule)) or 0
    asked = replace(asked, page=min(max(asked.page, 1), max(1, -(-found // PAGE))))
    listed = _joined(
        select(devices.c.id, devices.c.name, devices.c.group_name, devices.c.seen, devices.c.blocked), model
    )
    listed = listed.where(rule).order_by(*_order(asked, versions)).limit(PAGE).offset((asked.page - 1) * PAGE)
    rows = connection.execute(listed).all()
    running: dict[int, list[tuple[str, str]]] = {}
    chosen = select(states.c.device_id, states.c.model, states.c.version).where(
        states.c.device_id.in_([row.id for row in rows])
    )
    for device_id, name, version in connection.execute(chosen.order_by(states.c.model)):
        running.setdefault(device_id, []).append((name, version))
    groups = tuple(connection.scalars(select(devices.c.group_name).distinct().order_by(devices.c.group_name)))
    lines = tuple(
        DeviceRow(row.name, row.group_name, tuple(running.get(row.id, ())), row.seen, _troubles(row, ids, now))
        for row in rows
    )
    return DeviceTable(asked, lines, found, groups, models, versions)


def _troubles(row: Any, ids: Mapping[Trouble, frozenset[int]], now: datetime) -> tuple[Trouble, ...]:
    found = [trouble for trouble in Trouble if row.id in ids.get(trouble, ())]
    if row.blocked and Trouble.BLOCKED not in found:
        found.insert(0, Trouble.BLOCKED)
    if (row.seen is None or now - row.seen > SILENCE) and Trouble.SILENT not in found:
        found.append(Trouble.SILENT)
    return tuple(found)


def _joined(query: Select[Any], model: str) -> Select[Any]:
    """Return a query over devices, each beside its state with `model`."""
    beside = and_(states.c.device_id == devices.c.id, states.c.model == model)
    return query.select_from(devices.outerjoin(states, beside))


def _rule(asked: Asked, model: str, ids: Mapping[Trouble, frozenset[int]], now: datetime) -> ColumnElement[bool]:
    rules: list[ColumnElement[bool]] = [devices.c.id > 0]
    if asked.search:
        rules.append(devices.c.name.contains(asked.search.lower(), autoescape=True))
    if asked.group is not None:
        rules.append(devices.c.group_name == asked.group)
    if asked.model:
        rules.append(states.c.model == model)
    if asked.version:
        rules.append(states.c.version == asked.version)
    if asked.trouble is Trouble.BLOCKED:
        rules.append(devices.c.blocked != "")
    elif asked.trouble is Trouble.SILENT:
        rules.append(or_(devices.c.seen.is_(None), devices.c.seen < now - SILENCE))
    elif asked.trouble is not None:
        rules.append(_among(ids.get(asked.trouble, frozenset())))
    return and_(*rules)


def _among(ids: frozenset[int]) -> ColumnElement[bool]:
    """Say that a device is one of many: written out, since databases bind only so many values."""
    return devices.c.id.in_(bindparam("ids", sorted(ids), expanding=True, literal_execute=True))


def _order(asked: Asked, versions: tuple[str, ...]) -> tuple[ColumnElement[Any], ...]:
    """Return what the rows are sorted by; in the end by name, so that pages do not overlap."""
    columns: dict[str, ColumnElement[Any]] = {"name": devices.c.name, "group": devices.c.group_name}
    if versions:
        places = {version: place for place, version in enumerate(reversed(versions))}
        columns["version"] = case(places, value=states.c.version, else_=-1)
    columns["seen"] = func.coalesce(devices.c.seen, 0)
    first = columns.get(asked.sort, devices.c.name)
    return (first.desc() if asked.is_down else first.asc(), devices.c.name.asc())

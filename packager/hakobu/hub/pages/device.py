"""One device: what it has, what became of that, what it counted, and what is odd about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from hakobu.hub import devices as known_devices
from hakobu.hub.alarms import Alarm, every
from hakobu.hub.devices import Device
from hakobu.hub.pages.standings import Channels, DeviceStanding, Trouble, of_device, standings
from hakobu.hub.tables import bundles, devices, parcels, states, windows
from hakobu_runtime.format.codec import decode
from hakobu_runtime.format.parcel import ModelState

_WINDOWS = 40
"""The newest windows that are listed."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One window of one bundle."""

    model: str
    version: str
    start: str
    rows: int
    revision: int


@dataclass(frozen=True, slots=True)
class ModelOnDevice:
    """One model on the device: how it stands, and all that the device said of it."""

    standing: DeviceStanding
    state: ModelState
    rows: int
    """That all its versions scored here."""


@dataclass(frozen=True, slots=True)
class DeviceView:
    """The page."""

    device: Device
    troubles: tuple[Trouble, ...]
    models: tuple[ModelOnDevice, ...]
    counted: tuple[Counted, ...]
    """The newest windows first."""
    windows: int
    """How many there are."""
    rows: int
    parcels: int
    odd: tuple[Alarm, ...]
    """Alarms about this device, open ones first."""
    groups: tuple[str, ...]
    """That other devices are in, to choose from."""


def view(connection: Connection, name: str, channels: Channels, now: datetime) -> DeviceView | None:
    """Return the page of the device `name`; None when it is not enrolled."""
    device = known_devices.find(connection, name)
    if device is None:
        return None
    own = windows.c.device_id == device.id
    sums = select(bundles.c.model, func.sum(windows.c.rows)).join_from(windows, bundles).where(own)
    rows = {model: int(many) for model, many in connection.execute(sums.group_by(bundles.c.model))}
    found = _models(connection, device, channels, now, rows)
    troubles = {trouble for one in found for trouble in one.standing.troubles}
    troubles |= of_device(device.blocked, device.seen, now)
    about = [alarm for alarm in every(connection) if alarm.matter.device == name]
    return DeviceView(
        device=device,
        troubles=tuple(trouble for trouble in Trouble if trouble in troubles),
        models=found,
        counted=_counted(connection, device),
        windows=connection.scalar(select(func.count()).select_from(windows).where(own)) or 0,
        rows=sum(rows.values()),
        parcels=connection.scalar(select(func.count()).where(parcels.c.device_id == device.id)) or 0,
        odd=tuple(sorted(about, key=lambda alarm: alarm.closed is not None)),
        groups=tuple(connection.scalars(_GROUPS)),
    )


_GROUPS = select(devices.c.group_name).distinct().where(devices.c.group_name != "").order_by(devices.c.group_name)


def _models(
    connection: Connection, device: Device, channels: Channels, now: datetime, rows: Mapping[str, int]
) -> tuple[ModelOnDevice, ...]:
    query = select(states.c.model, states.c.content).where(states.c.device_id == device.id)
    content = {row.model: row.content for row in connection.execute(query)}
    found = sorted(standings(connection, channels, now, device.name), key=lambda one: one.model)
    where = f"the state of {device.name}"
    return tuple(
        ModelOnDevice(one, decode(content[one.model], ModelState, where), rows.get(one.model, 0)) for one in found
    )


def _counted(connection: Connection, device: Device) -> tuple[Counted, ...]:
    query = (
        select(bundles.c.model, bundles.c.version, windows.c.start, windows.c.rows, windows.c.revision)
        .join_from(windows, bundles)
        .where(windows.c.device_id == device.id)
        .order_by(windows.c.start.desc(), bundles.c.model, bundles.c.version)
        .limit(_WINDOWS)
    )
    return tuple(Counted(*row) for row in connection.execute(query))

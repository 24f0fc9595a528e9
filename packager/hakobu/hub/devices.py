"""The devices whose counts are taken: each is known by its name and its public key, never by its address."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from hakobu.hub import horizon, outcomes, totals, windows
from hakobu.hub.bundles import known
from hakobu.hub.names import as_name
from hakobu.hub.tables import devices
from hakobu_runtime.errors import FormatError, StateError, TrustError, UsageError
from hakobu_runtime.format.parcel import DEVICE, plain_words
from hakobu_runtime.trust import PublicKey


@dataclass(frozen=True, slots=True)
class Device:
    """A device that is enrolled."""

    id: int
    name: str
    key_pem: str
    group: str
    """That the operator put it in; "" for none."""
    enrolled: datetime
    seen: datetime | None
    """When its newest parcel came; None when none did."""
    blocked: str
    """Why nothing is taken from it; "" when it is not blocked."""
    serial: int
    """Of its newest parcel; 0 when none came."""
    runtime: str
    platform: str


def find(connection: Connection, name: str) -> Device | None:
    """Return the device `name`, which may be any text; None when there is none."""
    return _find(connection, name, select(devices))


def every(connection: Connection) -> tuple[Device, ...]:
    """Return all devices, by name."""
    return tuple(of_row(row) for row in connection.execute(select(devices).order_by(devices.c.name)))


def enrol(connection: Connection, name: str, key_pem: str, group: str, now: datetime) -> Device:
    """Make the device `name` known by its key, and return it; one that is known by that key stays as it is.

    Raises FormatError when that cannot be its name, and TrustError when the key cannot be used, the device is known by
    another key, or is blocked.
    """
    if not DEVICE.fullmatch(name):
        raise FormatError(f"{name[:80]!r} is no name of a device: 8 to 64 of a-z, 0-9 and inner hyphens")
    key = PublicKey.from_pem(key_pem.encode("utf-8", "replace"), f"the key of the device {name}")
    row = {"name": name, "key": key.pem.decode(), "group_name": as_name(group, "a group"), "enrolled": now}
    if find(connection, name) is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(devices).values(**row))
        except IntegrityError:
            pass  # somebody else was quicker: with the same key, as can be seen now, or with another one
    return recognise(needed(connection, name), key)


def recognise(device: Device, key: PublicKey) -> Device:
    """Return `device`, whose key is `key`; raise TrustError when it has another one, or is blocked."""
    if device.key_pem.encode() != key.pem:
        known = PublicKey.from_pem(device.key_pem.encode(), f"the key of the device {device.name}")
        raise TrustError(
            f"device {device.name}: is known here by the key {known.identity[:16]}…, and this is signed with "
            f"{key.identity[:16]}…: it is forged, or the device lost its key; if the operator knows that it did: "
            f"hakobu hub forget {device.name}, and a new invitation"
        )
    if device.blocked:
        raise TrustError(f"device {device.name}: is blocked here: {device.blocked}; ask the operator of the hub")
    return device


def needed(connection: Connection, name: str) -> Device:
    """Return the device `name`, which nobody else changes until this transaction ends; raise StateError without one."""
    found = _find(connection, name, select(devices).with_for_update())
    if found is None:
        raise StateError(f"no device {name[:80]!r} is enrolled here; hakobu hub devices lists those that are")
    return found


def block(connection: Connection, name: str, why: str) -> Device:
    """Take nothing more from the device `name`, and tell it `why`; its counts stay."""
    words = plain_words(why)
    if not words:
        raise UsageError(f"say why {name[:80]} is blocked: it is what the device will be told")
    return _change(connection, name, blocked=words)


def unblock(connection: Connection, name: str) -> Device:
    """Take counts from the device `name` again."""
    return _change(connection, name, blocked="")


def set_group(connection: Connection, name: str, group: str) -> Device:
    """Put the device `name` in another group, "" for none, with all that it ever counted."""
    horizon.hold(connection)
    device, into = needed(connection, name), as_name(group, "a group")
    if into != device.group:
        _lock_totals(connection)
        windows.move_device(connection, device.id, device.group, into)
        outcomes.move_device(connection, device.id, device.group, into)
    return _change(connection, name, group_name=into)


def forget(connection: Connection, name: str) -> Device:
    """Take out the device `name` with all that it counted, and return what it was; it can be enrolled anew."""
    horizon.hold(connection)
    device = needed(connection, name)
    _lock_totals(connection)
    windows.remove_device(connection, device.id)
    outcomes.remove_device(connection, device.id, device.group)
    connection.execute(delete(devices).where(devices.c.id == device.id))
    return device


def _lock_totals(connection: Connection) -> None:
    """Keep others from the totals of windows and of outcomes, of both at once: two who took turns would meet."""
    totals.lock(connection, {bundle.id for bundle in known(connection).values()})


def _change(connection: Connection, name: str, **values: str) -> Device:
    device = needed(connection, name)
    connection.execute(update(devices).where(devices.c.id == device.id).values(**values))
    return needed(connection, name)


def _find(connection: Connection, name: str, query: Select[Any]) -> Device | None:
    if not DEVICE.fullmatch(name):
        return None  # nor need a database ever see such a text
    row = connection.execute(query.where(devices.c.name == name)).one_or_none()
    return None if row is None else of_row(row)


def of_row(row: Row[Any]) -> Device:
    """Return the device in a row of the table."""
    return Device(
        row.id, row.name, row.key, row.group_name, row.enrolled, row.seen, row.blocked, row.serial, row.runtime,
        row.platform,
    )  # fmt: skip

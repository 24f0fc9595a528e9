"""How the devices stand with each model: what each runs, what it should run, and what keeps it from that."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from hakobu.hub.tables import devices, states
from hakobu_runtime.format.channel import Channel
from hakobu_runtime.format.manifest import precedence

SILENCE = timedelta(days=14)
"""After which a device that was not heard of is shown as silent."""

Channels = Mapping[tuple[str, str], Channel]
"""By model and name."""


class Trouble(StrEnum):
    """What calls for a look at a device."""

    BLOCKED = "blocked"
    SILENT = "silent"
    """Nothing came from it for long."""
    BARRED = "barred"
    """What it runs must not be used any more."""
    ROLLED_BACK = "rolled back"
    """It went back from a newer version by itself."""
    HELD_BACK = "held back"
    """It does not take a version, since that failed there."""
    CUT_OFF = "cut off"
    """It does not reach the depot."""
    BEHIND = "behind"
    """Its channel has another version for it."""


class _Held(msgspec.Struct):
    version: str
    reason: str = ""


class _Happened(msgspec.Struct):
    kind: str
    version: str


class _State(msgspec.Struct):
    """As much of a ModelState as is asked of all devices at once."""

    held_back: list[_Held] = []
    events: list[_Happened] = []
    barred: str = ""
    offered: str = ""
    trouble: str = ""


_READ = msgspec.json.Decoder(_State)


@dataclass(frozen=True, slots=True)
class Held:
    """A version that a device does not take, and why."""

    version: str
    reason: str
    is_rolled_back: bool


@dataclass(frozen=True, slots=True)
class DeviceStanding:
    """One model on one device."""

    device_id: int
    device: str
    group: str
    model: str
    version: str
    """That it runs; "" for none."""
    wanted: str
    """The version that its channel has for it; "" when nobody knows."""
    held: tuple[Held, ...]
    barred: str
    trouble: str
    """Why it does not reach the depot; "" when it does."""
    troubles: frozenset[Trouble]


def standings(
    connection: Connection, channels: Channels, now: datetime, device: str | None = None
) -> Iterator[DeviceStanding]:
    """Yield how all devices stand with all models, or one of them; `channels` are those of the depot, if it is here."""
    query = select(
        devices.c.id, devices.c.name, devices.c.group_name, devices.c.blocked, devices.c.seen, states.c.model,
        states.c.channel, states.c.version, states.c.digest, states.c.content,
    ).join_from(states, devices)  # fmt: skip
    if device is not None:
        query = query.where(devices.c.name == device)
    for row in connection.execute(query):
        yield _standing(row, channels, now)


def of_device(blocked: str, seen: datetime | None, now: datetime) -> frozenset[Trouble]:
    """Return the troubles of a device whatever models it has."""
    found = {Trouble.BLOCKED} if blocked else set()
    if seen is None or now - seen > SILENCE:
        found.add(Trouble.SILENT)
    return frozenset(found)


def _standing(row: Any, channels: Channels, now: datetime) -> DeviceStanding:
    state = _READ.decode(row.content)
    went_back = {event.version for event in state.events if event.kind == "rolled back"}
    held = tuple(Held(one.version, one.reason, one.version in went_back) for one in state.held_back)
    wanted, is_behind = _wanted(row, state, channels)
    found = set(of_device(row.blocked, row.seen, now))
    if state.barred:
        found.add(Trouble.BARRED)
    # What it held back long ago, of a version older than the one it runs, calls for nobody.
    for one in held:
        if not row.version or precedence(one.version) > precedence(row.version):
            found.add(Trouble.ROLLED_BACK if one.is_rolled_back else Trouble.HELD_BACK)
    if state.trouble:
        found.add(Trouble.CUT_OFF)
    if is_behind:
        found.add(Trouble.BEHIND)
    return DeviceStanding(
        row.id, row.name, row.group_name, row.model, row.version, wanted, held, state.barred, state.trouble,
        frozenset(found),
    )  # fmt: skip


def _wanted(row: Any, state: _State, channels: Channels) -> tuple[str, bool]:
    """Return the version that a device should run, and whether it runs another one."""
    channel = channels.get((row.model, row.channel))
    if channel is None:
        return state.offered, bool(state.offered) and state.offered != row.version
    offered = channel.offered(row.name)
    return ("", False) if offered is None else (offered.version, offered.digest != row.digest)

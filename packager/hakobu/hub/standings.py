"""What each device runs, by its newest parcel, and since when."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, select, update

from hakobu.hub.bulk import put
from hakobu.hub.tables import changes, devices, states
from hakobu_runtime.format.parcel import ModelState, Parcel

_LEFT = ("rolled back", "revoked")
"""What a device calls leaving a bundle for the former one."""
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
"""What clocks without a battery begin with; of times before it, some are in no zone but their own."""


def note(connection: Connection, taken: Sequence[tuple[Row[Any], Parcel]], now: datetime) -> None:
    """Note what these devices say of themselves; what is older than what is known says only that they were seen."""
    newest: dict[int, Parcel] = {}
    known = {device.id: device.serial for device, _ in taken}
    for device, parcel in taken:
        if parcel.serial >= max(known[device.id], newest[device.id].serial if device.id in newest else 0):
            newest[device.id] = parcel
    if known:
        seen = update(devices).where(devices.c.id.in_(sorted(known)))
        connection.execute(seen.values(seen=now))
    fresh = {device: parcel for device, parcel in newest.items() if parcel.serial > known[device]}
    if not fresh:
        return
    connection.execute(
        update(devices).where(devices.c.id == bindparam("device")),
        [
            {
                "device": device,
                "serial": parcel.serial,
                "made": parcel.made,
                "runtime": parcel.runtime,
                "platform": parcel.platform,
            }
            for device, parcel in fresh.items()
        ],
    )
    _note_models(connection, fresh, now)


def _note_models(connection: Connection, fresh: dict[int, Parcel], now: datetime) -> None:
    query = select(states.c.device_id, states.c.model, states.c.digest).where(states.c.device_id.in_(sorted(fresh)))
    former = {(row.device_id, row.model): row.digest for row in connection.execute(query)}
    rows, turned = [], []
    for device, parcel in fresh.items():
        for model in parcel.models:
            rows.append(_stored(device, model))
            digest = model.active.digest if model.active else ""
            if former.pop((device, model.name), None) != digest:
                turned.append(_change(device, parcel, model, now))
    for device, name in former:  # models that the device has no more
        connection.execute(delete(states).where(states.c.device_id == device, states.c.model == name))
    put(connection, states, rows)
    put(connection, changes, turned)


def _stored(device: int, model: ModelState) -> dict[str, object]:
    active = model.active
    return {
        "device_id": device,
        "model": model.name,
        "channel": model.channel,
        "version": active.version if active else "",
        "digest": active.digest if active else "",
        "content": msgspec.json.encode(model),
    }


def _change(device: int, parcel: Parcel, model: ModelState, now: datetime) -> dict[str, object]:
    """Return since when the device runs what it runs now: by its clock, between 1970 and our now."""
    active = model.active
    # What it went back to was installed long ago: when it did is told by the events of the bundle that it left.
    left = [
        event.time for event in model.events if event.kind in _LEFT and not (active and event.digest == active.digest)
    ]
    times = [*left, active.installed] if active else [parcel.made]
    return {
        "device_id": device,
        "model": model.name,
        "since": min(max(_FIRST, *map(datetime.fromisoformat, times)), now),
        "version": active.version if active else "",
        "digest": active.digest if active else "",
    }

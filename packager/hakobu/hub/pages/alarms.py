"""The alarms: those that are open, those that nobody wants to hear of for a while, and those that are over."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from hakobu.hub.alarms import Alarm, every

_CLOSED = 50
"""How many of those that are over are listed."""


@dataclass(frozen=True, slots=True)
class AlarmsView:
    """The page."""

    open: tuple[Alarm, ...]
    snoozed: tuple[Alarm, ...]
    closed: tuple[Alarm, ...]
    """The last ones."""
    models: tuple[str, ...]
    model: str
    """The one that was asked for; "" for all."""


def view(connection: Connection, model: str, now: datetime) -> AlarmsView:
    """Return the alarms of `model`, "" for those of all."""
    known = every(connection)
    found = [alarm for alarm in known if not model or alarm.matter.model == model]
    current = [alarm for alarm in found if alarm.closed is None]
    return AlarmsView(
        open=tuple(alarm for alarm in current if not alarm.is_snoozed(now)),
        snoozed=tuple(alarm for alarm in current if alarm.is_snoozed(now)),
        closed=tuple(alarm for alarm in found if alarm.closed is not None)[:_CLOSED],
        models=tuple(sorted({alarm.matter.model for alarm in known})),
        model=model,
    )

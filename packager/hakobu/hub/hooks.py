"""Hooks: who is told of a new alarm, over HTTP or by a program, once for each, tried again until it worked.

What was told to whom is written down: a hub that is killed between opening an alarm and telling it tells it when it
runs again. One that is killed while it tells may tell once more, so each message has the number of its alarm.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, insert, select, update

from hakobu.hub.alarms import Alarm, alone, find, open_alarms
from hakobu.hub.database import Database
from hakobu.hub.hook_program import Program
from hakobu.hub.hook_web import Webhook
from hakobu.hub.tables import alarms, tellings
from hakobu_runtime.errors import TransferError

SCHEMA = "hakobu.alarm/1"
SECRET = "HAKOBU_HUB_HOOK_SECRET"  # noqa: S105 - the name of the variable
_FIRST = timedelta(minutes=2)
"""After which a hook that failed is tried again: longer than a try takes, so that no two are under way."""
_LONGEST = timedelta(hours=6)
_LONGEST_WORDS = 600


@dataclass(frozen=True, slots=True)
class Hooks:
    """Who is told of new alarms; raises UsageError where an address is none."""

    webhooks: tuple[str, ...] = ()
    """Addresses to which each is posted as JSON."""
    command: tuple[str, ...] = ()
    """A program with its arguments, which reads each as JSON."""
    secret: bytes = field(default=b"", repr=False)
    """What posted messages are signed with; b"" for no signature."""

    def __post_init__(self) -> None:
        self.every()

    def every(self) -> tuple[Webhook | Program, ...]:
        """Return them, each once."""
        posts = (Webhook(address, self.secret) for address in dict.fromkeys(self.webhooks))
        return (*posts, *((Program(self.command),) if self.command else ()))


@dataclass(frozen=True, slots=True)
class Telling:
    """One try to tell one hook of one alarm."""

    alarm: Alarm
    hook: str
    """The hook as it may be shown."""
    worked: bool
    words: str
    """What it said, or what went wrong."""


def tell(database: Database, hooks: Hooks, now: datetime) -> tuple[Telling, ...]:
    """Tell each hook of the open alarms that it has not heard of and that are not snoozed; return what was tried.

    A hook that fails hears of nothing more in this round; it is tried again later, ever more seldom, while the alarm is
    open. The others do not wait for it longer than one try takes. Two that tell at once tell each alarm once.
    """
    found, every = [], hooks.every()
    for hook in every:
        with database.read() as connection:
            due = _due(connection, hook.identity, now)
        for number in due:
            with alone(database) as connection:
                alarm = _claim(connection, number, hook.identity, now)
            if alarm is None:
                continue  # somebody else tells it, or it is over
            try:
                telling = Telling(alarm, hook.shown, True, hook.tell(message(alarm)))
            except TransferError as error:
                telling = Telling(alarm, hook.shown, False, str(error))
            found.append(telling)
            with alone(database) as connection:
                _note(connection, telling, hook.identity, {one.identity for one in every}, now)
            if not telling.worked:
                break
    return tuple(found)


def message(alarm: Alarm) -> bytes:
    """Return what a hook is told: the alarm, and `text`, as Slack and those like it show it."""
    text = alarm.sentence().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return msgspec.json.encode({"schema": SCHEMA, "text": text, **alarm.plain()})


def _due(connection: Connection, hook: str, now: datetime) -> list[int]:
    """Return the numbers of the alarms that a hook is to hear of now, the oldest first."""
    known = {row.alarm_id: row for row in connection.execute(select(tellings).where(tellings.c.hook == hook))}
    waiting = (alarm for alarm in reversed(open_alarms(connection)) if _is_due(alarm, known.get(alarm.id), now))
    return [alarm.id for alarm in waiting]


def _is_due(alarm: Alarm, row: Row[Any] | None, now: datetime) -> bool:
    """Say whether a hook is to hear of an alarm now, where `row` is what is known of that."""
    if alarm.closed is not None or alarm.told is not None or alarm.is_snoozed(now):
        return False
    return row is None or (row.told is None and row.due <= now)


def _claim(connection: Connection, number: int, hook: str, now: datetime) -> Alarm | None:
    """Take it on to tell a hook of an alarm, so that nobody else does; return None when that is not to be done now."""
    mine = and_(tellings.c.alarm_id == number, tellings.c.hook == hook)
    row = connection.execute(select(tellings).where(mine)).one_or_none()
    alarm = find(connection, number)
    if alarm is None or not _is_due(alarm, row, now):
        return None
    tries = 0 if row is None else row.tries
    due = now + min(_FIRST * 2 ** min(tries, 20), _LONGEST)
    if row is None:
        connection.execute(insert(tellings).values(alarm_id=number, hook=hook, tries=1, due=due))
    else:
        connection.execute(update(tellings).where(mine).values(tries=tries + 1, due=due))
    return alarm


def _note(connection: Connection, telling: Telling, hook: str, every: Collection[str], now: datetime) -> None:
    """Write down what came of a try, and that the alarm was told when all the hooks there are have heard of it."""
    mine = and_(tellings.c.alarm_id == telling.alarm.id, tellings.c.hook == hook)
    told = now if telling.worked else None
    connection.execute(update(tellings).where(mine).values(told=told, words=telling.words[:_LONGEST_WORDS]))
    heard = select(tellings.c.hook).where(tellings.c.alarm_id == telling.alarm.id, tellings.c.told.is_not(None))
    if set(every) <= set(connection.scalars(heard)):
        connection.execute(update(alarms).where(alarms.c.id == telling.alarm.id).values(told=now))

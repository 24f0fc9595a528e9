"""`hakobu hub alarms`, `snooze`, `close`, `evaluate`: what calls for somebody, and who is told."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click

from hakobu.cli.at_depot import as_json, now
from hakobu.cli.at_hooks import with_hooks
from hakobu.cli.at_hub import Hub, at_hub
from hakobu.hub import alarms as known
from hakobu.hub.alarms import Alarm
from hakobu.hub.hooks import Hooks, tell
from hakobu.hub.sightings import Kind
from hakobu_runtime.console.shell import show_json, warn
from hakobu_runtime.console.table import table
from hakobu_runtime.errors import FINDING, UsageError

_ID = click.argument("number", type=click.IntRange(1, 2**31), metavar="ID")
_MODEL = click.option("--model", metavar="NAME", help="Of this model alone.")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@click.command()
@_MODEL
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice([kind.value for kind in Kind]), help="Of these alone."
)
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@at_hub
@as_json
def alarms(model: str | None, kinds: tuple[str, ...], hub: Hub, *, everything: bool, as_json: bool) -> int:
    """List the alarms that are open, the newest first. Exit code 3: one is, and is not snoozed."""
    moment = now()
    with hub.database().read() as connection:
        there = (known.every if everything else known.open_alarms)(connection, model)
    found = [alarm for alarm in there if not kinds or alarm.matter.kind in kinds]
    if as_json:
        show_json("hakobu.hub-alarms/1", alarms=[alarm.plain() for alarm in found])
    else:
        none = "there was no alarm yet" if everything else "no alarm is open"
        click.echo(_table(found, moment) if found else none)
    return _code(found, moment)


@click.command()
@_ID
@click.argument("until", metavar="7d|DAY")
@at_hub
@as_json
def snooze(number: int, until: str, hub: Hub, *, as_json: bool) -> None:
    """Let nobody hear of the alarm ID, nor of a new one of its kind, for 12h, 7d or 2w, or before a day (UTC)."""
    end = _until(until, now())
    with hub.database().begin() as connection:
        alarm = known.snooze(connection, number, end)
    _show(alarm, f"snoozed until {end:%Y-%m-%d %H:%M} UTC", as_json=as_json)


@click.command()
@_ID
@at_hub
@as_json
def close(number: int, hub: Hub, *, as_json: bool) -> None:
    """Take the alarm ID as dealt with; what is still so in a later period opens a new one."""
    with hub.database().begin() as connection:
        alarm = known.close(connection, number, now())
    _show(alarm, "closed", as_json=as_json)


@click.command()
@_MODEL
@with_hooks
@at_hub
@as_json
def evaluate(model: str | None, hooks: Hooks, hub: Hub, *, as_json: bool) -> int:
    """Judge what came home, open and close alarms by it, and tell of new ones: once, as hakobu hub serve does always.

    For a schedule. Exit code 3: an alarm is open, and is not snoozed.
    """
    moment, database = now(), hub.database()
    new = known.evaluate(database, moment)
    told = tell(database, hooks, moment)
    with database.read() as connection:
        found = known.open_alarms(connection, model)
    if as_json:
        tries = [{"alarm": one.alarm.id, "hook": one.hook, "worked": one.worked, "words": one.words} for one in told]
        show_json(
            "hakobu.hub-evaluate/1",
            new=[alarm.id for alarm in new],
            told=tries,
            alarms=[alarm.plain() for alarm in found],
        )
        return _code(found, moment)
    click.echo(f"alarms: {len(new)} new, {len(found)} open")
    for alarm in reversed(found):
        click.echo(f"{'new ' if alarm.id in {one.id for one in new} else ''}{alarm.id}: {alarm.sentence()}")
    for one in told:
        if one.worked:
            click.echo(f"told:   {one.hook} of {one.alarm.id}{f': {one.words}' if one.words else ''}")
        else:
            warn(f"not told yet: {one.words}; it is tried again")
    return _code(found, moment)


def _code(found: Sequence[Alarm], moment: datetime) -> int:
    """Return the exit code: whether somebody is to do something."""
    return FINDING if any(alarm.closed is None and not alarm.is_snoozed(moment) for alarm in found) else 0


def _table(found: Sequence[Alarm], moment: datetime) -> str:
    header = ("id", "model", "about", "where", "seen in", "open since", "state")
    rows = [
        (
            str(alarm.id),
            f"{alarm.matter.model} {alarm.matter.version}",
            alarm.matter.subject,
            alarm.place,
            alarm.period,
            f"{alarm.opened:%Y-%m-%d}",
            _state(alarm, moment),
        )
        for alarm in found
    ]
    return "\n".join([table(header, rows), "", *(f"{alarm.id}: {alarm.words}" for alarm in found)])


def _state(alarm: Alarm, moment: datetime) -> str:
    if alarm.closed is not None:
        return f"over since {alarm.closed:%Y-%m-%d}"
    return f"snoozed until {alarm.snoozed:%Y-%m-%d}" if alarm.snoozed and alarm.is_snoozed(moment) else "open"


def _show(alarm: Alarm, what: str, *, as_json: bool) -> None:
    if as_json:
        show_json("hakobu.hub-alarm/1", alarm=alarm.plain())
    else:
        click.echo(f"{what}: {alarm.id}: {alarm.sentence()}")


def _until(text: str, moment: datetime) -> datetime:
    """Return the end of a time like 7d from now on, or the beginning of a day."""
    try:
        if found := re.fullmatch(r"([1-9][0-9]{0,3})([hdw])", text):
            return moment + int(found[1]) * _UNITS[found[2]]
        end = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        end = moment
    if end <= moment:
        raise UsageError(f"{text!r} is no time to come: write 12h, 7d or 2w, or a day like 2027-01-31")
    return end

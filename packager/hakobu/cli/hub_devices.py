"""`hakobu hub invite`, `devices`, `block`, `unblock`, `forget`, `group`: which devices the hub takes counts from."""

import sys
from datetime import timedelta
from pathlib import Path

import click

from hakobu.cli.at_depot import PATH, as_json, now
from hakobu.cli.at_hub import Hub, at_hub
from hakobu.hub import devices as known
from hakobu.hub import invites
from hakobu.hub.roster import enrol_listed, read_roster
from hakobu_runtime.console.shell import show_json
from hakobu_runtime.console.table import table
from hakobu_runtime.errors import UsageError

_NAME = click.argument("name", metavar="DEVICE")


@click.command()
@click.option("--group", default="", metavar="NAME", help="The group that the devices are put in (none).")
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="How long they hold.")
@click.option("--many", type=click.IntRange(1, 100_000), default=1, show_default=True, help="For how many devices.")
@at_hub
@as_json
def invite(group: str, days: int, many: int, hub: Hub, *, as_json: bool) -> None:
    """Print invitations: each lets one device enrol, once. They are shown now, and never again."""
    moment = now()
    with hub.begun().begin() as connection:
        tokens = [invites.make(connection, moment, days, group) for _ in range(many)]
    if as_json:
        show_json("hakobu.hub-invite/1", tokens=tokens, group=group, days=days)
        return
    for token in tokens:
        click.echo(token)
    until = moment + timedelta(days=days)
    click.echo(f"until {until:%Y-%m-%d %H:%M} UTC, on one device each: hakobu-run enrol CODE", err=True)


@click.command()
@click.option("--group", metavar="NAME", help="Those of this group alone; '' for those of none.")
@click.option(
    "--import",
    "roster",
    type=PATH,
    metavar="FILE",
    help="First enrol those in FILE, as --json printed them, by their keys.",
)
@at_hub
@as_json
def devices(group: str | None, roster: Path | None, hub: Hub, *, as_json: bool) -> None:
    """List the devices that are enrolled; with --json their public keys too, by which another hub can know them."""
    if roster is not None:
        _enrol(roster, hub)
    with hub.database().read() as connection:
        found = [device for device in known.every(connection) if group in (None, device.group)]
    if as_json:
        show_json("hakobu.hub-devices/1", devices=found)
    elif not found:
        click.echo("no device is enrolled; 'hakobu hub invite' lets one in")
    else:
        header = ("device", "group", "last seen (UTC)", "runtime", "platform", "blocked")
        rows = [
            (
                one.name,
                one.group,
                f"{one.seen:%Y-%m-%d %H:%M}" if one.seen else "never",
                one.runtime,
                one.platform,
                one.blocked,
            )
            for one in found
        ]
        click.echo(table(header, rows))


@click.command()
@_NAME
@click.option("--reason", required=True, metavar="WORDS", help="Why: the device shows it.")
@at_hub
@as_json
def block(name: str, reason: str, hub: Hub, *, as_json: bool) -> None:
    """Take nothing more from DEVICE; what it counted so far stays."""
    with hub.database().begin() as connection:
        device = known.block(connection, name, reason)
    _show(device, "blocked", as_json=as_json)


@click.command()
@_NAME
@at_hub
@as_json
def unblock(name: str, hub: Hub, *, as_json: bool) -> None:
    """Take counts from DEVICE again."""
    with hub.database().begin() as connection:
        device = known.unblock(connection, name)
    _show(device, "unblocked", as_json=as_json)


@click.command()
@_NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@at_hub
@as_json
def forget(name: str, hub: Hub, *, yes: bool, as_json: bool) -> None:
    """Take DEVICE out, with all that it ever counted; it needs a new invitation to come back."""
    database = hub.database()
    if not yes:
        _ask(f"take {name} out, with all that it ever counted?")
    with database.begin() as connection:
        device = known.forget(connection, name)
    _show(device, "forgotten", as_json=as_json)


@click.command()
@_NAME
@click.argument("group", metavar="NAME")
@at_hub
@as_json
def group(name: str, group: str, hub: Hub, *, as_json: bool) -> None:
    """Put DEVICE, with all that it ever counted, in the group NAME; '' for none."""
    with hub.database().begin() as connection:
        device = known.set_group(connection, name, group)
    _show(device, f"in the group {device.group!r}" if device.group else "in no group", as_json=as_json)


def _enrol(roster: Path, hub: Hub) -> None:
    """Make the devices in a file known."""
    listed = read_roster(roster)
    with hub.begun().begin() as connection:
        enrol_listed(connection, listed, now())


def _ask(question: str) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("nobody is here to be asked: add --yes")
    click.confirm(question, abort=True, err=True)


def _show(device: known.Device, words: str, *, as_json: bool) -> None:
    if as_json:
        show_json("hakobu.hub-device/1", device=device)
    else:
        click.echo(f"{device.name}: {words}")

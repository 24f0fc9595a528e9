"""`hakobu hub user`: who may log in to the hub's pages."""

import os
import sys

import click

from hakobu.cli.at_depot import as_json, now
from hakobu.cli.at_hub import Hub, at_hub
from hakobu.hub import accounts
from hakobu_runtime.console.shell import show_json
from hakobu_runtime.console.table import table
from hakobu_runtime.errors import UsageError

_PASSWORD = "HAKOBU_HUB_PASSWORD"  # noqa: S105 - where it is found


@click.group()
def user() -> None:
    """The people who may log in: operators change things, everybody else looks."""


@user.command()
@click.argument("name")
@click.option("--operator", is_flag=True, help="They may change things: snooze alarms, block devices.")
@at_hub
@as_json
def add(name: str, hub: Hub, *, operator: bool, as_json: bool) -> None:
    """Let NAME log in; the password is asked for twice, or read from HAKOBU_HUB_PASSWORD."""
    database, password = hub.begun(), _password(name)
    with database.begin() as connection:
        made = accounts.add(connection, name, password, operator, now())
    _show(made, "may log in", as_json=as_json)


@user.command("list")
@at_hub
@as_json
def list_(hub: Hub, *, as_json: bool) -> None:
    """List the accounts."""
    with hub.database().read() as connection:
        found = accounts.every(connection)
    if as_json:
        show_json("hakobu.hub-users/1", users=found)
    elif not found:
        click.echo("nobody may log in yet; 'hakobu hub user add NAME --operator' changes that")
    else:
        rows = [(one.name, "operator" if one.operator else "", f"{one.made:%Y-%m-%d}") for one in found]
        click.echo(table(("user", "may change things", "since"), rows))


@user.command("password")
@click.argument("name")
@at_hub
@as_json
def password_(name: str, hub: Hub, *, as_json: bool) -> None:
    """Give NAME another password, asked for twice or read from HAKOBU_HUB_PASSWORD, and log them out everywhere."""
    database = hub.database()
    with database.read() as connection:
        account = accounts.needed(connection, name)
    password = _password(name)
    with database.begin() as connection:
        accounts.set_password(connection, name, password)
    _show(account, "has a new password", as_json=as_json)


@user.command()
@click.argument("name")
@at_hub
@as_json
def remove(name: str, hub: Hub, *, as_json: bool) -> None:
    """Let NAME log in no more, and log them out everywhere."""
    with hub.database().begin() as connection:
        gone = accounts.remove(connection, name)
    _show(gone, "may log in no more", as_json=as_json)


def _password(name: str) -> str:
    given = os.environ.get(_PASSWORD)
    if not given and sys.stdin is not None and sys.stdin.isatty():
        given = str(click.prompt(f"password of {name}", hide_input=True, confirmation_prompt=True, err=True))
    if not given:
        raise UsageError(f"nobody is here to type a password: set {_PASSWORD}")
    return given


def _show(account: accounts.Account, words: str, *, as_json: bool) -> None:
    if as_json:
        show_json("hakobu.hub-user/1", user=account)
    else:
        click.echo(f"{account.name}: {words}")

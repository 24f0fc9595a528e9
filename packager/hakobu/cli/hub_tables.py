"""`hakobu hub upgrade` and `check`: the hub's database."""

import click

from hakobu.cli.at_depot import as_json, tell
from hakobu.cli.at_hub import Hub, at_hub
from hakobu.hub import outcome_totals, totals
from hakobu_runtime.console.shell import show_json


@click.command()
@at_hub
@as_json
def upgrade(hub: Hub, *, as_json: bool) -> None:
    """Make the tables of a new hub, or bring those of an older version up to this one."""
    database = hub.begun()
    if as_json:
        show_json("hakobu.hub-upgrade/1", database=database.name)
        return
    click.echo(f"up to date: {database.name}")


@click.command()
@click.option("--mend", is_flag=True, help="First make the totals again from the windows and outcomes.")
@at_hub
@as_json
def check(hub: Hub, *, mend: bool, as_json: bool) -> None:
    """See whether every total is the sum of its windows, or outcomes, as it has to be."""
    database = hub.database()
    tell("add up")
    if mend:
        totals.rebuild(database)
        outcome_totals.rebuild(database)
    totals.verify(database)
    outcome_totals.verify(database)
    if as_json:
        show_json("hakobu.hub-check/1", database=database.name)
        return
    click.echo(f"every total is the sum of its windows, or outcomes: {database.name}")

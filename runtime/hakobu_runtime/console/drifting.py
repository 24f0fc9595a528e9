"""`drift` on the command line."""

from pathlib import Path

import click

from hakobu_runtime.console.shell import show_json
from hakobu_runtime.errors import FINDING


@click.command("drift")
@click.option("--model", help="The model, when several are installed.")
@click.option("--by", type=click.Choice(["day", "week", "month"]), default="month", help="How long each period is.")
@click.option("--last", type=click.IntRange(1), default=6, help="How many periods to show and to judge by (6).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_obj
def command(folder: Path | None, model: str | None, by: str, last: int, *, as_json: bool) -> int:
    """Hold this device's counts against training, offline. Exit code 3: one of the last periods is an alarm."""
    from hakobu_runtime.console.drift import drift_table
    from hakobu_runtime.console.results import results_table
    from hakobu_runtime.device.drift import drift_command
    from hakobu_runtime.device.outcomes_periods import results_command

    name, periods = drift_command(folder, model, by)
    _, results = results_command(folder, model, by, periods)
    if as_json:
        known = {"outcomes": [one.plain() for one in results]} if results else {}
        show_json("hakobu.drift/1", model=name, by=by, periods=[period.plain() for period in periods], **known)
    else:
        click.echo(drift_table(periods, last) if periods else f"nothing was scored with {name} yet")
        click.echo(f"\n{results_table(results, last)}" if results else "", nl=bool(results))
    alarms = [*(period.alarm for period in periods[-last:]), *(one.alarm for one in results[-last:])]
    return FINDING if any(alarms) else 0

"""`hakobu-run doctor`: a diagnosis for a terminal."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hakobu_runtime.console.shell import own_name, show_json
from hakobu_runtime.console.table import style
from hakobu_runtime.device.diagnosis import Diagnosis, Health

_LOOKS: dict[Health, dict[str, Any]] = {
    Health.OK: {"fg": "green"},
    Health.WARNING: {"fg": "yellow"},
    Health.FAILURE: {"fg": "red", "bold": True},
}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_obj
def command(folder: Path | None, *, as_json: bool) -> int:
    """Say what is wrong with this PC, and what to do about it. Exit code 8: scoring fails or cannot be relied on."""
    from hakobu_runtime.device.doctor import doctor

    found = doctor(folder, datetime.now(UTC))
    if as_json:
        show_json("hakobu.doctor/1", **found.plain())
    else:
        click.echo(own_name(doctor_table(found)))
    return found.exit_code


def doctor_table(found: Diagnosis) -> str:
    """Return a line a check, under those that are not well the remedy, and what it comes to."""
    wide = max(len(check.name) for check in found.checks)
    lines = []
    for check in found.checks:
        health = style(f"{check.health.value:<7}", **_LOOKS[check.health])
        lines.append(f"{health}  {check.name:<{wide}}  {check.words}")
        if check.remedy:
            lines.append(f"{'':7}  {'':{wide}}  remedy: {check.remedy}")
    times = {health: sum(check.health is health for check in found.checks) for health in Health}
    return "\n".join([*lines, "", _verdict(times[Health.FAILURE], times[Health.WARNING])])


def _verdict(failures: int, warnings: int) -> str:
    if failures:
        return f"{_many(failures, 'failure')}: scoring fails here, or cannot be relied on, until that is mended"
    if warnings:
        return f"this PC can score; {_many(warnings, 'warning')} to look at"
    return "all is well"


def _many(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"

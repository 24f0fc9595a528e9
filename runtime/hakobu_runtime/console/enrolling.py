"""`hakobu-run enrol`: a hub gets to know this device."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hakobu_runtime.console.shell import own_name, show_json_line

if TYPE_CHECKING:  # what posts imports urllib3, which no other command needs
    from hakobu_runtime.device.state import State


@click.command("enrol")
@click.argument("code")
@click.option("--hub", metavar="URL", help="Which hub, where several are followed, or none is named there yet.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_obj
def command(folder: Path | None, code: str, hub: str | None, *, as_json: bool) -> None:
    """Make this device known at its hub, by the CODE of an invitation: 'hakobu hub invite' gives one.

    Exit code 5: the hub refuses the code. 7: it cannot be reached.
    """
    from hakobu_runtime.device.state import open_state

    tell_enrolment(open_state(folder), code, hub, as_json=as_json)


def tell_enrolment(state: "State", code: str, hub: str | None, *, as_json: bool) -> None:
    """Enrol, and say what came of it."""
    from hakobu_runtime.device.enrol import enrol

    found = enrol(state, code, datetime.now(UTC), hub)
    if as_json:
        show_json_line(found.schema, **found.plain())
    else:
        click.echo(own_name(found.said()))

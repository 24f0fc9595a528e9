"""`keep` and `outcomes` on the command line."""

from pathlib import Path
from typing import Any

import click

from hakobu_runtime.console.shell import own_name, show_json
from hakobu_runtime.errors import FINDING, UsageError

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
_MODEL = click.option("--model", help="The model, when several are installed.")


@click.command("keep")
@click.option("--days", type=click.IntRange(1, 3650), help="Keep predictions, each for so many days of use.")
@click.option("--id", "ids", multiple=True, help="A column that tells rows apart, for a model that names none.")
@click.option("--off", is_flag=True, help="Keep none, and delete those that are kept.")
@_JSON
@click.pass_obj
def keep_command(folder: Path | None, days: int | None, ids: tuple[str, ...], *, off: bool, as_json: bool) -> None:
    """Keep predictions on this device until their labels come, or show what is kept.

    Of each row: the model, the day, a hash of its id, the predicted class and one probability, or the value. None of
    it leaves the device.
    """
    from hakobu_runtime.device import outcomes

    if off and (days is not None or ids):
        raise UsageError("give either --days, to keep predictions, or --off")
    if ids and days is None:
        raise UsageError("--id goes with --days: say for how long to keep predictions")
    found = outcomes.keep_command(folder, days, ids, off=off)
    if as_json:
        show_json("hakobu.keep/1", **found.plain())
    else:
        click.echo(own_name(found.words()))


@click.command("outcomes")
@click.argument("labels", type=click.Path(path_type=Path), required=False)
@click.option("--id", "ids", multiple=True, help="The column of LABELS with the row's id (as in the scored table).")
@click.option("--label", help="The column of LABELS with what came true (the model's target).")
@click.option(
    "--format", "layout", type=click.Choice(["csv", "jsonl", "parquet"]), help="What LABELS is, if not by its end."
)
@click.option("--delimiter", help="What stands between the fields of a CSV file (a comma).")
@click.option("--encoding", help="How the text of LABELS is encoded (UTF-8).")
@click.option("--by", type=click.Choice(["day", "week", "month"]), default="month", help="How long each period is.")
@click.option("--last", type=click.IntRange(1), default=6, help="How many periods to show and to judge by (6).")
@_MODEL
@_JSON
@click.pass_obj
def command(
    folder: Path | None, /, labels: Path | None, by: str, last: int, *, model: str | None, as_json: bool, **how: Any
) -> int:
    """Join what came true, in LABELS, with the predictions that were kept, and show how good they were over time.

    The same labels again change nothing, a corrected one replaces the earlier. Without LABELS, what is known is shown.
    Exit code 3: in one of the last periods the model was worse than on its hold-out, by more than chance explains.
    """
    from hakobu_runtime.console.results import results_table
    from hakobu_runtime.device.outcomes import Asked, join_command
    from hakobu_runtime.device.outcomes_periods import results_command
    from hakobu_runtime.rows.source import Layout

    layout = Layout(format=how["layout"], delimiter=how["delimiter"], encoding=how["encoding"])
    if labels is None and any(how.values()):
        raise UsageError("name the file of LABELS that --id, --label, --format, --delimiter or --encoding speak of")
    joined = join_command(folder, Asked(labels, how["ids"], how["label"], model, layout)) if labels else None
    name, results = results_command(folder, model, by)
    if as_json:
        told = {"joined": joined.plain()} if joined else {}
        show_json("hakobu.outcomes/1", model=name, by=by, **told, periods=[one.plain() for one in results])
    else:
        click.echo(
            "\n\n".join(
                [
                    *([joined.words()] if joined else []),
                    results_table(results, last) or f"no label was joined with {name} yet",
                ]
            )
        )
    if joined:
        joined.refuse()
    return FINDING if any(one.alarm for one in results[-last:]) else 0

"""`hakobu runs`: every build of a project, and how two of them differ."""

from pathlib import Path

import click
import msgspec

from hakobu_runtime.console.shell import show_json
from hakobu_runtime.console.table import style, table

_PATH = click.Path(path_type=Path)
_LOOKS = {"built": "green", "stopped": "red", "broken": "red"}
_DIR = click.option("--project", "folder", type=_PATH, default=Path(), metavar="DIR", help="The project (here).")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


@click.group(invoke_without_command=True)
@_DIR
@click.option("--last", type=click.IntRange(1), default=20, help="How many to show (20).")
@click.option("--plot", type=_PATH, metavar="FILE", help="Draw their metrics into this .png or .svg, too.")
@_JSON
@click.pass_context
def command(context: click.Context, folder: Path, last: int, plot: Path | None, *, as_json: bool) -> None:
    """Show the builds of the project, failed ones too."""
    if context.invoked_subcommand is not None:
        return
    from hakobu.runs.plot import draw_runs
    from hakobu.runs.store import Store

    runs = dict(list(Store(folder).all().items())[-last:])
    if plot is not None:
        draw_runs(runs, plot)
    if as_json:
        show_json("hakobu.runs/1", runs=[{"run": number, **msgspec.to_builtins(run)} for number, run in runs.items()])
    elif not runs:
        click.echo("nothing was built here yet; 'hakobu build' does")
    else:
        rows = []
        for number, run in runs.items():
            value = run.metrics.get(run.metric)
            error = run.error.partition("\n")[0].replace(f"{folder}/", "")
            shown = f"{run.metric} {value.holdout:.4f}" if value else error[:80]
            ending = style(run.ending.value, fg=_LOOKS[run.ending.value])
            rows.append([str(number), run.started[:19], run.version, ending, shown, f"{run.seconds:.0f} s"])
        click.echo(table(["run", "started (UTC)", "version", "ending", "hold-out", "took"], rows))


@command.command()
@click.argument("before", type=click.IntRange(1), metavar="A")
@click.argument("after", type=click.IntRange(1), metavar="B")
@_DIR
@click.option("--plot", type=_PATH, metavar="FILE", help="Draw the metrics of both into this .png or .svg, too.")
@_JSON
def compare(before: int, after: int, folder: Path, plot: Path | None, *, as_json: bool) -> None:
    """Show in what the runs A and B differ: what went in, and what came out."""
    from hakobu.runs.compare import differences
    from hakobu.runs.plot import draw_runs
    from hakobu.runs.store import Store

    store = Store(folder)
    runs = {number: store.get(number) for number in (before, after)}
    found = differences(runs[before], runs[after])
    if plot is not None:
        draw_runs(runs, plot)
    if as_json:
        show_json("hakobu.runs-compare/1", before=before, after=after, differences=found)
    else:
        rows = [[one.kind, one.name, one.before or "-", one.after or "-"] for one in found]
        click.echo(table(["", "", f"run {before}", f"run {after}"], rows) if rows else "nothing differs")

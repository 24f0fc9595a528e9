"""`hakobu new`: a project from a table, or from a template."""

from pathlib import Path
from typing import Any

import click

from hakobu.scaffold.draft import Draft
from hakobu.scaffold.new import Asked, new_from_table, new_from_template
from hakobu.scaffold.roles import Roles
from hakobu.scaffold.summary import draft_fields, draft_summary, next_commands
from hakobu.settings import Task
from hakobu_runtime.console.progress import Progress
from hakobu_runtime.console.shell import show_json
from hakobu_runtime.errors import UsageError
from hakobu_runtime.rows.source import Layout


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--from", "table", type=click.Path(path_type=Path), metavar="FILE", help="CSV, JSON lines or Parquet.")
@click.option("--target", metavar="COLUMN", help="What to predict.")
@click.option("--time", metavar="COLUMN", help="When a row was: the last rows judge the model.")
@click.option("--group", metavar="COLUMN", help="What rows belong to, like a customer: never cut in two.")
@click.option("--id", "ids", metavar="COLUMN", multiple=True, help="Carried to the output; may be given repeatedly.")
@click.option("--task", type=click.Choice([task.value for task in Task]), help="Overrule what the target suggests.")
@click.option("--time-format", metavar="PATTERN", help="How --time is written, like %d/%m/%Y; ISO 8601 needs none.")
@click.option("--delimiter", metavar="SIGN", help="What stands between two cells, where it is not found by itself.")
@click.option("--encoding", metavar="NAME", help="Of the file, like latin-1; UTF-8 needs none.")
@click.option("--template", metavar="NAME", help="Copy a project that hakobu ships, like flights.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(folder: Path, table: Path | None, template: str | None, *, as_json: bool, **told: Any) -> None:
    """Make a project in DIR from your own table (--from FILE --target COLUMN), or from a template (--template NAME)."""
    if table is not None and template is None:
        draft = _from_table(folder, table, **told)
        if as_json:
            show_json("hakobu.new/1", folder=str(folder), **draft_fields(draft))
            return
        click.echo(draft_summary(draft))
    elif template is not None and table is None:
        new_from_template(folder, template)
        if as_json:
            show_json("hakobu.new/1", folder=str(folder), template=template)
            return
        click.echo(f"{folder}: a project from the template '{template}'")
    else:
        raise UsageError("give --from FILE --target COLUMN for a table of your own, or --template NAME")
    click.echo(f"\n{next_commands(folder)}")


def _from_table(
    folder: Path,
    table: Path,
    *,
    target: str | None,
    time: str | None,
    group: str | None,
    ids: tuple[str, ...],
    task: str | None,
    time_format: str | None,
    delimiter: str | None,
    encoding: str | None,
) -> Draft:
    if target is None:
        raise UsageError("--from needs --target COLUMN: the column to predict")
    roles = Roles(target, time, group, tuple(dict.fromkeys(ids)), time_format, Task(task) if task else None)
    asked = Asked(table, roles, Layout(delimiter=delimiter, encoding=encoding))
    with Progress("reading", 100) as progress:
        return new_from_table(folder, asked, lambda done, size: progress.reach(100 * done // size if size else 0))

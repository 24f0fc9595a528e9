"""`hakobu-run explain`: why one row scored as it did, in words and as a bar chart."""

from pathlib import Path

import click

from hakobu_runtime.console.shell import show_json

_PATH = click.Path(path_type=Path)
_SHOWN = 12


@click.command("explain")
@click.argument("asked", metavar="ROW")
@click.option("--row", "number", type=click.IntRange(1), default=1, help="Which row, where ROW is a file (1).")
@click.option("--log-odds", is_flag=True, help="Explain the log-odds instead of the probability.")
@click.option("--all", "every", is_flag=True, help=f"Show every input, not the {_SHOWN} that matter most.")
@click.option("--bundle", "file", type=_PATH, help="Explain with this file instead of the installed bundle.")
@click.option("--model", help="The model, when several are installed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_obj
def command(
    folder: Path | None, /, asked: str, number: int, *, log_odds: bool, every: bool, as_json: bool,
    file: Path | None, model: str | None,
) -> None:  # fmt: skip
    """Say why ROW scored as it did: which inputs move it away from what the model says on average, and how far.

    ROW is one row as a JSON object, or a file, of which --row says which row. Nothing of it is counted.
    """
    from hakobu_runtime.console.explanation import plain, words
    from hakobu_runtime.device.explaining import explain_command
    from hakobu_runtime.explain import Scale

    found = explain_command(folder, asked, number, Scale.LOG_ODDS if log_odds else Scale.SCORE, file, model)
    if as_json:
        show_json("hakobu.explain/1", **plain(found))
    else:
        click.echo(words(found, len(found.shares) if every else _SHOWN))

"""`hakobu-run about`: the card of a model in plain words."""

from pathlib import Path

import click

from hakobu_runtime.console.shell import show_json

_PATH = click.Path(path_type=Path)


@click.command("about")
@click.option("--bundle", "file", type=_PATH, help="Tell of this file instead of the installed bundle.")
@click.option("--model", help="The model, when several are installed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_obj
def command(folder: Path | None, file: Path | None, model: str | None, *, as_json: bool) -> None:
    """Say what the model predicts, from what, how well, what it learned from, and who signed it."""
    from hakobu_runtime.bundle import open_bundle
    from hakobu_runtime.console.card import card, plain
    from hakobu_runtime.device.slots import open_active
    from hakobu_runtime.device.state import open_state, read_keyring

    state = open_state(folder)
    bundle = open_bundle(file, read_keyring(state)) if file else open_active(state, model)
    if as_json:
        show_json("hakobu.about/1", **plain(bundle))
    else:
        click.echo(card(bundle))

"""`hakobu inspect`: what is in the box."""

from pathlib import Path

import click

from hakobu.cli.trusted import trusted
from hakobu_runtime.console.shell import show_json

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=PATH)
@click.option(
    "--key", "keys", type=PATH, multiple=True, help="Public key that must have signed FILE; may be given again."
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole manifest and the gates as one JSON object.")
def command(file: Path, keys: tuple[Path, ...], *, as_json: bool) -> None:
    """Say what is in FILE, after verifying it: with --key, or with the keys of the project that FILE stands in."""
    from hakobu.report.contents import contents
    from hakobu_runtime.bundle import open_bundle

    bundle = open_bundle(file, trusted(file, keys))
    if as_json:
        fields = {"manifest": bundle.manifest, "validation": bundle.validation, "digest": bundle.digest}
        show_json("hakobu.inspect/1", **fields, key=bundle.pin.key.identity)
    else:
        click.echo(contents(bundle))

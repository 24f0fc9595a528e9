"""`hakobu kit`: a folder that installs the model on a PC of another kind, with no network."""

from pathlib import Path

import click

from hakobu.cli.trusted import trusted
from hakobu_runtime.console.progress import Progress
from hakobu_runtime.console.shell import show_json

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=PATH, metavar="BUNDLE")
@click.option(
    "--target",
    "system",
    required=True,
    metavar="NAME",
    help="windows-x86_64, macos-arm64, linux-aarch64 or linux-x86_64.",
)
@click.option(
    "--python", type=click.Choice(["3.11", "3.12", "3.13"]), default="3.11", help="The Python on that PC (3.11)."
)
@click.option("-o", "--output", "folder", type=PATH, default=Path(), metavar="DIR", help="Where to put it (here).")
@click.option(
    "--key", "keys", type=PATH, multiple=True, help="Public key that must have signed BUNDLE; may be given again."
)
@click.option("--follow", type=PATH, metavar="FILE", help="What it is to follow: a file of 'hakobu depot invite'.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(
    file: Path, system: str, python: str, folder: Path, keys: tuple[Path, ...], follow: Path | None, *, as_json: bool
) -> None:
    """Make a folder that installs BUNDLE on a PC with Python and no network, and can freeze it there.

    It is for PCs that `hakobu freeze` cannot make a program for, since they are of another kind than this one. What it
    is made of is fetched the first time.
    """
    from hakobu.kit.make import STAGES, make_kit
    from hakobu.kit.target import find_target
    from hakobu_runtime.bundle import open_bundle
    from hakobu_runtime.device.follow import open_follow

    target = find_target(system, python)
    keyring = trusted(file, keys)
    bundle = open_bundle(file, keyring)
    followed = open_follow(follow, bundle.manifest.name) if follow else None
    with Progress("making the kit", len(STAGES)) as progress:

        def tell(words: str) -> None:
            progress.reach(STAGES.index(words.partition(":")[0]), words)

        kit = make_kit(bundle, keyring, target, folder, tell, followed)
        progress.reach(len(STAGES))
    if as_json:
        show_json("hakobu.kit/1", **kit.plain())
    else:
        click.echo(kit.words())

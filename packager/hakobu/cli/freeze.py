"""`hakobu freeze`: an executable with the model inside, for PCs that have no Python."""

from pathlib import Path

import click

from hakobu.cli.trusted import trusted
from hakobu_runtime.console.progress import Progress
from hakobu_runtime.console.shell import show_json

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=PATH, metavar="BUNDLE")
@click.option(
    "--one-file/--folder", default=False, help="One file, which unpacks at each start, or a folder (default)."
)
@click.option("-o", "--output", "folder", type=PATH, default=Path(), metavar="DIR", help="Where to put it (here).")
@click.option(
    "--key", "keys", type=PATH, multiple=True, help="Public key that must have signed BUNDLE; may be given again."
)
@click.option("--follow", type=PATH, metavar="FILE", help="What it is to follow: a file of 'hakobu depot invite'.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(
    file: Path, folder: Path, keys: tuple[Path, ...], follow: Path | None, *, one_file: bool, as_json: bool
) -> None:
    """Make a program of BUNDLE that runs on PCs like this one without Python, and try it.

    It is for this system alone: what is made on Linux runs on Linux. The first time, what it is made of is fetched.
    """
    from hakobu.freeze.executable import STAGES, Shape, freeze
    from hakobu_runtime.bundle import open_bundle
    from hakobu_runtime.device.follow import open_follow

    keyring = trusted(file, keys)
    bundle = open_bundle(file, keyring)
    followed = open_follow(follow, bundle.manifest.name) if follow else None
    with Progress("freezing", len(STAGES)) as progress:

        def tell(words: str) -> None:
            progress.reach(STAGES.index(words.partition(":")[0]), words)

        frozen = freeze(bundle, keyring, Shape.ONE_FILE if one_file else Shape.FOLDER, folder, tell, followed)
        progress.reach(len(STAGES))
    if as_json:
        show_json("hakobu.freeze/1", **frozen.plain())
    else:
        click.echo(frozen.words())

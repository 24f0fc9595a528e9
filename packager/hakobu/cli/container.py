"""`hakobu container`: an image with the model inside, made without a daemon."""

from pathlib import Path

import click

from hakobu.cli.trusted import trusted
from hakobu_runtime.console.progress import Progress
from hakobu_runtime.console.shell import show_json

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=PATH, metavar="BUNDLE")
@click.option("-o", "--output", "target", type=PATH, metavar="FILE", help="What to write (MODEL-VERSION.tar).")
@click.option("--tag", metavar="NAME:VERSION", help="Name that the image is loaded under (MODEL:VERSION).")
@click.option(
    "--containerfile", is_flag=True, help="Write a folder instead, to build an image on a base of your own from."
)
@click.option(
    "--key", "keys", type=PATH, multiple=True, help="Public key that must have signed BUNDLE; may be given again."
)
@click.option("--follow", type=PATH, metavar="FILE", help="What it is to follow: a file of 'hakobu depot invite'.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(
    file: Path,
    target: Path | None,
    tag: str | None,
    keys: tuple[Path, ...],
    follow: Path | None,
    *,
    containerfile: bool,
    as_json: bool,
) -> None:
    """Make a container image of BUNDLE: one file with its program and the libraries that it needs, and nothing else.

    It takes no daemon and no root, and is for Linux on processors like the one here.
    """
    from hakobu.container.context import make_context
    from hakobu.container.image import STAGES, make_image
    from hakobu.container.tag import Tag
    from hakobu_runtime.bundle import open_bundle
    from hakobu_runtime.device.follow import open_follow

    keyring = trusted(file, keys)
    bundle = open_bundle(file, keyring)
    name, version = bundle.manifest.name, bundle.manifest.version
    followed = open_follow(follow, name) if follow else None
    named = Tag(tag or f"{name}:{version}")
    place = target or Path(f"{name}-{version}-container" if containerfile else f"{name}-{version}.tar")
    with Progress("packing", len(STAGES)) as progress:

        def tell(words: str) -> None:
            progress.reach(STAGES.index(words.partition(":")[0]), words)

        make = make_context if containerfile else make_image
        made = make(bundle, keyring, place, named, tell, followed)
        progress.reach(len(STAGES))
    if as_json:
        show_json("hakobu.containerfile/1" if containerfile else "hakobu.container/1", **made.plain())
    else:
        click.echo(made.words())

"""`hakobu ci`: a pipeline that freezes on Windows, macOS and Linux."""

from pathlib import Path

import click

from hakobu_runtime.console.shell import show_json


@click.command()
@click.argument("host", type=click.Choice(["github", "gitlab"]), metavar="github|gitlab")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Repository (here).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(host: str, folder: Path, *, as_json: bool) -> None:
    """Write a pipeline that makes programs of your signed boxes on Windows, macOS and Linux.

    It freezes what stands in `release/` of the repository, and needs no secret: the boxes are signed already.
    """
    from hakobu.scaffold.ci import write_ci

    path = write_ci(host, folder)
    if as_json:
        show_json("hakobu.ci/1", host=host, path=str(path))
    else:
        click.echo(f"written: {path}\nnext:    copy a box into release/, and commit it with {path.name} and keys/*.pub")

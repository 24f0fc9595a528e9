"""`hakobu ci`: pipelines that build, judge, publish and freeze."""

from pathlib import Path

import click

from hakobu_runtime.console.shell import show_json

_NEXT = {
    "github": "commit them; the first lines of train.yml and steer.yml name the secrets that they want",
    "gitlab": "commit them; the first lines of .gitlab-ci.yml name the variables that it wants",
    "gocd": "commit them; the first lines of train.gocd.yaml say what the server wants",
    "dvc": "dvc repro, and then dvc metrics show",
}


@click.command()
@click.argument("host", type=click.Choice(list(_NEXT)), metavar="|".join(_NEXT))
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
    """Write pipelines that build, judge and publish by themselves, and make programs of signed boxes.

    dvc writes a dvc.yaml, so that `dvc repro` builds what has changed.
    """
    from hakobu.scaffold.ci import write_ci

    paths = write_ci(host, folder)
    if as_json:
        show_json("hakobu.ci/1", host=host, paths=[str(path) for path in paths])
        return
    for path in paths:
        click.echo(f"written: {path}")
    click.echo(f"next:    {_NEXT[host]}")

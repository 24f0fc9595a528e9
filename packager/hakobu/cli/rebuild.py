"""`hakobu rebuild`: does the same project give the same bundle?"""

import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from hakobu.cli.champion import champion_of
from hakobu.cli.champion import option as champion_option
from hakobu.cli.trusted import trusted
from hakobu.project import read_project
from hakobu_runtime.console.progress import Progress
from hakobu_runtime.console.shell import show_json
from hakobu_runtime.errors import FINDING


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@click.option("--check", "file", type=click.Path(path_type=Path), required=True, help="The bundle to build again.")
@champion_option
@click.option("--key", "keys", type=click.Path(path_type=Path), multiple=True, help="Public key that signed it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(folder: Path, file: Path, asked: str | None, keys: tuple[Path, ...], *, as_json: bool) -> int:
    """Build the project in DIR again and hold it against a bundle; nothing is written.

    It says that all files are the same to the bit, or, with exit code 3, names the first thing that differs.
    """
    project = read_project(folder)
    from hakobu.pack.build import STAGES
    from hakobu.pack.rebuild import rebuild
    from hakobu_runtime.bundle import open_bundle

    bundle = open_bundle(file, trusted(file, keys))
    rival = champion_of(project, asked)
    with Progress("building", len(STAGES)) as progress, redirect_stdout(sys.stderr):
        found = rebuild(
            bundle, file.read_bytes(), project, rival, lambda stage: progress.reach(STAGES.index(stage), stage)
        )
        progress.reach(len(STAGES))
    if as_json:
        show_json("hakobu.rebuild/1", bundle=found.bundle, identical=found.identical, differs=found.differs)
    elif found.identical:
        click.echo(f"bit-identical: {found.bundle}, sha256 {bundle.digest}")
    else:
        click.echo(f"differs: {found.bundle}: {found.differs}")
    return 0 if found.identical else FINDING

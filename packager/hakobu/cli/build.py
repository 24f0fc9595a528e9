"""`hakobu build`: from a project to a signed bundle."""

import os
from pathlib import Path

import click

from hakobu.keys import PASSPHRASE, is_encrypted, read_private_key
from hakobu.project import Project, read_project
from hakobu_runtime.console.progress import Progress
from hakobu_runtime.console.shell import show_json
from hakobu_runtime.errors import FINDING
from hakobu_runtime.trust import PrivateKey


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(folder: Path, *, as_json: bool) -> int:
    """Train, judge, export, prove and sign the project in DIR; exit code 3 names the gates that failed."""
    from hakobu.pack.build import STAGES, build
    from hakobu.report.gates import gate_table

    project = read_project(folder)
    key = release_key(project)
    with Progress("building", len(STAGES)) as progress:
        built = build(project, key, lambda stage: progress.reach(STAGES.index(stage), stage))
        progress.reach(len(STAGES))
    if as_json:
        path = str(built.path) if built.path else None
        show_json("hakobu.build/1", path=path, passed=built.passed, gates=built.gates, metrics=built.metrics)
    else:
        click.echo(gate_table(built))
    return 0 if built.passed else FINDING


def release_key(project: Project) -> PrivateKey:
    """Return the project's private key, its passphrase asked for or read from HAKOBU_KEY_PASSPHRASE."""
    path = project.root / project.file.keys.release
    passphrase = None
    if is_encrypted(path):
        given = os.environ.get(PASSPHRASE)
        passphrase = (given or click.prompt(f"passphrase of {path}", hide_input=True, err=True)).encode()
    return read_private_key(path, passphrase)

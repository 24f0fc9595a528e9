"""`hakobu build`: from a project to a signed bundle."""

import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from hakobu.cli.champion import champion_of
from hakobu.cli.champion import option as champion_option
from hakobu.cli.passphrase import passphrase
from hakobu.keys import is_encrypted, read_private_key
from hakobu.project import Project, read_project
from hakobu_runtime.console.progress import Progress
from hakobu_runtime.console.shell import show_json, warn
from hakobu_runtime.errors import FINDING
from hakobu_runtime.trust import PrivateKey


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@champion_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(folder: Path, asked: str | None, *, as_json: bool) -> int:
    """Train, judge, export, prove and sign the project in DIR; exit code 3 names the gates that failed."""
    project = read_project(folder)
    key = release_key(project)
    # Only now: scikit-learn takes its time to load, and a typo should be told at once.
    from hakobu.pack.build import STAGES, Built, build
    from hakobu.report.gates import gate_table
    from hakobu.report.page import write_report
    from hakobu.runs.keep import remembered

    rival = champion_of(project, asked)
    # What the pipeline prints is no result of ours, and would spoil the JSON.
    with Progress("building", len(STAGES)) as progress, redirect_stdout(sys.stderr):

        def tell(stage: str) -> None:
            progress.reach(STAGES.index(stage), stage)

        def reported() -> tuple[Built, Path]:
            built = build(project, key, tell, rival)
            return built, write_report(built)

        built, report = remembered(project, reported, progress.aside(warn))
        progress.reach(len(STAGES))
    if as_json:
        path = str(built.path) if built.path else None
        show_json(
            "hakobu.build/1",
            path=path,
            passed=built.passed,
            gates=built.gates,
            metrics=built.metrics,
            report=str(report),
        )
    else:
        click.echo(f"{gate_table(built)}\nreport: {report}")
    return 0 if built.passed else FINDING


def release_key(project: Project) -> PrivateKey:
    """Return the project's private key, its passphrase asked for or read from HAKOBU_KEY_PASSPHRASE."""
    path = project.root / project.file.keys.release
    return read_private_key(path, passphrase(f"passphrase of {path}") if is_encrypted(path) else None)

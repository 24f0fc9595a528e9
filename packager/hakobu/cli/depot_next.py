"""`hakobu depot next`: a project is made ready for its next release."""

from pathlib import Path

import click

from hakobu.cli.at_depot import PATH, as_json, at_depot
from hakobu.cli.trusted import trusted
from hakobu.depot.depot import open_depot
from hakobu.depot.upcoming import copy_champion, is_learned, upcoming, write_version
from hakobu.project import FILE, read_project
from hakobu_runtime.console.shell import show_json
from hakobu_runtime.errors import FINDING

SCHEMA = "hakobu.depot-next/1"


@click.command()
@click.argument("folder", type=PATH, default=".", metavar="[DIR]")
@at_depot
@click.option("--channel", default="stable", metavar="NAME", help="Where the champion is (stable).")
@click.option("-o", "--output", "place", type=PATH, metavar="FILE", help="Where it goes (DIR/reports/champion.hako).")
@click.option("--only-new-data", is_flag=True, help="Change nothing, exit code 3, if the last release had this data.")
@as_json
def next_(folder: Path, depot: Path, channel: str, place: Path | None, *, only_new_data: bool, as_json: bool) -> int:
    """Raise the version of the project in DIR past all that were published, and copy out the champion.

    Then: hakobu build --champion reports/champion.hako. For pipelines that build on a schedule.
    """
    project, opened = read_project(folder), open_depot(depot)
    found = upcoming(project, opened, channel)
    keyring = trusted(project.root / FILE, ())
    if only_new_data and found.latest is not None and is_learned(project, opened, found.latest, keyring):
        if as_json:
            show_json(SCHEMA, new_data=False, newest=found.newest)
        else:
            click.echo(f"no new data: {project.file.model.name} {found.latest.version} was learned from it")
        return FINDING
    path = place or project.root / "reports" / "champion.hako"
    copy_champion(project, opened, found.champion, path)
    write_version(project, found.version)
    champion = found.champion.version if found.champion else None
    if as_json:
        show_json(
            SCHEMA, version=found.version, newest=found.newest, champion=champion, path=path if champion else None
        )
    else:
        click.echo(f"version:  {found.version}, after {found.newest or 'none'}")
        click.echo(f"champion: {f'{champion} of channel {channel}, in {path}' if champion else 'none yet'}")
    return 0

"""The champion that a build is held against: a file, or what a channel of the depot offers to everybody."""

import os
from pathlib import Path

import click

from hakobu.cli.trusted import trusted
from hakobu.project import Project
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.console.shell import warn

_CHANNEL = "channel:"

option = click.option(
    "--champion",
    "asked",
    metavar="FILE",
    help="The bundle in use, to be held against: a file, or channel:NAME of the depot ([gates.ratchet]).",
)


def champion_of(project: Project, asked: str | None) -> Bundle | None:
    """Return the champion that is `asked` for, or that the project names; None where there is none.

    A channel is looked up in the depot HAKOBU_DEPOT, or `depot` in the project's folder. Raises StateError when there
    is no such depot; one that has no release of the model yet has no champion.
    """
    from hakobu.pack.champion import open_champion

    named = project.file.gates.ratchet.champion
    path = _place(project, asked, Path()) if asked else _place(project, named, project.root) if named else None
    return open_champion(path, trusted(path, ()), project) if path else None


def _place(project: Project, named: str, folder: Path) -> Path | None:
    if not named.startswith(_CHANNEL):
        return folder / named
    from hakobu.depot.depot import open_depot

    depot = open_depot(Path(os.environ.get("HAKOBU_DEPOT") or project.root / "depot"))
    model, name = project.file.model.name, named.removeprefix(_CHANNEL)
    if model not in depot.models or name not in depot.channels(model):
        warn(f"{depot.path}: {model} has no channel '{name}' yet, so there is no champion to be held against")
        return None
    releases = depot.channel(model, name).releases
    offered = next((release for release in releases if release.rollout == 100), None)
    return depot.place(depot.model(model).targets[offered.target]) if offered else None

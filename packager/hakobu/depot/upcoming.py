"""A project's next release, by what a depot has of its model: its version, and the champion that it is to beat."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from hakobu.depot.depot import Depot
from hakobu.depot.history import read_history
from hakobu.project import FILE, Project
from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import InputError, ProjectError
from hakobu_runtime.format.channel import Release
from hakobu_runtime.format.manifest import precedence, release
from hakobu_runtime.trust import Keyring

_VERSION = re.compile(r"""(?m)^([ \t]*version[ \t]*=[ \t]*)(["'])([^"'\n]*)\2""")


@dataclass(frozen=True, slots=True)
class Upcoming:
    """What the next release of a project is to be."""

    version: str
    """The project's own where that is above all that were published, else the one after them."""
    newest: str
    """The highest version that was ever published; "" when none was."""
    champion: Release | None
    """What the channel offers; None when that is nothing, or when there is no such channel yet."""
    latest: Release | None
    """The newest release in any channel, whose data are the last that were learned from."""


def upcoming(project: Project, depot: Depot, channel: str) -> Upcoming:
    """Return what is to come after the releases of the project's model in `depot`."""
    name, own = project.file.model.name, project.file.model.version
    if name not in depot.models:
        return Upcoming(own, "", None, None)
    newest = max(read_history(depot.model(name)), key=precedence, default="")
    offered = {one: depot.channel(name, one).releases for one in depot.channels(name)}
    latest = max((found for held in offered.values() for found in held), key=_order, default=None)
    return Upcoming(version_after(own, newest), newest, next(iter(offered.get(channel, ())), None), latest)


def version_after(own: str, newest: str) -> str:
    """Return `own` where it is above `newest`, or where that is "", else the next one after `newest`."""
    if not newest or precedence(own) > precedence(newest):
        return own
    major, minor, patch = release(newest)
    return f"{major}.{minor}.{patch}" if "-" in newest else f"{major}.{minor}.{patch + 1}"


def is_learned(project: Project, depot: Depot, latest: Release, keyring: Keyring) -> bool:
    """Say whether `latest` was learned from the very data that the project has now."""
    bundle = open_bundle(_place(project, depot, latest), keyring)
    path = project.data_path
    try:
        with path.open("rb") as file:
            return bundle.manifest.provenance.data == file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: the data cannot be read: {error.strerror}; see [data] path in {FILE}") from error


def write_version(project: Project, version: str) -> None:
    """Put `version` in the place of the one in the project's file, and change nothing else there."""
    path = project.root / FILE
    if version == project.file.model.version:
        return
    text = project.source.decode("utf-8-sig")
    wanted = tomllib.loads(text)
    wanted["model"]["version"] = version
    changed = next((found for found in _changes(text, version) if _read(found) == wanted), None)
    if changed is None:
        raise ProjectError(f'{path}: the line of the version was not found; write version = "{version}" into [model]')
    try:
        write_whole(path, changed.encode())
    except OSError as error:
        raise ProjectError(f"{path}: cannot be written: {error.strerror}; nothing was changed") from error


def copy_champion(project: Project, depot: Depot, champion: Release | None, path: Path) -> None:
    """Copy the champion out to `path`; where there is none, none stays there from before."""
    try:
        if champion is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, depot.read(depot.model(project.file.model.name).targets[champion.target]))
    except OSError as error:
        raise ProjectError(f"{path}: cannot be written: {error.strerror}; name another place with -o") from error


def _place(project: Project, depot: Depot, wanted: Release) -> Path:
    target = depot.model(project.file.model.name).targets[wanted.target]
    depot.read(target)  # which says better than the bundle's reader that the depot is damaged
    return depot.place(target)


def _order(found: Release) -> Any:
    return precedence(found.version)


def _changes(text: str, version: str) -> Iterator[str]:
    """Yield the text with each line that might be the model's version changed."""
    for found in _VERSION.finditer(text):
        yield f"{text[: found.start(3)]}{version}{text[found.end(3) :]}"


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None

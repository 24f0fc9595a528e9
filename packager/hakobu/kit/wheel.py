"""A wheel, and what it asks for."""

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from hakobu.kit.target import Target
from hakobu_runtime.errors import ToolError


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel file, and what its metadata say."""

    path: Path
    name: str
    """Normalized, as in `typing-extensions`."""
    version: Version
    tags: frozenset[Tag]
    requires: tuple[Requirement, ...]
    python: SpecifierSet
    """The versions of Python that it runs with."""

    def fits(self, target: Target) -> bool:
        """Say whether it runs on `target`."""
        return bool(self.tags & target.tags) and self.python.contains(f"{target.python}.0")


@dataclass(frozen=True, slots=True)
class Missing:
    """What a wheel asks for on the target, and no wheel there is."""

    requirement: Requirement
    asked_by: str

    def __str__(self) -> str:
        """Name it and who asks for it."""
        return f"{self.requirement} (for {self.asked_by})"


@dataclass(frozen=True, slots=True)
class Closure:
    """The wheels that a target needs, and what it needs besides."""

    wheels: tuple[Wheel, ...]
    """By name."""
    missing: tuple[Missing, ...]


def read_wheel(path: Path) -> Wheel:
    """Return the wheel at `path`; raise ToolError when it is none."""
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            own = [
                entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA") and entry.count("/") == 1
            ]
            found = Metadata.from_email(archive.read(own[0]), validate=False)
    except (InvalidWheelFilename, zipfile.BadZipFile, IndexError) as error:
        raise ToolError(f"{path}: is no whole wheel ({error}); delete it and run the command again") from error
    requires = tuple(found.requires_dist or ())
    return Wheel(path, name, version, tags, requires, found.requires_python or SpecifierSet())


def closure(wheels: Iterable[Wheel], roots: Sequence[Requirement], target: Target) -> Closure:
    """Return those of `wheels` that `roots` take on `target`, with all that they ask for there, and what is missing."""
    there: dict[str, Wheel] = {}
    for wheel in sorted(wheels, key=lambda wheel: wheel.version):
        if wheel.fits(target):
            there[wheel.name] = wheel
    taken: dict[str, Wheel] = {}
    missing: dict[str, Missing] = {}
    asked = [(root, str(target)) for root in roots]
    seen: set[tuple[str, str]] = set()
    while asked:
        requirement, asker = asked.pop()
        name = canonicalize_name(requirement.name)
        found = there.get(name)
        if found is None or not requirement.specifier.contains(found.version, prereleases=True):
            missing.setdefault(str(requirement), Missing(requirement, asker))
            continue
        taken[name] = found
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            asked += [(one, found.name) for one in found.requires if _holds(one, extra, target)]
    ordered = tuple(taken[name] for name in sorted(taken))
    return Closure(ordered, tuple(missing[words] for words in sorted(missing)))


def _holds(requirement: Requirement, extra: str, target: Target) -> bool:
    """Say whether a requirement counts on the target: with its first patch of Python, or with the last."""
    if requirement.marker is None:
        return extra == ""
    return any(requirement.marker.evaluate({**place, "extra": extra}) for place in target.environments())

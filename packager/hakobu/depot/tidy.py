"""Taking away what no longer belongs to a depot: what a killed command left, and what is long out of use.

Only what has a name that hakobu gives is looked at, so whatever else people keep in the folder stays.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tuf.api.metadata import Root, Targets

from hakobu.depot.depot import METADATA, PENDING, TARGETS_FOLDER, Depot, read_metadata
from hakobu.depot.disk import drafts
from hakobu.depot.roles import ROOT
from hakobu_runtime.errors import DamageError

KEPT = 5
"""How many versions of a role stay, for a device that is in the midst of reading them; of root, all do."""
_VERSIONED = re.compile(r"([1-9]\d{0,9})\.([a-z0-9-]+)\.json")
_TARGET = re.compile(r"[0-9a-f]{64}\.(?:[a-z0-9-]+\.json|from-[0-9a-f]{16}\.patch|[a-z0-9-]+-\d[0-9a-z.-]*\.hako)")


def tidy(depot: Depot) -> None:
    """Remove what is left over in the folder of `depot`; raise OSError when that cannot be done."""
    for draft in (*drafts(depot.path / METADATA), *drafts(depot.path / TARGETS_FOLDER)):
        draft.unlink()
    for draft in depot.path.glob(f".{PENDING}.*.partial"):
        draft.unlink()
    _drop_finished(depot)
    for path in _outdated(depot):
        path.unlink()
    wanted = _named(depot)
    for path in sorted((depot.path / TARGETS_FOLDER).glob("*/*/*")):
        if _TARGET.fullmatch(path.name) and path.is_file() and path not in wanted:
            path.unlink()
            _remove_empty(path.parent)


def _drop_finished(depot: Depot) -> None:
    """Remove a root that waits for signatures, when it has become the depot's already."""
    path = depot.path / PENDING
    if path.exists() and read_metadata(path, Root).signed.version <= depot.root.signed.version:
        path.unlink()


def _outdated(depot: Depot) -> Iterator[Path]:
    """Yield metadata that are too old, and those of a version that was never published."""
    current = {name: signed.version for name, signed in depot.signed.items()}
    for path in sorted((depot.path / METADATA).iterdir()):
        match = _VERSIONED.fullmatch(path.name)
        if match is None or match[2] == ROOT:
            continue
        latest = current.get(match[2], 0)
        if not latest - KEPT < int(match[1]) <= latest:
            yield path


def _named(depot: Depot) -> set[Path]:
    """Return the files of all targets that a kept version of a model's metadata names."""
    found = {depot.place(file) for model in depot.models.values() for file in model.signed.targets.values()}
    for name in depot.models:
        for path in (depot.path / METADATA).glob(f"*.{name}.json"):
            try:
                old = read_metadata(path, Targets)
            except DamageError:
                continue  # only the newest must be whole
            found |= {depot.place(file) for file in old.signed.targets.values()}
    return found


def _remove_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()

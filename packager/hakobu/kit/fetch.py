"""Fetching the wheels of another kind of PC, with pip; they are kept in the user's cache folder."""

import shutil
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from packaging.requirements import Requirement

from hakobu import resources
from hakobu.freeze.room import TOOLS, cache_folder, requirements
from hakobu.freeze.tool import Tell, clean_environment, run
from hakobu.kit.target import Target
from hakobu.kit.wheel import Closure, Wheel, closure, read_wheel
from hakobu_runtime.device.lock import locked
from hakobu_runtime.errors import ToolError
from hakobu_runtime.version import __version__

PIP = Requirement("pip")
"""Installs the others there: a Python of Debian has none, and an old one knows no new wheels."""
_ROUNDS = 5
_PATIENCE = 1800.0
"""How many seconds to wait for another command that is just fetching the same."""


def tools() -> tuple[Requirement, ...]:
    """Return what makes executables."""
    return tuple(map(Requirement, TOOLS))


def fetched(target: Target, tell: Tell) -> tuple[Wheel, ...]:
    """Return the wheels for `target` of all that the runtime needs there, of what makes executables, and of pip.

    They are the versions of `build/constraints.txt`. Raises ToolError when they cannot be fetched, or when something
    that they need on the target has no wheel for it.
    """
    constraints = resources.folder("build") / "constraints.txt"
    roots = (*map(Requirement, requirements()), *tools(), PIP)
    folder = cache_folder() / "kit" / _name(constraints.read_bytes(), roots, target)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder, patience=_PATIENCE):
            if _closure(folder, roots, target).missing:
                _fetch(folder, roots, constraints, target, tell)
    except OSError as error:
        raise ToolError(
            f"{error.filename or folder}: {error.strerror or error}; name another folder with HAKOBU_CACHE"
        ) from error
    return _closure(folder, roots, target).wheels


def _name(constraints: bytes, roots: Sequence[Requirement], target: Target) -> str:
    """Return a name that follows from all that decides which wheels are fetched."""
    parts = (*map(str, roots), *target.system.platforms)
    digest = sha256(constraints + "\n".join(parts).encode()).hexdigest()
    return f"{__version__}-{target.system.name}-py{target.python.replace('.', '')}-{digest[:16]}"


def _fetch(folder: Path, roots: Sequence[Requirement], constraints: Path, target: Target, tell: Tell) -> None:
    """Make `folder` anew. pip holds the markers of requirements against the Python that it runs in, not the target's.

    So what is missing after a round, as pefile for Windows, is asked for by name in the next.
    """
    draft = folder.with_name(f"{folder.name}.partial")
    for left in (draft, folder):
        shutil.rmtree(left, ignore_errors=True)
    draft.mkdir()
    wanted = tuple(map(str, roots))
    for _ in range(_ROUNDS):
        _download(draft, wanted, constraints, target, tell)
        missing = _closure(draft, roots, target).missing
        if not missing:
            draft.rename(folder)
            return
        wanted = tuple(_plain(one.requirement) for one in missing)
    raise ToolError(f"{target}: there is no wheel for it of {', '.join(map(str, missing))}; nothing was made")


def _plain(requirement: Requirement) -> str:
    """Return the requirement without its marker, which holds on the target."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _closure(folder: Path, roots: Sequence[Requirement], target: Target) -> Closure:
    return closure(map(read_wheel, sorted(folder.glob("*.whl"))), roots, target)


def _download(folder: Path, wanted: Sequence[str], constraints: Path, target: Target, tell: Tell) -> None:
    environment = {**clean_environment(), "PYTHONNOUSERSITE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def heard(line: str) -> None:
        if line.startswith(("Collecting", "Downloading", "Saved")):
            tell(f"fetching: {line[:60]}")

    command = [sys.executable, "-m", "pip", "download", "--no-input", "--only-binary", ":all:", "-c", constraints]
    command += [word for platform in target.system.platforms for word in ("--platform", platform)]
    command += ["--python-version", target.python, "--implementation", "cp", "--dest", folder, *wanted]
    remedy = f"it fetches wheels for {target}, and needs a network, or a folder of them (PIP_FIND_LINKS), for this once"
    tell("fetching")
    run("pip", command, environment, folder.parent, heard=heard, remedy=remedy)

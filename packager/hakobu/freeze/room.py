"""The clean room: a venv with PyInstaller and what the runtime depends on, at the pinned versions, and nothing else.

Executables are made there and never in the builder's environment, whose scikit-learn they would drag along. It is kept
in the user's cache folder under a name that follows from what is in it.
"""

import importlib.metadata
import os
import platform
import shutil
import sys
from hashlib import sha256
from pathlib import Path

import platformdirs

from hakobu import resources
from hakobu.freeze.tool import Tell, clean_environment, run
from hakobu_runtime.device.lock import locked
from hakobu_runtime.errors import ToolError
from hakobu_runtime.version import __version__

TOOLS = ("pyinstaller>=6.10",)
"""What makes executables."""
_READY = "ready"
_PATIENCE = 1800.0
"""How many seconds to wait for another freeze that is just making the same room."""


def cache_folder() -> Path:
    """Return where rooms are kept: HAKOBU_CACHE, or the user's cache folder."""
    named = os.environ.get("HAKOBU_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("hakobu", appauthor=False))


def clean_python(tell: Tell) -> Path:
    """Return the Python of the clean room, which is made when it is not there yet; raise ToolError when it cannot be.

    Packages come as wheels alone, so that nothing is compiled, and no foreign build script runs.
    """
    constraints = resources.folder("build") / "constraints.txt"
    wanted = (*requirements(), *TOOLS)
    room = cache_folder() / "freeze" / _name(constraints.read_bytes(), wanted)
    try:
        room.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(
            f"{room.parent}: cannot be made: {error.strerror}; name another folder with HAKOBU_CACHE"
        ) from error
    with locked(room, patience=_PATIENCE):
        if not (room / _READY).exists():
            _furnish(room, constraints, wanted, tell)
    return _python(room)


def requirements() -> tuple[str, ...]:
    """Return what the runtime says that it needs."""
    declared = importlib.metadata.requires("hakobu-runtime") or []
    return tuple(sorted(line for line in declared if "extra ==" not in line))


def _name(constraints: bytes, wanted: tuple[str, ...]) -> str:
    parts = (__version__, sys.version, platform.machine(), sys.base_prefix, *wanted)
    digest = sha256(constraints + "\n".join(parts).encode()).hexdigest()
    return f"{__version__}-py{sys.version_info.major}{sys.version_info.minor}-{digest[:16]}"


def _furnish(room: Path, constraints: Path, wanted: tuple[str, ...], tell: Tell) -> None:
    """Make the room anew; what a broken attempt has left there goes."""
    tell("making a clean venv")
    shutil.rmtree(room, ignore_errors=True)
    environment = {**clean_environment(), "PYTHONNOUSERSITE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def heard(line: str) -> None:
        if line.startswith(("Collecting", "Downloading", "Installing")):
            tell(f"fetching: {line[:60]}")

    make = [sys.executable, "-m", "venv", room]
    remedy = "install what Python's venv needs (on Debian: python3-venv), and look at the disk"
    run("python -m venv", make, environment, room.parent, heard=heard, remedy=remedy)
    install = [
        _python(room),
        "-m",
        "pip",
        "install",
        "--only-binary",
        ":all:",
        "--no-input",
        "-c",
        constraints,
        *wanted,
    ]
    remedy = "it needs a network, or a folder of wheels (PIP_FIND_LINKS), for this once"
    run("pip", install, environment, room.parent, heard=heard, remedy=remedy)
    (room / _READY).write_text("")


def _python(room: Path) -> Path:
    return room / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

"""Making the executable of a bundle."""

import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from time import perf_counter

import hakobu_runtime
from hakobu import resources
from hakobu.freeze.inside import write_inside
from hakobu.freeze.place import check_free, check_room, size_of, workshop
from hakobu.freeze.room import clean_python
from hakobu.freeze.tool import Tell, clean_environment, run
from hakobu.freeze.trial import Tried, try_out
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.trust import Keyring

STAGES = ("making a clean venv", "fetching", "freezing", "trying")
"""What is told while it is done, each with more words after a colon."""

_ROOM = 700_000_000
"""How many bytes a build takes for a while, beside the model."""
EPOCH = "315532800"
"""1980-01-01, as in a bundle: without a SOURCE_DATE_EPOCH of the builder's own, two builds are the same bytes, too."""


class Shape(StrEnum):
    """What the executable comes as."""

    FOLDER = "folder"
    ONE_FILE = "one-file"


@dataclass(frozen=True, slots=True)
class Frozen:
    """An executable that was made and tried."""

    path: Path
    """What is to be handed on: a folder, or the one file."""
    program: Path
    """What is to be run."""
    shape: Shape
    size: int
    """Bytes in all."""
    seconds: float
    tried: Tried

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            "path": str(self.path),
            "program": str(self.program),
            "shape": self.shape.value,
            "bytes": self.size,
            "seconds": round(self.seconds, 1),
            "tried": self.tried.plain(),
        }

    def words(self) -> str:
        """Return it in a few lines."""
        return (
            f"frozen: {self.path} ({self.size / 1e6:,.0f} MB, in {self.seconds:.0f} s)\n"
            f"tried:  {self.tried.words()}\n"
            f"run:    {self.program}"
        )


def freeze(
    bundle: Bundle, keyring: Keyring, shape: Shape, folder: Path, tell: Tell, follow: Follow | None = None
) -> Frozen:
    """Make the executable of `bundle` in `folder`, and try it; nothing is left there when it fails.

    It trusts the keys of `keyring`, for this model alone, and keeps itself current by what it is to `follow`.

    Raises ToolError when PyInstaller fails or is not to be had, or when what it made does not work.
    """
    started = perf_counter()
    name = bundle.manifest.name
    target = folder.absolute() / (f"{name}-{bundle.manifest.version}" if shape is Shape.FOLDER else _file(name))
    check_free(target)
    check_room(target.parent, room_for(bundle), "freezing")
    python = clean_python(tell)
    with workshop(target.parent) as work:
        _lay_out(bundle, keyring, follow, work)
        tell("freezing")
        _make(python, name, target.name if shape is Shape.FOLDER else "", work, tell)
        made = work / "dist" / target.name
        program = Path(_file(name)) if shape is Shape.FOLDER else Path()
        tell("trying: in an empty environment")
        tried = try_out(made / program, bundle, work)
        check_free(target)
        made.rename(target)
    return Frozen(target, target / program, shape, size_of(target), perf_counter() - started, tried)


def room_for(bundle: Bundle) -> int:
    """Return how many bytes making the executable of `bundle` takes for a while."""
    return _ROOM + 4 * len(bundle.model)


def _file(name: str) -> str:
    return f"{name}.exe" if sys.platform == "win32" else name


def _lay_out(bundle: Bundle, keyring: Keyring, follow: Follow | None, work: Path) -> None:
    """Put what goes inside where the spec finds it: the runtime as it is here, and the box."""
    package = Path(hakobu_runtime.__file__).parent
    shutil.copytree(package, work / "runtime" / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    write_inside(bundle, keyring, work / "inside", follow)


def _make(python: Path, name: str, folder: str, work: Path, tell: Tell) -> None:
    """Let PyInstaller make work/dist/NAME."""
    environment = {
        "SOURCE_DATE_EPOCH": EPOCH,
        **clean_environment(),
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYINSTALLER_CONFIG_DIR": str(work / "config"),
    }
    places = ["--workpath", work / "work", "--distpath", work / "dist"]
    asked = ["--name", name, "--runtime", work / "runtime", "--inside", work / "inside"]
    asked += ["--folder", folder] if folder else []
    command = [python, "-m", "PyInstaller", "--noconfirm", *places, resources.folder("build") / "freeze.spec", "--"]

    def heard(line: str) -> None:
        words = line.partition("INFO: ")[2]
        if words:
            tell(f"freezing: {words[:60]}")

    remedy = "mend what it says, and run the command again"
    run("PyInstaller", [*command, *asked], environment, work, heard=heard, remedy=remedy)

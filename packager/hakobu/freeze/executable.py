"""Making the executable of a bundle."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from time import perf_counter

import hakobu_runtime
from hakobu import resources
from hakobu.freeze.room import clean_python
from hakobu.freeze.tool import Tell, clean_environment, run
from hakobu.freeze.trial import Tried, try_out
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.inside import BUNDLE, KEYS, LABEL, SCHEMA, Label
from hakobu_runtime.errors import ToolError, UsageError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.trust import Keyring, Pin

STAGES = ("making a clean venv", "fetching", "freezing", "trying")
"""What is told while it is done, each with more words after a colon."""

_ROOM = 700_000_000
"""How many bytes a build takes for a while, beside the model."""
_EPOCH = "315532800"
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
            "tried": {"version": self.tried.version, "golden_rows": self.tried.rows, "checks": self.tried.checks},
        }

    def words(self) -> str:
        """Return it in a few lines."""
        return (
            f"frozen: {self.path} ({self.size / 1e6:,.0f} MB, in {self.seconds:.0f} s)\n"
            f"tried:  in an empty environment it says {self.tried.version!r}, finds nothing wrong with this PC in "
            f"{self.tried.checks} checks, and scores its {self.tried.rows} golden rows as it should\n"
            f"run:    {self.program}"
        )


def freeze(bundle: Bundle, keyring: Keyring, shape: Shape, folder: Path, tell: Tell) -> Frozen:
    """Make the executable of `bundle` in `folder`, and try it; nothing is left there when it fails.

    It trusts the keys of `keyring`, for this model alone.

    Raises ToolError when PyInstaller fails or is not to be had, or when what it made does not work.
    """
    started = perf_counter()
    name = bundle.manifest.name
    target = folder.absolute() / (f"{name}-{bundle.manifest.version}" if shape is Shape.FOLDER else _file(name))
    _check_target(target)
    _check_room(target.parent, len(bundle.model))
    python = clean_python(tell)
    with _workshop(target.parent) as work:
        _lay_out(bundle, keyring, work)
        tell("freezing")
        _make(python, name, target.name if shape is Shape.FOLDER else "", work, tell)
        made = work / "dist" / target.name
        program = Path(_file(name)) if shape is Shape.FOLDER else Path()
        tell("trying: in an empty environment")
        tried = try_out(made / program, bundle, work)
        _check_target(target)
        made.rename(target)
    size = sum(path.stat().st_size for path in (target, *target.rglob("*")) if path.is_file() and not path.is_symlink())
    return Frozen(target, target / program, shape, size, perf_counter() - started, tried)


def _file(name: str) -> str:
    return f"{name}.exe" if sys.platform == "win32" else name


def _check_target(target: Path) -> None:
    if os.path.lexists(target):
        raise UsageError(f"{target}: is there already; move it away, or name another folder with -o")


def _check_room(folder: Path, model: int) -> None:
    """Say at once what PyInstaller would say after minutes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ToolError(f"{folder}: cannot be used: {error.strerror}; name another folder with -o") from error
    needed = _ROOM + 4 * model
    if free < needed:
        raise ToolError(
            f"{folder}: its disk has {free / 1e6:,.0f} MB free, and freezing takes {needed / 1e6:,.0f} MB for a while; "
            "free some space, or name a folder on another disk with -o"
        )


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """Make a folder for all that is no result, on the disk of the result, and take it away."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".freeze-", ignore_cleanup_errors=True) as work:
            yield Path(work)
    except OSError as error:
        raise ToolError(
            f"{error.filename or folder}: {error.strerror or error}; free some space there, or name another folder "
            "with -o"
        ) from error


def _lay_out(bundle: Bundle, keyring: Keyring, work: Path) -> None:
    """Put what goes inside where the spec finds it: the runtime as it is here, the bundle, its label, and the keys."""
    package = Path(hakobu_runtime.__file__).parent
    shutil.copytree(package, work / "runtime" / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    manifest, inside = bundle.manifest, work / "inside"
    inside.mkdir()
    content = bundle.path.read_bytes()
    if sha256(content).hexdigest() != bundle.digest:
        raise ToolError(f"{bundle.path}: was changed while it was frozen; run the command again")
    keys = Keyring(tuple(Pin(pin.key, (manifest.name,)) for pin in keyring.pins)).to_json()
    label = Label(
        SCHEMA,
        manifest.name,
        manifest.version,
        manifest.description,
        bundle.digest,
        sha256(keys).hexdigest(),
        len(content),
    )
    for file, words in ((BUNDLE, content), (KEYS, keys), (LABEL, encode(label))):
        (inside / file).write_bytes(words)


def _make(python: Path, name: str, folder: str, work: Path, tell: Tell) -> None:
    """Let PyInstaller make work/dist/NAME."""
    environment = {
        "SOURCE_DATE_EPOCH": _EPOCH,
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

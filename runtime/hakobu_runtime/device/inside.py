"""The box that an executable, or an install kit, carries inside. Imports little: `--version` must answer at once."""

import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from hakobu_runtime.errors import FormatError, StateError
from hakobu_runtime.format.codec import Value, decode

SCHEMA: Final = "hakobu.inside/1"
FOLDER: Final = "hakobu_inside"
LABEL: Final = "inside.json"
BUNDLE: Final = "floor.hako"
KEYS: Final = "trust.json"
FOLLOW: Final = "follow.json"
"""What the program follows, where its builder gave it a channel."""
KIT: Final = "HAKOBU_KIT"
"""The variable in which the launcher of an install kit names itself; its box stands in `kit` beside it."""


class Label(Value, frozen=True):
    """What the box inside is, so that it need not be opened to be named."""

    schema: Literal["hakobu.inside/1"]
    model: str
    version: str
    description: str
    digest: str
    """The sha256 of the bundle, in hex."""
    keys: str
    """The sha256 of the pinned keys' file, in hex."""
    size: int
    """How many bytes the bundle has."""
    follow: str = ""
    """The sha256 of the update settings' file, in hex; "" where there is none."""


@dataclass(frozen=True, slots=True)
class Inside:
    """The box in this program: its label, the bundle, and the keys that it is trusted by."""

    folder: Path
    label: Label
    mark: bytes
    """The label as it is written: what a state notes when it has taken the box in."""

    @property
    def bundle(self) -> Path:
        """The file of the bundle."""
        return self.folder / BUNDLE

    @property
    def keys(self) -> Path:
        """The file of the keys that the builder pinned."""
        return self.folder / KEYS

    @property
    def follow(self) -> Path | None:
        """The file of the update settings, where there are any."""
        return self.folder / FOLLOW if self.label.follow else None


def read_inside(folder: Path) -> Inside:
    """Return the box that lies unpacked in `folder`; raise StateError when it is damaged."""
    path = folder / LABEL
    try:
        content = path.read_bytes()
        return Inside(folder, decode(content, Label, str(path)), content)
    except (OSError, FormatError) as error:
        raise StateError(f"{path}: this program is damaged ({error}); get it again from who gave it to you") from error


@lru_cache(maxsize=1)
def box_inside() -> Inside | None:
    """Return the box in this executable, or in the kit that started this process; None where it is neither."""
    unpacked = getattr(sys, "_MEIPASS", None)  # PyInstaller says so where its files are
    if unpacked is not None:
        return read_inside(Path(unpacked, FOLDER)) if Path(unpacked, FOLDER).is_dir() else None
    launcher = own_program()
    return read_inside(launcher.parent / "kit" / FOLDER) if launcher is not None else None


def own_program() -> Path | None:
    """Return what people start for this process: the executable, or a kit's launcher; None where Python itself is."""
    if getattr(sys, "frozen", False):
        return Path(sys.executable)
    launcher = os.environ.get(KIT)
    return Path(launcher) if launcher else None


def unpacked() -> Path | None:
    """Return where this executable of one file has unpacked itself for this start; None where nothing was unpacked."""
    place = Path(getattr(sys, "_MEIPASS", ""))
    return place if place.name.startswith("_MEI") else None

"""The box that an executable carries inside. Imports little: `--version` must answer at once."""

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


@dataclass(frozen=True, slots=True)
class Inside:
    """The box in this executable: its label, the bundle, and the keys that it is trusted by."""

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
    """Return the box in this executable; None where this is no executable of its own."""
    unpacked = getattr(sys, "_MEIPASS", None)  # PyInstaller says so where its files are
    return read_inside(Path(unpacked, FOLDER)) if unpacked and Path(unpacked, FOLDER).is_dir() else None

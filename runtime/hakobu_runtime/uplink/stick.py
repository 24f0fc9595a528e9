"""Where things lie on a stick: what goes out to the devices, what comes home, and the word that it did.

All names are of small letters, digits, hyphens and dots, so that they survive where case is not told apart.
"""

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hakobu_runtime.errors import FormatError, SizeError
from hakobu_runtime.format import parcel, receipt
from hakobu_runtime.format.parcel import DEVICE

_SERIAL = re.compile(rf"([1-9]\d{{0,15}}){re.escape(parcel.ENDING)}")


@dataclass(frozen=True, slots=True)
class Stick:
    """A folder that carries a depot out and tallies back."""

    root: Path

    @property
    def place(self) -> Path:
        """The one folder on the stick that is hakobu's."""
        return self.root / "hakobu"

    @property
    def depot(self) -> Path:
        """What it carries out."""
        return self.place / "depot"

    @property
    def receipts(self) -> Path:
        """The word that came back."""
        return self.root / receipt.FOLDER

    @property
    def tallies(self) -> Path:
        """What comes home."""
        return self.root / parcel.FOLDER

    def receipt(self, device: str) -> Path:
        """Return where the receipt of a device lies."""
        return self.receipts / f"{device}{receipt.ENDING}"

    def device(self, device: str) -> Path:
        """Return where the parcels of a device lie."""
        return self.tallies / device

    def parcel(self, device: str, serial: int) -> Path:
        """Return where a parcel lies."""
        return self.device(device) / f"{serial}{parcel.ENDING}"

    def parcels(self, device: str) -> Iterator[tuple[int, Path]]:
        """Yield the parcels of a device by their serials, oldest first; raise OSError."""
        found = ((_SERIAL.fullmatch(path.name), path) for path in _entries(self.device(device)))
        yield from sorted((int(match[1]), path) for match, path in found if match)

    def devices(self) -> Iterator[str]:
        """Yield the names of the devices that have parcels here; raise OSError."""
        yield from sorted(path.name for path in _entries(self.tallies) if DEVICE.fullmatch(path.name))


def read_capped(path: Path, most: int) -> bytes:
    """Return the content of a file that somebody put there.

    Raises OSError, and FormatError when it is no plain file, or larger than `most` bytes.
    """
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise FormatError(f"{path}: is no file: nothing is read through links and devices")
    if status.st_size > most:
        raise SizeError(f"{path}: has {status.st_size:,} bytes, which none needs: it is something else")
    with path.open("rb") as file:
        return file.read(most + 1)


def _entries(folder: Path) -> Iterator[Path]:
    """Yield what lies in `folder`; nothing where that is not there, or leads elsewhere."""
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            return
        found = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    yield from found

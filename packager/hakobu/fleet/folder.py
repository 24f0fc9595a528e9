"""A folder of parcels that came home: by device, each once, and the key by which each device is known."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hakobu_runtime.disk import sync_folder, write_whole
from hakobu_runtime.errors import DamageError, FormatError, StateError, TrustError
from hakobu_runtime.format.parcel import DEVICE, ENDING, LARGEST_FILE
from hakobu_runtime.format.receipt import MOST_PARCELS, CameHome
from hakobu_runtime.trust import PublicKey
from hakobu_runtime.uplink.parcel import Opened, read_parcel
from hakobu_runtime.uplink.stick import read_capped

_KEY = "device.pub"
_LARGEST_KEY = 64 << 10


@dataclass(frozen=True, slots=True)
class Fleet:
    """The folder: `DEVICE/device.pub` and `DEVICE/SERIAL.parcel`, as they came."""

    path: Path

    def devices(self) -> tuple[str, ...]:
        """Return the names of the devices that are known, by name; raise StateError when they cannot be read."""
        try:
            found = tuple(self.path.iterdir()) if self.path.is_dir() else ()
        except OSError as error:
            raise StateError(f"{self.path}: cannot be read: {error.strerror}; check its permissions") from error
        return tuple(sorted(path.name for path in found if DEVICE.fullmatch(path.name) and (path / _KEY).exists()))

    def key(self, device: str) -> PublicKey | None:
        """Return the key by which a device is known; None when it is not known yet."""
        path = self.path / device / _KEY
        try:
            return PublicKey.from_pem(read_capped(path, _LARGEST_KEY), str(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error
        except (FormatError, TrustError) as error:
            raise DamageError(f"{error}; it says whom the device {device} is known by: take it from a copy") from error

    def take(self, opened: Opened, content: bytes) -> bool:
        """Keep a parcel, on the disk when this returns; say whether it is new here. The first key of a device is its.

        Raises TrustError when the device is known by another key, or another parcel has that serial; StateError when
        the disk refuses.
        """
        device, serial = opened.parcel.device, opened.parcel.serial
        self._check_key(device, opened.key)
        path = self._path(device, serial)
        if path.exists():
            if self.read(device, serial).digest != opened.digest:
                raise TrustError(
                    f"device {device}: its parcel {serial} came before, with other content: two devices go by one "
                    "name, or one was set back to a copy; give one of them a new --state folder, if there are two"
                )
            return False
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True)
                sync_folder(self.path)
            if not (path.parent / _KEY).exists():
                write_whole(path.parent / _KEY, opened.key.pem)
            write_whole(path, content)
        except OSError as error:
            raise StateError(
                f"{error.filename or path}: cannot be written: {error.strerror}; free some space or mend the "
                "permissions there, and run the command again"
            ) from error
        return True

    def read(self, device: str, serial: int) -> Opened:
        """Return a parcel that is here; raise StateError when it is damaged."""
        path = self._path(device, serial)
        try:
            return read_parcel(read_capped(path, LARGEST_FILE), str(path))
        except OSError as error:
            raise StateError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error
        except (FormatError, TrustError) as error:
            raise DamageError(
                f"{error}; take it from a copy, or take it away: the device sends its counts again"
            ) from error

    def serials(self, device: str) -> tuple[int, ...]:
        """Return the serials of the parcels of a device, in order."""
        stems = (path.stem for path in (self.path / device).glob(f"[1-9]*{ENDING}"))
        return tuple(sorted(int(stem) for stem in stems if stem.isdecimal()))

    def files(self) -> Iterator[Path]:
        """Yield the files of all parcels, by device and serial."""
        for device in self.devices():
            yield from (self._path(device, serial) for serial in self.serials(device))

    def parcels(self, device: str) -> Iterator[Opened]:
        """Yield the parcels of a device, oldest first; raise StateError when one is damaged."""
        for serial in self.serials(device):
            yield self.read(device, serial)

    def homes(self, device: str) -> tuple[CameHome, ...]:
        """Return what a receipt for the device says: its newest parcels."""
        return tuple(
            CameHome(serial, self.read(device, serial).digest) for serial in self.serials(device)[-MOST_PARCELS:]
        )

    def _check_key(self, device: str, key: PublicKey) -> None:
        known = self.key(device)
        if known is not None and known != key:
            raise TrustError(
                f"device {device}: is known by the key {known.identity[:16]}…, and this is signed with "
                f"{key.identity[:16]}…: it is forged, or the device lost its key; if you know that it did, take "
                f"{self.path / device / _KEY} away"
            )

    def _path(self, device: str, serial: int) -> Path:
        return self.path / device / f"{serial}{ENDING}"

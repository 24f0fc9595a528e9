"""`hakobu stick read`: parcels come home from a stick, and receipts go back on it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from hakobu.fleet.folder import Fleet
from hakobu.fleet.standing import Standing, standings
from hakobu_runtime.disk import sync_folder, write_whole
from hakobu_runtime.errors import FormatError, HakobuError, TransferError, TrustError
from hakobu_runtime.format.channel import Channel
from hakobu_runtime.format.parcel import ENDING, FOLDER, LARGEST_FILE, Parcel
from hakobu_runtime.format.receipt import LARGEST, SCHEMA, CameHome, Receipt
from hakobu_runtime.trust import PrivateKey
from hakobu_runtime.uplink.parcel import read_parcel
from hakobu_runtime.uplink.receipt import read_receipt, write_receipt
from hakobu_runtime.uplink.stick import Stick, read_capped

_AHEAD = timedelta(days=1)
"""How far a device's clock may be ahead before that is told."""

Warn = Callable[[str], None]


class Gatherer(Protocol):
    """Who keeps what came home."""

    def homes(self, device: str) -> tuple[CameHome, ...]:
        """Return what a receipt for the device says: its newest parcels."""
        ...


@dataclass(slots=True)
class Gathered:
    """What came home."""

    new: int = 0
    """Parcels that were not in the fleet's folder."""
    known: int = 0
    """Parcels that were."""
    refused: list[HakobuError] = field(default_factory=list)
    receipts: int = 0
    """Written now."""
    devices: set[str] = field(default_factory=set)
    """Whose parcels were taken, now or before."""


def read_stick(
    stick: Stick, fleet: Fleet, now: datetime, known: Mapping[str, frozenset[str]] | None, warn: Warn
) -> Gathered:
    """Take the parcels of a stick, or of a folder of parcels, into the fleet's folder; `warn` hears what is odd.

    A parcel that is not in order is refused with its reason, nothing of it is kept, and the rest goes on. `known` are
    the digests of the bundles that were published, by model, where that is known. Raises TransferError when the stick
    fails, StateError when the fleet's folder does: what was taken stays.
    """
    gathered = Gathered()
    try:
        for path in parcel_files(stick):
            try:
                parcel, is_new = _take(path, fleet)
            except (FormatError, TrustError) as error:
                gathered.refused.append(error)
                warn(f"refused: {error}")
                continue
            for words in _oddities(parcel, now, known) if is_new else ():
                warn(f"{path}: {words}")
            gathered.new += is_new
            gathered.known += not is_new
            gathered.devices.add(parcel.device)
    except OSError as error:
        raise TransferError(
            f"{error.filename or stick.root}: the stick fails: {error.strerror or error}; put it in again and run the "
            "command again: what was read before is kept"
        ) from error
    return gathered


def give_receipts(stick: Stick, gatherer: Gatherer, gathered: Gathered, key: PrivateKey, now: datetime) -> None:
    """Write a receipt for each device whose parcels were taken, unless it lies there by now.

    Raises TransferError when the stick cannot be written to: what was taken stays taken.
    """
    try:
        for device in sorted(gathered.devices):
            came, path = gatherer.homes(device), stick.receipt(device)
            if not _says(path, device, came, key):
                _make_folder(stick)
                receipt = Receipt(SCHEMA, device, now.isoformat(timespec="seconds"), came)
                write_whole(path, write_receipt(receipt, key))
                gathered.receipts += 1
    except OSError as error:
        raise TransferError(
            f"{stick.root}: receipts cannot be written: {error.strerror or error}; the counts are taken all the same, "
            "and the devices send them once more"
        ) from error


def survey(fleet: Fleet, devices: Iterable[str], channels: Mapping[tuple[str, str], Channel]) -> tuple[Standing, ...]:
    """Return how these devices stand, by all that came home."""
    return tuple(
        standing
        for device in sorted(devices)
        for standing in standings((opened.parcel for opened in fleet.parcels(device)), channels)
    )


def refused(gathered: Gathered) -> HakobuError | None:
    """Return the error that says that parcels were refused; None when none was."""
    if not gathered.refused:
        return None
    worst = max(gathered.refused, key=lambda error: error.exit_code)
    many = len(gathered.refused) + gathered.new + gathered.known
    return type(worst)(f"{len(gathered.refused)} of {many} parcels were refused; the reasons stand above")


def parcel_files(stick: Stick) -> Iterator[Path]:
    """Yield the parcels of a stick, by device and serial; or those that lie in the folder itself.

    Raises TransferError when it is none of both, and OSError when it fails.
    """
    if stick.tallies.is_dir():
        for device in stick.devices():
            yield from (path for _, path in stick.parcels(device))
    elif stick.root.is_dir():
        found = [path for path in stick.root.iterdir() if path.name.endswith(ENDING) and path.name[0] != "."]
        if not found and not stick.place.is_dir():
            raise TransferError(f"{stick.root}: holds no parcels, neither in {FOLDER} nor by itself: is it the stick?")
        yield from sorted(found)
    else:
        raise TransferError(f"{stick.root}: there is no such folder: put the stick in, or check its name")


def _take(path: Path, fleet: Fleet) -> tuple[Parcel, bool]:
    content = read_capped(path, LARGEST_FILE)
    opened = read_parcel(content, str(path))
    try:
        return opened.parcel, fleet.take(opened, content)
    except TrustError as error:
        raise TrustError(f"{path}: {error}") from error


def _oddities(parcel: Parcel, now: datetime, known: Mapping[str, frozenset[str]] | None) -> Iterator[str]:
    """Say what is odd about a parcel that is taken all the same: its counts are right, whatever else is not."""
    made = datetime.fromisoformat(parcel.made)
    if made > now + _AHEAD:
        yield f"the clock of device {parcel.device} says {made:%Y-%m-%d}, ahead of today: set it; the counts are taken"
    if known is None:
        return
    for model in sorted({tally.model for tally in parcel.tallies}):
        if model.digest not in known.get(model.name, ()):
            yield (
                f"device {parcel.device} counted with {model.name} {model.version} (sha256 {model.digest[:16]}…), "
                "which was never published in the depot; the counts are taken"
            )


def _says(path: Path, device: str, homes: tuple[CameHome, ...], key: PrivateKey) -> bool:
    """Say whether the receipt at `path` is what would be written now."""
    try:
        found = read_receipt(read_capped(path, LARGEST), device, (key.public.pem.decode(),), str(path))
    except (FileNotFoundError, FormatError, TrustError):
        return False
    return found.parcels == homes


def _make_folder(stick: Stick) -> None:
    for folder in (stick.place, stick.receipts):
        if folder.is_symlink():
            raise TransferError(f"{folder}: leads somewhere else, so no receipts are written: take it away")
        if not folder.is_dir():
            folder.mkdir()
            sync_folder(folder.parent)

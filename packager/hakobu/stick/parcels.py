"""Parcels as they lie somewhere: in a fleet's folder, on a stick, or by themselves; read, but not taken anywhere."""

from collections.abc import Callable, Iterator
from pathlib import Path

from hakobu.fleet.folder import Fleet
from hakobu.stick.read import parcel_files
from hakobu_runtime.errors import FormatError, HakobuError, InputError, StateError, TransferError, TrustError
from hakobu_runtime.format.parcel import LARGEST_FILE, Parcel
from hakobu_runtime.uplink.parcel import read_parcel
from hakobu_runtime.uplink.stick import Stick, read_capped


def parcels_at(root: Path, refuse: Callable[[HakobuError], None]) -> Iterator[Parcel]:
    """Yield the parcels at `root` whose signatures hold; `refuse` hears of each that is not in order.

    In a fleet's folder a device is known by its key; elsewhere by the first that it comes with. Raises InputError when
    there is no such place, TransferError when it fails.
    """
    if not root.is_dir():
        raise InputError(f"{root}: there is no such folder; name one that 'hakobu stick read' keeps, or a stick")
    fleet = Fleet(root)
    if fleet.devices() and not Stick(root).tallies.is_dir():
        yield from _kept(fleet, refuse)
        return
    keys: dict[str, str] = {}
    try:
        for path in parcel_files(Stick(root)):
            try:
                parcel = read_parcel(read_capped(path, LARGEST_FILE), str(path)).parcel
                if keys.setdefault(parcel.device, parcel.key) != parcel.key:
                    raise TrustError(
                        f"{path}: is signed with another key than the parcels of {parcel.device} before it: one of "
                        "them is forged, or the device lost its key"
                    )
            except (FormatError, TrustError) as error:
                refuse(error)
            else:
                yield parcel
    except OSError as error:
        raise TransferError(
            f"{error.filename or root}: cannot be read: {error.strerror or error}; check the stick, and its permissions"
        ) from error


def _kept(fleet: Fleet, refuse: Callable[[HakobuError], None]) -> Iterator[Parcel]:
    for device in fleet.devices():
        key = fleet.key(device)
        for serial in fleet.serials(device):
            try:
                opened = fleet.read(device, serial)
                if opened.key != key or opened.parcel.device != device:
                    raise TrustError(f"{fleet.path / device}: parcel {serial} is not signed by this device")
            except (StateError, TrustError) as error:
                refuse(error)
            else:
                yield opened.parcel

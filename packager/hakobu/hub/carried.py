"""`hakobu hub import`: parcels that somebody carries to the hub, on a stick or in a folder."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from hakobu.fleet.folder import Fleet
from hakobu.hub.database import Database
from hakobu.hub.intake import Taken, homes, take_many
from hakobu.stick.read import Gathered, Warn, parcel_files
from hakobu_runtime.errors import FormatError, TransferError, TrustError
from hakobu_runtime.format.parcel import LARGEST_FILE
from hakobu_runtime.format.receipt import CameHome
from hakobu_runtime.uplink.stick import Stick, read_capped


def files(stick: Stick) -> tuple[Path, ...]:
    """Return the parcels of a stick, of a folder of parcels, or of a folder that `hakobu stick read` keeps.

    Raises TransferError when there are none of these, or it fails.
    """
    try:
        if not stick.tallies.is_dir():
            found = tuple(Fleet(stick.root).files())
            if found:
                return found
        return tuple(parcel_files(stick))
    except OSError as error:
        raise _failed(stick, error) from error


def import_parcels(
    database: Database,
    stick: Stick,
    paths: tuple[Path, ...],
    now: datetime,
    warn: Warn,
    progress: Callable[[int], None] = lambda many: None,
    newcomers: str | None = None,
) -> Gathered:
    """Take parcels into the hub; those that are not in order are refused with their reasons, and the rest goes on.

    `newcomers` is the group that unknown devices are enrolled in, by the key that comes first; None refuses them.
    Raises TransferError when the stick fails, StateError when the database does: what was taken stays.
    """
    gathered = Gathered()
    try:
        for found in take_many(database, _items(paths), now, progress, newcomers):
            if not isinstance(found, Taken):
                kind = TrustError if isinstance(found.error, TrustError) else FormatError
                gathered.refused.append(kind(str(found.error)))
                warn(f"refused: {found.error}")
                continue
            for words in found.left_out:
                warn(f"{found.where}: left out: {words}")
            gathered.new += found.is_new
            gathered.known += not found.is_new
            gathered.devices.add(found.device)
    except OSError as error:
        raise _failed(stick, error) from error
    return gathered


@dataclass(frozen=True, slots=True)
class Keeper:
    """Says what came home to the hub, for receipts."""

    database: Database

    def homes(self, device: str) -> tuple[CameHome, ...]:
        """Return what a receipt for the device says: its newest parcels."""
        with self.database.read() as connection:
            return homes(connection, device)


def _items(paths: tuple[Path, ...]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for path in paths:
        yield str(path), partial(read_capped, path, LARGEST_FILE)


def _failed(stick: Stick, error: OSError) -> TransferError:
    return TransferError(
        f"{error.filename or stick.root}: the stick fails: {error.strerror or error}; put it in again and run the "
        "command again: what was read before is kept"
    )

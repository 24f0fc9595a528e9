"""A stick as a device sees it: its counts leave on it, and the word that earlier ones came home arrives."""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from hakobu_runtime.device.arrival import Warn
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.homecoming import homes_of, outcomes_of, settle
from hakobu_runtime.device.identity import device_key
from hakobu_runtime.device.ledger import device_id, last_serial
from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.outgoing import Packed, pack
from hakobu_runtime.device.state import State
from hakobu_runtime.disk import sync_folder, write_whole
from hakobu_runtime.errors import FormatError, TransferError, TrustError
from hakobu_runtime.format import receipt
from hakobu_runtime.format.parcel import LARGEST_FILE, Parcel
from hakobu_runtime.format.tally import Tally
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.uplink.parcel import read_parcel
from hakobu_runtime.uplink.stick import Stick, read_capped

_PATIENCE = 30.0
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_REMEDIES = {
    errno.ENOSPC: "free some space on it",
    errno.EROFS: "slide its lock open, or take another one",
    errno.EACCES: "check who may write there",
    errno.EPERM: "check who may write there",
}

Counted = tuple[str, Window]
"""An epoch, and a window in it."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What a stick took along, and what it brought about earlier parcels."""

    schema: ClassVar = "hakobu.carried/1"
    about: ClassVar = "the stick"

    device: str
    serials: tuple[int, ...]
    """Of the parcels that it took; none where it cannot be written to."""
    windows: int
    """That they hold, with the days of outcomes."""
    size: int
    """Bytes."""
    settled: int
    """How many windows need not be sent any more."""

    def said(self) -> str:
        """Return it for a person."""
        settled = f"; {_many(self.settled)} came home before" if self.settled else ""
        if not self.serials:
            return f"no counts leave on this stick, which cannot be written to; what it brought was read{settled}"
        numbers = ", ".join(map(str, self.serials))
        return f"counts of {_many(self.windows)} leave on this stick (parcel {numbers}, {self.size:,} bytes){settled}"

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


def stick_at(source: str | None) -> Stick | None:
    """Return the stick that `source` is; None where it is none, but an address, or a depot."""
    stick = Stick(Path(source)) if source and "://" not in source else None
    return stick if stick is not None and stick.place.is_dir() else None


def carry(state: State, stick: Stick, now: datetime, warn: Warn) -> Carried:
    """Read what came back on the stick, and put on it what is to go home; `warn` hears what was not believed.

    Killed, or the stick pulled out, at any moment: what lies there by its full name is whole, nothing of the journal
    is lost, and the next time goes on. Raises TransferError when the stick fails.
    """
    device = device_id(state)
    with _reachable(stick), locked(state.root / "stick", patience=_PATIENCE):
        homes = _homes(state, stick, device, warn)
        settled = settle(state, homes)
        if not _is_open(stick, device):
            return Carried(device, (), 0, 0, settled)
        packed = pack(state, now, beyond=max(_highest(state, stick, device), *homes, 0))
        for one in packed:
            _write(stick.parcel(device, one.parcel.serial), one.content)
        _remove_covered(state, stick, packed)
    return Carried(
        device,
        tuple(one.parcel.serial for one in packed),
        sum(len(one.parcel.tallies) + len(one.parcel.outcomes) for one in packed),
        sum(len(one.content) for one in packed),
        settled,
    )


def _homes(state: State, stick: Stick, device: str, warn: Warn) -> dict[int, str]:
    """Return the serials and digests of the parcels of this device that came home, by the receipt on the stick."""
    path = stick.receipt(device)
    try:
        return homes_of(state, read_capped(path, receipt.LARGEST), device, str(path))
    except FileNotFoundError:
        return {}
    except (FormatError, TrustError) as error:
        warn(str(error))
        return {}


def _highest(state: State, stick: Stick, device: str) -> int:
    """Return the highest serial of this device on the stick that it does not remember, as after a restored backup."""
    last = last_serial(state)
    for serial, path in reversed(list(stick.parcels(device))):
        if serial <= last:
            break
        if _own(state, path) is not None:
            return serial
    return last


def _is_open(stick: Stick, device: str) -> bool:
    """Say whether the stick can be written to; the folder of the device is there then."""
    folder = stick.device(device)
    try:
        for place in (stick.place, stick.tallies, folder):
            if place.is_symlink():
                raise TransferError(f"{place}: leads somewhere else: take it away from the stick")
            if not place.is_dir():
                place.mkdir()
                sync_folder(place.parent)
    except OSError as error:
        if error.errno in _CLOSED:
            return False
        raise
    return os.access(folder, os.W_OK)


def _write(path: Path, content: bytes) -> None:
    for draft in path.parent.glob(".*.partial"):  # of a stick that was pulled out
        with suppress(OSError):
            draft.unlink()
    write_whole(path, content)


def _remove_covered(state: State, stick: Stick, packed: tuple[Packed, ...]) -> None:
    """Take those own parcels away whose counts came home, or are in the new ones too.

    One of an earlier journal, which was damaged since, stays: it may be all that is left of those counts. What this
    device has not signed is not its to take away.
    """
    device, newest = packed[0].parcel.device, {one.parcel.serial for one in packed}
    with open_journal(state) as journal:
        kept = {(tally.epoch, tally.window): tally.revision for tally in journal.tallies(device)}
    days = {(one.epoch, one.window): one.revision for one in outcomes_of(state, device, unsent=False)}
    for serial, path in stick.parcels(device):
        if serial in newest:
            continue
        found = _own(state, path)
        if found is not None and _is_covered(found, kept, days):
            path.unlink()
    sync_folder(stick.device(device))


def _own(state: State, path: Path) -> Parcel | None:
    """Return the parcel at `path` when this device has signed it."""
    try:
        found = read_parcel(read_capped(path, LARGEST_FILE), str(path))
    except (FormatError, TrustError):
        return None
    return found.parcel if found.key == device_key(state).public else None


def _is_covered(found: Parcel, kept: Mapping[Counted, int], days: Mapping[Counted, int]) -> bool:
    """Say whether this device still has all that the parcel counts, by the revisions that it has."""
    return all(_is_kept(tally, kept) for tally in found.tallies) and all(
        days.get((one.epoch, one.window), -1) >= one.revision for one in found.outcomes
    )


def _is_kept(tally: Tally, kept: Mapping[Counted, int]) -> bool:
    """Say whether the journal holds all that `tally` counted: in this window, or in a longer one around it."""
    longer = (tally.window.widen(span) for span in (Span.DAY, Span.MONTH))
    if any((tally.epoch, window) in kept for window in longer if window != tally.window):
        return True
    return kept.get((tally.epoch, tally.window), -1) >= tally.revision


def _many(windows: int) -> str:
    return f"{windows:,} window{'s' if windows != 1 else ''}"


@contextmanager
def _reachable(stick: Stick) -> Iterator[None]:
    """Turn what the system says about the stick into words."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "put it in again")
        raise TransferError(
            f"{error.filename or stick.root}: the stick fails: {error.strerror or error}; {remedy} and run the command "
            "again: nothing is lost, and what is not whole does not count"
        ) from error

"""Taking in the box of an executable: the floor, below which no device that it runs on falls."""

from datetime import datetime
from pathlib import Path

from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.device.barred import held_back, why_barred
from hakobu_runtime.device.follow import open_follow, read_follow, take_follow
from hakobu_runtime.device.inside import LABEL, Inside, Label
from hakobu_runtime.device.install import install
from hakobu_runtime.device.ledger import reading
from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.slots import Slot, active_slots, bundle_path, open_active
from hakobu_runtime.device.state import State, change_keyring
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import StateError, TooNewError
from hakobu_runtime.format.manifest import precedence
from hakobu_runtime.trust import Keyring, Pin

_PATIENCE = 120.0
"""How many seconds to wait for another one that was started at the same time, and tries the golden rows."""


def settle(state: State, box: Inside, now: datetime) -> None:
    """Take the box in when this executable runs on this state for the first time, or what it put there is gone.

    The pinned keys are trusted then, once: a trust that was taken back later stays so; and the channel is followed that
    the builder gave, unless the device was given a later one. The bundle becomes the active one unless a newer one is,
    or it may not be used here. Raises like `install` when this machine computes something else.
    """
    mark = state.root / LABEL
    if _is_settled(state, box, mark):
        return
    with locked(mark, patience=_PATIENCE):
        if _is_settled(state, box, mark):  # another one that was started at the same time has done it
            return
        if _noted(mark) != box.mark:
            change_keyring(state, lambda keyring: _with(keyring, pinned_keys(box)))
            _follow(state, box)
        if not _newer(state, box.label) and _may_use(state, box.label):
            install(state, box.bundle, now)
        try:
            write_whole(mark, box.mark)
        except OSError as error:
            raise StateError(f"{mark}: cannot be written: {error.strerror}; check the disk") from error


def too_new(state: State, box: Inside) -> str:
    """Say which installed bundle of the model needs a newer runtime than this one; "" when it can be used.

    A newer program may have put it into a state that both use.
    """
    if not _newer(state, box.label):
        return ""
    try:
        open_active(state, box.label.model)
    except TooNewError as error:
        return str(error)
    except StateError:
        pass  # it is revoked, say: whoever scores hears so, and `sync` can mend it
    return ""


def _is_settled(state: State, box: Inside, mark: Path) -> bool:
    if _noted(mark) != box.mark or not state.slots.exists():
        return False
    active = _active(state, box.label)
    if active is None or active.digest != box.label.digest:
        return active is not None
    copy = bundle_path(state, active)
    return copy.exists() and copy.stat().st_size == box.label.size


def _follow(state: State, box: Inside) -> None:
    """Follow what the box says, unless what is followed was given later."""
    if box.follow is None:
        return
    given = open_follow(box.follow)
    try:
        present = read_follow(state, given.model)
    except StateError:
        present = None
    if present is None or present.earliest < given.earliest:
        take_follow(state, given)


def _may_use(state: State, label: Label) -> bool:
    """Say whether the bundle inside is neither barred nor held back here."""
    with reading(state) as ledger:
        ban = why_barred(ledger.read, label.model, label.version, label.digest)
    return not ban and label.digest not in {held.digest for held in held_back(state, label.model)}


def _noted(mark: Path) -> bytes | None:
    try:
        return mark.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{mark}: cannot be read: {error.strerror}; check its permissions") from error


def _newer(state: State, label: Label) -> bool:
    """Say whether a newer bundle of the model is installed."""
    active = _active(state, label)
    return active is not None and precedence(active.version) > precedence(label.version)


def _active(state: State, label: Label) -> Slot | None:
    return next((slot for slot in active_slots(state) if slot.model == label.model), None)


def _with(keyring: Keyring, pinned: Keyring) -> Keyring:
    """Return `keyring` with the pinned keys, each for what it was trusted for already and for what it is pinned for."""
    for pin in pinned.pins:
        known = keyring.find(pin.key.identity)
        models = tuple(dict.fromkeys((*(known.models if known else ()), *pin.models)))
        keyring = keyring.add(Pin(pin.key, models))
    return keyring


def pinned_keys(box: Inside) -> Keyring:
    """Return the keys that the builder pinned in the executable."""
    return Keyring.from_json(box.keys.read_bytes(), str(box.keys))


def open_floor(box: Inside) -> Bundle:
    """Return the verified bundle inside."""
    return open_bundle(box.bundle, pinned_keys(box))

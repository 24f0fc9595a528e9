"""Taking in the box of an executable: the floor, below which no device that it runs on falls."""

from datetime import datetime
from pathlib import Path

from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.device.inside import LABEL, Inside, Label
from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.slots import active_slots, install, open_active
from hakobu_runtime.device.state import State, change_keyring
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import StateError, TooNewError
from hakobu_runtime.format.manifest import release
from hakobu_runtime.trust import Keyring, Pin

_PATIENCE = 120.0
"""How many seconds to wait for another one that was started at the same time, and tries the golden rows."""


def settle(state: State, box: Inside, now: datetime) -> None:
    """Take the box in when this executable runs on this state for the first time, or what it put there is gone.

    The pinned keys are trusted then, once: a trust that was taken back later stays so. The bundle becomes the active
    one unless a newer one is. Raises like `slots.install` when this machine computes something else.
    """
    mark = state.root / LABEL
    if _is_settled(state, box, mark):
        return
    with locked(mark, patience=_PATIENCE):
        if _is_settled(state, box, mark):  # another one that was started at the same time has done it
            return
        if _noted(mark) != box.mark:
            change_keyring(state, lambda keyring: _with(keyring, pinned_keys(box)))
        if not _newer(state, box.label):
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
    return ""


def _is_settled(state: State, box: Inside, mark: Path) -> bool:
    if _noted(mark) != box.mark or not state.slots.exists():
        return False
    copy = state.bundles / f"{box.label.digest}.hako"
    if copy.exists():
        return copy.stat().st_size == box.label.size
    return _newer(state, box.label)


def _noted(mark: Path) -> bytes | None:
    try:
        return mark.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{mark}: cannot be read: {error.strerror}; check its permissions") from error


def _newer(state: State, label: Label) -> bool:
    """Say whether a newer bundle of the model is installed."""
    found = [slot.version for slot in active_slots(state) if slot.model == label.model]
    return bool(found) and _order(found[0]) > _order(label.version)


def _order(version: str) -> tuple[tuple[int, ...], bool, str]:
    """Return what versions are compared by: 1.0.0-rc.1 comes before 1.0.0."""
    preview = version.partition("-")[2]
    return release(version), not preview, preview


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

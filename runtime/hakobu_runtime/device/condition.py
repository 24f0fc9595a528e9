"""The condition of a state folder, and of what is installed in it."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.device import ledger, machine, outcomes_store
from hakobu_runtime.device.age import age_check
from hakobu_runtime.device.counting import set_aside_files
from hakobu_runtime.device.diagnosis import Check, Health, failure, guarded, ok, warning
from hakobu_runtime.device.floor import open_floor
from hakobu_runtime.device.inside import Inside, box_inside, unpacked
from hakobu_runtime.device.outcomes_setting import read_keep
from hakobu_runtime.device.reach import reach
from hakobu_runtime.device.slots import Slot, active_slots, bundle_path
from hakobu_runtime.device.state import State, default_folder, read_keyring
from hakobu_runtime.errors import BundleError, DamageError, HakobuError, StateError, TrustError
from hakobu_runtime.journal import tables
from hakobu_runtime.scorer.scorer import Scorer

_PATIENCE = 5.0
_FOLDER, _DATABASE, _INSIDE, _KEPT = "state folder", "state database", "bundle inside", "predictions"
_PIN = "remove it and pin the keys again: hakobu-run trust add KEY.pub"
_AGAIN = "install it again: hakobu-run install FILE.hako"
_ELSEWHERE = "make it a folder that this user may write to, or name another one with --state DIR"


def examine(folder: Path | None, now: datetime) -> tuple[Path | None, tuple[Check, ...]]:
    """Return where the state is, and what was found of it; nothing of it is changed."""
    try:
        state = State(folder or default_folder())
    except StateError as error:
        return None, (failure(_FOLDER, str(error), "name a folder with --state DIR, or set HAKOBU_STATE"),)
    return state.root, tuple(_checks(state, now))


def _checks(state: State, now: datetime) -> Iterator[Check]:
    yield guarded(_FOLDER, lambda: _folder(state.root))
    yield guarded("disk", lambda: machine.disk(state.root))
    if os.path.lexists(state.root) and not state.root.is_dir():
        return
    yield guarded("keys", lambda: _keys(state))
    yield guarded(_DATABASE, lambda: _file(_DATABASE, state.slots, ledger.examine, "it is made when it is needed"))
    yield guarded("journal", lambda: _journal(state))
    yield guarded(_KEPT, lambda: _predictions(state))
    installed: tuple[Slot, ...] = ()
    try:
        installed = active_slots(state) if state.slots.exists() else ()
    except (HakobuError, OSError):
        yield warning("models", "not looked at: the state database cannot be read", f"mend the {_DATABASE} first")
    else:
        if not installed:
            yield warning("models", "none is installed", "install one: hakobu-run install FILE.hako")
    if (box := box_inside()) is not None:
        yield guarded(_INSIDE, lambda: _inside(box))
    if (place := unpacked()) is not None:
        yield guarded("temporary folder", lambda: machine.unpacking(place, now))
    yield guarded("clock", lambda: machine.clock(now, [_installed(slot) for slot in installed]))
    largest = max((_size(bundle_path(state, slot)) for slot in installed), default=0)
    yield guarded("memory", lambda: machine.memory(largest))
    for slot in installed:
        yield from _slot(state, slot, now)
    yield from reach(state, now)


def _folder(root: Path) -> Check:
    """Say whether the folder can be written to, by writing."""
    if not os.path.lexists(root):
        above = next(path for path in root.absolute().parents if path.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            return failure(_FOLDER, f"{root} is not there, and {above} cannot be written to", _ELSEWHERE)
        return ok(_FOLDER, f"{root} is not there yet; the first command makes it")
    if not root.is_dir():
        return failure(_FOLDER, f"{root} is no folder", _ELSEWHERE)
    try:
        with tempfile.NamedTemporaryFile(dir=root, prefix=".doctor.", suffix=".partial") as file:
            file.write(bytes(8192))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space; no count was lost" if full else _ELSEWHERE
        return failure(_FOLDER, f"{root} cannot be written to: {error.strerror}", remedy)
    return _belongings(root)


def _belongings(root: Path) -> Check:
    """Say whether what lies in the folder may be read and written, too."""
    for path in sorted(root.iterdir()):
        wanted = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
        if not path.name.startswith(".") and not os.access(path, wanted):
            remedy = "let the user who scores own it, or name another folder with --state DIR"
            return failure(_FOLDER, f"{path} may not be read and written by this user", remedy)
    return ok(_FOLDER, str(root))


def _keys(state: State) -> Check:
    try:
        pins = read_keyring(state).pins
    except StateError as error:
        return failure("keys", str(error).partition("; remove it")[0], _PIN)
    if not pins:
        return warning("keys", "none is trusted", "pin the builder's: hakobu-run trust add KEY.pub")
    return ok("keys", ", ".join(f"{pin.key.identity[:16]}… for {' '.join(pin.models)}" for pin in pins))


def _file(name: str, path: Path, look: Callable[..., None], absent: str) -> Check:
    """Say whether a database is whole."""
    if not path.exists():
        return ok(name, f"not there yet; {absent}")
    try:
        look(path, patience=_PATIENCE)
    except DamageError as error:
        words, _, remedy = str(error).partition("; ")
        return failure(name, words, remedy)
    except StateError as error:
        words, _, remedy = str(error).partition("; ")
        make = warning if "locked" in words else failure
        return make(name, words, remedy or "update hakobu on this PC, or name another folder with --state DIR")
    return ok(name, "whole")


def _journal(state: State) -> Check:
    found = _file("journal", state.journal, tables.examine, "nothing was scored")
    if found.health == "ok" and (aside := set_aside_files(state)):
        words = f"whole, but {len(aside)} older ones were damaged and set aside: their counts are in no total"
        return warning("journal", words, f"check the disk; then move {aside[0].name} and the like away")
    return found


def _predictions(state: State) -> Check:
    """Say whether predictions are kept until their labels come, and whether those that are can be read."""
    try:
        keep = read_keep(state)
    except StateError as error:
        words, _, remedy = str(error).partition("; ")
        return warning(_KEPT, words, remedy or "mend the permissions there")
    absent = f"they are kept for {keep.days} days of use" if keep else "none is kept"
    found = _file(_KEPT, state.predictions, outcomes_store.examine, absent)
    if found.health is Health.FAILURE:  # keeping ends, and scoring goes on
        return warning(_KEPT, found.words, found.remedy)
    if found.health is Health.WARNING or not state.predictions.exists():
        return found
    with outcomes_store.Store.open(state.predictions, patience=_PATIENCE) as store:
        rows = sum(one.rows for one in store.waiting())
    setting = f"kept for {keep.days} days of use" if keep else "not kept from now on"
    return ok(_KEPT, f"{setting}, {rows:,} are here; {_size(state.predictions) / 1e6:.1f} MB, whole")


def _installed(slot: Slot) -> tuple[datetime, str]:
    moment = datetime.fromisoformat(slot.installed)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)), f"{slot.model} {slot.version} was installed"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _slot(state: State, slot: Slot, now: datetime) -> Iterator[Check]:
    """Look at one installed bundle: its signature, and what this CPU makes of its golden rows."""
    name = f"{slot.model} {slot.version}"
    opened: list[Bundle] = []

    def signature() -> Check:
        path = bundle_path(state, slot)
        if not path.exists():
            return failure(f"{name}: signature", f"{path}: the installed bundle is gone", _AGAIN)
        try:
            bundle = open_bundle(path, read_keyring(state))
        except (BundleError, TrustError) as error:
            return failure(f"{name}: signature", str(error), _AGAIN)
        if bundle.digest != slot.digest:
            return failure(f"{name}: signature", f"{path}: is another bundle than the one installed", _AGAIN)
        opened.append(bundle)
        return ok(f"{name}: signature", f"holds, by the key {bundle.pin.key.identity[:16]}…")

    yield guarded(f"{name}: signature", signature)
    if opened:
        if (aged := age_check(state, opened[0].manifest, now)) is not None:
            yield aged
        yield guarded(f"{name}: golden rows", lambda: replayed(f"{name}: golden rows", opened[0]))


def _inside(box: Inside) -> Check:
    """Look at the bundle in this executable, which is installed at the first start unless a newer one is."""
    found = replayed(_INSIDE, open_floor(box))
    if found.health is not Health.OK:
        return found
    return ok(_INSIDE, f"{box.label.model} {box.label.version}: the signature holds, the golden rows agree")


def replayed(name: str, bundle: Bundle) -> Check:
    """Say whether this CPU computes what the trained model did."""
    differences = Scorer(bundle.manifest, bundle.model).replay(bundle.golden)
    within = bundle.golden.tolerance
    if differences:
        words = f"{len(differences)} of {len(bundle.golden)} differ: {differences[0]}"
        return failure(name, words, "do not score here; tell the builder which CPU this is")
    return ok(name, f"all {len(bundle.golden)} agree within {within.absolute:g} + {within.relative:g} x value")

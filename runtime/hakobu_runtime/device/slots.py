"""The slots of a device: for each model the active bundle and the former one; a switch is one transaction."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.device import barred, events
from hakobu_runtime.device.ledger import changing, reading
from hakobu_runtime.device.state import State, read_keyring
from hakobu_runtime.errors import BundleError, StateError, TooNewError


class NoFormerError(StateError):
    """There is no former bundle that may be used."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One installed bundle."""

    model: str
    version: str
    digest: str
    installed: str
    """When, ISO 8601 in UTC."""


def active_slots(state: State) -> tuple[Slot, ...]:
    """Return the active bundle of each model, by name."""
    return _slots(state, "active")


def former_slots(state: State) -> tuple[Slot, ...]:
    """Return the former bundle of each model that has one, by name."""
    return _slots(state, "former")


def installed_digests(state: State) -> frozenset[str]:
    """Return the digests of the active and the former bundles of all models."""
    with reading(state) as ledger:
        return frozenset(digest for (digest,) in ledger.read("SELECT digest FROM slots"))


def bundle_path(state: State, slot: Slot) -> Path:
    """Return where the bundle of `slot` stands."""
    return state.bundles / f"{slot.digest}.hako"


def activate(ledger: sqlite3.Connection, slot: Slot, now: datetime, *, watched: bool = False) -> None:
    """Make `slot` the active one, on probation if `watched`; the one it replaces becomes the former one.

    With nothing to go back to, nothing is watched. What held the bundle back is forgotten.
    """
    barred.let_go(ledger, slot.model, slot.digest)
    query = "SELECT digest, installed FROM slots WHERE model = ? AND place = 'active'"
    active = ledger.execute(query, (slot.model,)).fetchone()
    if active and active[0] == slot.digest:
        if active[1] > slot.installed:  # the clock was ahead then
            ledger.execute("UPDATE slots SET installed = ? WHERE digest = ?", (slot.installed, slot.digest))
        return
    ledger.execute("DELETE FROM slots WHERE model = ? AND place = 'former'", (slot.model,))
    ledger.execute("UPDATE slots SET place = 'former' WHERE model = ? AND place = 'active'", (slot.model,))
    row = (slot.model, slot.version, slot.digest, slot.installed)
    ledger.execute("INSERT INTO slots (model, place, version, digest, installed) VALUES (?, 'active', ?, ?, ?)", row)
    former = _usable_former(ledger, slot.model)
    kept = slot.digest if watched and former else ""
    ledger.execute("DELETE FROM probation WHERE model = ? AND digest != ?", (slot.model, kept))
    events.record(ledger, slot.model, now, events.Kind.INSTALLED, slot.version, slot.digest)


def go_back(state: State, model: str, now: datetime, reason: str, *, only: str | None = None) -> tuple[Slot, Slot]:
    """Make the former bundle the active one, and hold the other back; return the one that is left, and the active one.

    With `only`, this is done only while the bundle of that digest is active. Raises NoFormerError when there is no
    former bundle that may be used.
    """
    with changing(state) as ledger:
        active = _slot(ledger, model, "active")
        if active is None:
            raise StateError(f"{state.root}: no model '{model}' is installed, so there is nothing to go back from")
        if only is not None and active.digest != only:
            return Slot(model, "", only, ""), active  # another process was faster
        former = _usable_former(ledger, model)
        if former is None:
            raise NoFormerError(
                f"{model} {active.version} has no former bundle that could be gone back to; install another one: "
                "hakobu-run install FILE.hako"
            )
        _move_back(ledger, active)
        barred.hold_back(ledger, model, active.version, active.digest, reason, now)
        events.record(ledger, model, now, events.Kind.ROLLED_BACK, active.version, active.digest, reason)
    return active, former


def leave_barred(ledger: sqlite3.Connection, model: str, now: datetime) -> str:
    """Leave what must not be used any more for a former bundle that may; say so, "" when nothing was left.

    With none that may, the active one stays in its slot, and is not opened.
    """
    active, former = _slot(ledger, model, "active"), _usable_former(ledger, model)
    reason = active and barred.why_barred(barred.reader(ledger), model, active.version, active.digest)
    if not active or not reason:
        return ""
    events.record(ledger, model, now, events.Kind.REVOKED, active.version, active.digest, reason)
    if former is None:
        return ""
    _move_back(ledger, active)
    ledger.execute("DELETE FROM probation WHERE model = ?", (model,))
    return f"{reason}; {former.version} is used again"


def choose(state: State, model: str | None = None, *, usable: bool = True) -> Slot:
    """Return the active slot of `model`, or of the only model there is.

    Raises StateError when that is no single one, or, where a `usable` one is wanted, it must not be used any more.
    """
    with reading(state) as ledger:
        query = """SELECT model, version, digest, installed FROM slots
        WHERE place = 'active' AND model = coalesce(?, model) ORDER BY model"""
        slots = [Slot(*row) for row in ledger.read(query, (model,))]
        if not slots:
            raise StateError(f"{state.root}: {_none(ledger.read, model)}")
        if len(slots) > 1:
            names = ", ".join(slot.model for slot in slots)
            raise StateError(f"{state.root}: several models are installed ({names}); choose one with --model NAME")
        reason = barred.why_barred(ledger.read, slots[0].model, slots[0].version, slots[0].digest)
    if reason and usable:
        raise StateError(
            f"{reason}; nothing is scored with it, and there is no former bundle to go back to: take a newer one with "
            "hakobu-run sync, or hakobu-run install FILE.hako"
        )
    return slots[0]


def open_active(state: State, model: str | None = None) -> Bundle:
    """Open the active bundle of `model`, or of the only model there is; raise StateError when there is no single one.

    It is also raised when the bundle must not be used any more.
    """
    return open_slot(state, choose(state, model))


def open_allowed(state: State, path: Path) -> Bundle:
    """Open a bundle that is not installed; raise StateError when it must not be used any more."""
    bundle = open_bundle(path, read_keyring(state))
    barred.refuse_barred(state, bundle.manifest.name, bundle.manifest.version, bundle.digest)
    return bundle


def open_slot(state: State, slot: Slot) -> Bundle:
    """Open the bundle of `slot`."""
    path = bundle_path(state, slot)
    again = f"install {slot.model} {slot.version} again: hakobu-run install FILE.hako"
    if not path.exists():
        raise StateError(f"{path}: the installed bundle is gone; {again}")
    try:
        bundle = open_bundle(path, read_keyring(state))
    except TooNewError:
        raise
    except BundleError as error:
        raise BundleError(f"{error}; it was sound when it was installed: check the disk, and {again}") from error
    if bundle.digest != slot.digest:
        raise StateError(f"{path}: is another bundle than the one installed; {again}")
    return bundle


def _slots(state: State, place: str) -> tuple[Slot, ...]:
    query = "SELECT model, version, digest, installed FROM slots WHERE place = ? ORDER BY model"
    with reading(state) as ledger:
        return tuple(Slot(*row) for row in ledger.read(query, (place,)))


def _slot(ledger: sqlite3.Connection, model: str, place: str) -> Slot | None:
    query = "SELECT model, version, digest, installed FROM slots WHERE model = ? AND place = ?"
    row = ledger.execute(query, (model, place)).fetchone()
    return Slot(*row) if row else None


def _usable_former(ledger: sqlite3.Connection, model: str) -> Slot | None:
    """Return the former bundle; one that must not be used any more leaves the slots."""
    former = _slot(ledger, model, "former")
    if former and barred.why_barred(barred.reader(ledger), model, former.version, former.digest):
        ledger.execute("DELETE FROM slots WHERE model = ? AND place = 'former'", (model,))
        return None
    return former


def _move_back(ledger: sqlite3.Connection, active: Slot) -> None:
    """Let the former bundle take the place of the active one, which leaves the slots."""
    ledger.execute("DELETE FROM slots WHERE model = ? AND place = 'active'", (active.model,))
    ledger.execute("UPDATE slots SET place = 'active' WHERE model = ? AND place = 'former'", (active.model,))


def _none(read: barred.Read, model: str | None) -> str:
    """Say that nothing is installed, and what may be why."""
    wanted = f"no model '{model}' is installed" if model else "no model is installed"
    query = "SELECT model, version, reason FROM revoked WHERE model = coalesce(?, model) ORDER BY version"
    revoked = "".join(f"; {name} {version} was revoked: {reason}" for name, version, reason in read(query, (model,)))
    return f"{wanted}; install one with 'hakobu-run install FILE.hako'{revoked}"

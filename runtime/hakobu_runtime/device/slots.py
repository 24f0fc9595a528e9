"""The slots of a device: for each model the active bundle and the former one; a switch is one transaction."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.database import Database
from hakobu_runtime.device.state import State, read_keyring
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import BundleError, StateError, TooNewError
from hakobu_runtime.scorer.scorer import Scorer

_TABLES = (
    "CREATE TABLE device (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), id TEXT NOT NULL)",
    """CREATE TABLE slots (
        model TEXT NOT NULL, place TEXT NOT NULL CHECK (place IN ('active', 'former')),
        version TEXT NOT NULL, digest TEXT NOT NULL, installed TEXT NOT NULL, PRIMARY KEY (model, place))""",
)

_ANEW = "then install the bundles again"


@dataclass(frozen=True, slots=True)
class Slot:
    """One installed bundle."""

    model: str
    version: str
    digest: str
    installed: str
    """When, ISO 8601 in UTC."""


def device_id(state: State) -> str:
    """Return this device's own random name, made at the first call."""
    with _slots(state) as slots:
        slots.execute("INSERT OR IGNORE INTO device VALUES (1, ?)", (str(uuid.uuid4()),))
        found: str = slots.execute("SELECT id FROM device").fetchone()[0]
        return found


def active_slots(state: State) -> tuple[Slot, ...]:
    """Return the active bundle of each model, by name."""
    with _slots(state) as slots:
        query = "SELECT model, version, digest, installed FROM slots WHERE place = 'active' ORDER BY model"
        return tuple(Slot(*row) for row in slots.execute(query))


def examine(path: Path, *, patience: float) -> None:
    """Read the whole file of the slots at `path`; raise StateError when it cannot be used."""
    with closing(Database.open(path, [_TABLES], patience=patience, anew=_ANEW)) as database:
        database.examine()
        for table in ("device", "slots"):
            database.read(f"SELECT * FROM {table} LIMIT 1")  # noqa: S608 - the names stand one line above


def installed_digests(state: State) -> frozenset[str]:
    """Return the digests of the active and the former bundles of all models."""
    with _slots(state) as slots:
        return frozenset(digest for (digest,) in slots.execute("SELECT digest FROM slots"))


def bundle_path(state: State, slot: Slot) -> Path:
    """Return where the bundle of `slot` stands."""
    return state.bundles / f"{slot.digest}.hako"


def install(state: State, path: Path, now: datetime) -> Bundle:
    """Verify the bundle at `path`, try its golden rows on this machine, and make it the active one of its model.

    Raises BundleError when this machine computes something else than the trained model did.
    """
    bundle = open_bundle(path, read_keyring(state))
    differences = Scorer(bundle.manifest, bundle.model).replay(bundle.golden)
    if differences:
        raise BundleError(
            f"{path}: this machine computes something else than the trained model did, so it is not installed: "
            f"{differences[0]} ({len(differences)} of {len(bundle.golden)} golden rows differ)"
        )
    slot = Slot(
        bundle.manifest.name, bundle.manifest.version, bundle.digest, now.astimezone(UTC).isoformat(" ", "seconds")
    )
    try:
        write_whole(bundle_path(state, slot), path.read_bytes())
    except OSError as error:
        raise StateError(f"{state.bundles}: the bundle cannot be copied here: {error.strerror}") from error
    with _slots(state) as slots:
        _activate(slots, slot)
    return bundle


def _activate(slots: sqlite3.Connection, slot: Slot) -> None:
    """Make `slot` the active one; the one it replaces becomes the former one."""
    query = "SELECT installed FROM slots WHERE place = 'active' AND digest = ?"
    known = slots.execute(query, (slot.digest,)).fetchone()
    if known:
        if known[0] > slot.installed:  # the clock was ahead then
            slots.execute("UPDATE slots SET installed = ? WHERE digest = ?", (slot.installed, slot.digest))
        return
    slots.execute("DELETE FROM slots WHERE model = ? AND place = 'former'", (slot.model,))
    slots.execute("UPDATE slots SET place = 'former' WHERE model = ? AND place = 'active'", (slot.model,))
    row = (slot.model, slot.version, slot.digest, slot.installed)
    slots.execute("INSERT INTO slots (model, place, version, digest, installed) VALUES (?, 'active', ?, ?, ?)", row)


def open_active(state: State, model: str | None = None) -> Bundle:
    """Open the active bundle of `model`, or of the only model there is; raise StateError when that is no single one."""
    slots = [slot for slot in active_slots(state) if model in (None, slot.model)]
    if not slots:
        wanted = f"no model '{model}' is installed" if model else "no model is installed"
        raise StateError(f"{state.root}: {wanted}; install one with 'hakobu-run install FILE.hako'")
    if len(slots) > 1:
        names = ", ".join(slot.model for slot in slots)
        raise StateError(f"{state.root}: several models are installed ({names}); choose one with --model NAME")
    slot, path = slots[0], bundle_path(state, slots[0])
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


@contextmanager
def _slots(state: State) -> Iterator[sqlite3.Connection]:
    """Open the slots for one transaction."""
    database = Database.open(state.slots, [_TABLES], patience=30.0, anew=_ANEW)
    with closing(database), database.writing() as connection:
        yield connection

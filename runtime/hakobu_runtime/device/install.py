"""Installing a bundle: verified, tried on this machine, put on the disk, and only then made the active one."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.device import barred
from hakobu_runtime.device.age import heed
from hakobu_runtime.device.ledger import changing, stamp
from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.slots import Slot, activate, installed_digests
from hakobu_runtime.device.state import State, read_keyring
from hakobu_runtime.digest import sha256_hex
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import BundleError, StateError
from hakobu_runtime.scorer.scorer import Scorer

_PATIENCE = 120.0
"""How many seconds to wait for another process that puts a bundle in place."""


def install(state: State, path: Path, now: datetime, *, again: bool = False) -> Bundle:
    """Verify the bundle at `path`, try its golden rows on this machine, and make it the active one of its model.

    Raises BundleError when this machine computes something else than the trained model did; StateError when the bundle
    must not be used any more, or failed here before, unless it is to be tried `again`.
    """
    bundle = open_bundle(path, read_keyring(state))
    manifest = bundle.manifest
    barred.refuse_barred(state, manifest.name, manifest.version, bundle.digest)
    heed(state, manifest, now, lambda words: None)
    if not again:
        _refuse_held_back(state, bundle)
    if differs := golden_difference(bundle):
        raise BundleError(
            f"{path}: this machine computes something else than the trained model did, so it is not installed: "
            f"{differs}"
        )
    content = _read(path)
    if sha256_hex(content) != bundle.digest:
        raise BundleError(f"{path}: was changed while it was installed; run the command again")
    with placing(state):
        place(state, bundle.digest, content)
        with changing(state) as ledger:
            activate(ledger, slot_of(bundle, now), now)
    return bundle


def slot_of(bundle: Bundle, now: datetime) -> Slot:
    """Return the slot that `bundle` takes when it is installed now."""
    return Slot(bundle.manifest.name, bundle.manifest.version, bundle.digest, stamp(now))


def golden_difference(bundle: Bundle) -> str:
    """Say how this machine computes something else than the trained model did; "" when it does not."""
    differences = Scorer(bundle.manifest, bundle.model).replay(bundle.golden)
    return f"{differences[0]} ({len(differences)} of {len(bundle.golden)} golden rows differ)" if differences else ""


@contextmanager
def placing(state: State) -> Iterator[None]:
    """Hold the place where bundles are put until the block ends, so that none is cleaned away before it is active."""
    with locked(state.bundles, patience=_PATIENCE):
        yield


def place(state: State, digest: str, content: bytes) -> None:
    """Put a bundle where it can be made active, on the disk before this returns."""
    try:
        write_whole(state.bundles / f"{digest}.hako", content)
    except OSError as error:
        raise StateError(
            f"{state.bundles}: the bundle cannot be copied here: {error.strerror}; nothing was changed: free some "
            "space or mend the permissions, and run the command again"
        ) from error


def clean(state: State) -> None:
    """Remove the bundles that no slot names, and what broken writes have left; what cannot be removed stays."""
    with placing(state):
        kept = {f"{digest}.hako" for digest in installed_digests(state)}
        for path in state.bundles.iterdir():
            if path.name not in kept and path.suffix in (".hako", ".partial"):
                with suppress(OSError):  # open in another program, on Windows
                    path.unlink()


def _refuse_held_back(state: State, bundle: Bundle) -> None:
    for held in barred.held_back(state, bundle.manifest.name):
        if held.digest == bundle.digest:
            raise StateError(
                f"{held.model} {held.version} is held back since {held.since}: {held.reason}; to try it all the same: "
                "hakobu-run install FILE.hako --again"
            )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}; run the command again") from error

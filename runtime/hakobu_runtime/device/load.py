"""Opening a bundle for scoring inside another program."""

from datetime import UTC, datetime
from pathlib import Path

from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.device.state import State, open_state, read_keyring
from hakobu_runtime.errors import TrustError
from hakobu_runtime.format.best_before import BestBefore
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.trust import Keyring, Pin, PublicKey

Trust = Keyring | PublicKey | Path | str
"""A keyring, a public key, or the path of a public key file (.pub)."""


def load(path: Path | str, trust: Trust | None = None, state: Path | str | None = None) -> Scorer:
    """Verify the bundle at `path` and return its scorer.

    `trust` says which keys may have signed it; without it, the keys pinned in the state folder do. With `state`, every
    row scored is counted in the journal of that folder (after at most 1,024 rows or one second, and at exit); without
    it, nothing is counted. Raises TrustError or BundleError, and then nothing of the bundle was loaded; StateError when
    it is past the day on which its builder wants it to be refused, or the device has learned not to use it any more.
    """
    folder = open_state(Path(state)) if state is not None else None
    bundle = open_bundle(Path(path), _keyring(trust, folder))
    stale = _heed(folder, bundle.manifest)
    if folder is None:
        return Scorer(bundle.manifest, bundle.model, stale=stale)
    # Here, since SQLite takes a twentieth of the time to a first score.
    from hakobu_runtime.device.barred import refuse_barred
    from hakobu_runtime.device.buffer import Buffer

    refuse_barred(folder, bundle.manifest.name, bundle.manifest.version, bundle.digest)
    return Scorer(bundle.manifest, bundle.model, Buffer(folder, bundle), stale)


def _heed(folder: State | None, manifest: Manifest) -> str:
    """Return what the outputs of an old model are marked with; most are to be used for ever."""
    if manifest.best_before == BestBefore():
        return ""
    from hakobu_runtime.device.age import heed
    from hakobu_runtime.device.counting import log

    return heed(folder, manifest, datetime.now(UTC), log)


def _keyring(trust: Trust | None, state: State | None) -> Keyring:
    if trust is None:
        return read_keyring(state or open_state())
    if isinstance(trust, Keyring):
        return trust
    if isinstance(trust, PublicKey):
        return Keyring((Pin(trust),))
    try:
        return Keyring((Pin(PublicKey.from_pem(Path(trust).read_bytes(), str(trust))),))
    except OSError as error:
        raise TrustError(f"{trust}: the key cannot be read: {error.strerror}") from error

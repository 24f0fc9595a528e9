"""Opening a bundle for scoring inside another program."""

import atexit
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.device.counting import log, open_journal
from hakobu_runtime.device.state import State, open_state, read_keyring
from hakobu_runtime.errors import StateError, TrustError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Window
from hakobu_runtime.scorer.record import ENOUGH
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.trust import Keyring, Pin, PublicKey

Trust = Keyring | PublicKey | Path | str
"""A keyring, a public key, or the path of a public key file (.pub)."""


def load(path: Path | str, trust: Trust | None = None, state: Path | str | None = None) -> Scorer:
    """Verify the bundle at `path` and return its scorer.

    `trust` says which keys may have signed it; without it, the keys pinned in the state folder do. With `state`, every
    row scored is counted in the journal of that folder (after at most 1,024 rows or one second, and at exit); without
    it, nothing is counted. Raises TrustError or BundleError, and then nothing of the bundle was loaded.
    """
    folder = open_state(Path(state)) if state is not None else None
    bundle = open_bundle(Path(path), _keyring(trust, folder))
    if folder is None:
        return Scorer(bundle.manifest, bundle.model)
    return Scorer(bundle.manifest, bundle.model, Buffer(folder, bundle))


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


Drain = Callable[[], Mapping[Window, WindowCounts]]


class Buffer:
    """Counts that wait in memory for the journal: at most 1,024 rows, at most one second, and never past the exit."""

    ROWS = ENOUGH
    SECONDS = 1.0

    def __init__(self, state: State, bundle: Bundle) -> None:
        self._state = state
        self._model = ModelName(bundle.manifest.name, bundle.manifest.version, bundle.digest)
        self._lock = threading.Lock()
        self._waiting: dict[Window, WindowCounts] = {}
        self._rows = 0
        self._drains: set[Drain] = set()
        self._timer: threading.Timer | None = None
        atexit.register(self._try_flush)

    def add(self, counts: Mapping[Window, WindowCounts]) -> None:
        """Take `counts` in, and hand all over to the journal when enough wait."""
        with self._lock:
            self._take(counts)
            if self._rows >= self.ROWS:
                self._flush()
            else:
                self._start()

    def later(self, drain: Drain, *, now: bool) -> None:
        """Take what `drain` gives: `now`, or within a second, and in any case at the exit."""
        with self._lock:
            self._drains.add(drain)
            if now:
                self._flush()
            else:
                self._start()

    def flush(self) -> None:
        """Hand all that waits over to the journal."""
        with self._lock:
            self._flush()

    def _try_flush(self) -> None:
        """Hand all over where no caller could take an error: it is told, and what waits goes with the next rows."""
        try:
            self.flush()
        except StateError as error:
            log(f"counts are waiting for the journal: {error}")

    def _take(self, counts: Mapping[Window, WindowCounts]) -> None:
        for window, found in counts.items():
            self._waiting.setdefault(window, WindowCounts()).add(found)
            self._rows += found.rows

    def _start(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(self.SECONDS, self._try_flush)
            self._timer.daemon = True
            self._timer.start()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for drain in self._drains:
            self._take(drain())
        if self._waiting:
            with open_journal(self._state) as journal:
                journal.add(self._model, self._waiting)
            self._waiting, self._rows = {}, 0

"""A release on its way into the slots: fetched, verified, tried on this machine, and only then made the active one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hakobu_runtime.bundle import Bundle, read_bundle
from hakobu_runtime.channel.client import Client
from hakobu_runtime.channel.patch import apply_patch
from hakobu_runtime.device import barred, events
from hakobu_runtime.device.age import heed
from hakobu_runtime.device.follow import place_of
from hakobu_runtime.device.install import golden_difference, place, placing, slot_of
from hakobu_runtime.device.ledger import changing
from hakobu_runtime.device.probation import begin, crashes_of, marked
from hakobu_runtime.device.slots import activate, active_slots, bundle_path, former_slots
from hakobu_runtime.device.state import State, read_keyring
from hakobu_runtime.digest import sha256_hex
from hakobu_runtime.errors import BundleError, StateError, TooNewError, TransferError, TrustError
from hakobu_runtime.format.channel import Release

Warn = Callable[[str], None]
"""Hears one line about what a person should know."""
Advance = Callable[[int, int], None]
"""Hears how many bytes of how many have come; what it raises breaks the download off."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears what while a device is brought up to date."""

    warn: Warn = lambda words: None
    advance: Advance = lambda done, size: None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A release on its way into the slots."""

    state: State
    client: Client
    release: Release
    model: str
    now: datetime
    listener: Listener

    def install(self) -> None:
        """Fetch it, verify it, try it, and make it the active one."""
        release = self.release
        proven = self._installed(release.digest)
        content = proven or self._content()
        try:
            bundle = read_bundle(content, release.target, read_keyring(self.state))
            _check_name(bundle, self.model, release)
            heed(self.state, bundle.manifest, self.now, lambda words: None)
        except (TooNewError, TrustError, StateError) as error:
            with changing(self.state) as ledger:
                kind = events.Kind.REFUSED
                events.record(ledger, self.model, self.now, kind, release.version, release.digest, str(error))
            raise
        except BundleError as error:
            self._hold_back(str(error))
            raise
        self._try(bundle)
        watched = proven is None and release.probation.batches > 0
        with placing(self.state):
            place(self.state, bundle.digest, content)
            with changing(self.state) as ledger:
                activate(ledger, slot_of(bundle, self.now), self.now, watched=watched)

    def _content(self) -> bytes:
        """Return the bytes of the release: by a patch, or fetched in whole."""
        release = self.release
        for patch in release.patches:
            base = self._installed(patch.base)
            if base is None:
                continue
            try:
                found = self._fetch(patch.target)
                content = apply_patch(base, found.read_bytes(), release.size)
                if sha256_hex(content) == release.digest:
                    return content
                trouble = "it does not make the release"
            except (TransferError, TrustError, OSError) as error:
                trouble = str(error)
            self.listener.warn(f"{patch.target}: is of no use ({trouble}); the whole bundle is fetched instead")
        content = self._fetch(release.target).read_bytes()
        if len(content) != release.size or sha256_hex(content) != release.digest:
            raise TrustError(
                f"{release.target}: is not the bundle that the channel speaks of; nothing was installed: tell whoever "
                "runs the depot"
            )
        return content

    @property
    def _downloads(self) -> Path:
        return place_of(self.state, self.model).downloads

    def _fetch(self, target: str) -> Path:
        into = self._downloads / target.rpartition("/")[2]
        return self.client.fetch(target, into, self.listener.advance)

    def _installed(self, digest: str) -> bytes | None:
        """Return the bundle of this digest, when a slot of the model has it, whole."""
        for slot in (*active_slots(self.state), *former_slots(self.state)):
            if slot.model == self.model and slot.digest == digest:
                try:
                    content = bundle_path(self.state, slot).read_bytes()
                except OSError:
                    return None
                return content if sha256_hex(content) == digest else None
        return None

    def _try(self, bundle: Bundle) -> None:
        """Replay the golden rows; hold the bundle back when they differ, or when processes died of them."""
        release = self.release
        with changing(self.state) as ledger:
            begin(ledger, self.model, release.digest, release.probation)
        standing = crashes_of(self.state, self.model, release.digest)
        if standing is not None and standing.crashes >= standing.most_crashes:
            self._hold_back(f"{standing.deaths} while trying its golden rows")
            raise BundleError(
                f"{self.model} {release.version}: {standing.deaths} while trying its golden rows, so it is not "
                "installed, and not tried again; tell the builder"
            )
        with marked(self.state, self.model, release.digest):
            differs = golden_difference(bundle)
        if differs:
            self._hold_back(f"this machine computes something else than the trained model did: {differs}")
            raise BundleError(
                f"{self.model} {release.version}: this machine computes something else than the trained model did, so "
                f"it is not installed, and not tried again: {differs}; tell the builder"
            )

    def _hold_back(self, reason: str) -> None:
        version, digest = self.release.version, self.release.digest
        with changing(self.state) as ledger:
            barred.hold_back(ledger, self.model, version, digest, reason, self.now)
            events.record(ledger, self.model, self.now, events.Kind.FAILED, version, digest, reason)


def _check_name(bundle: Bundle, model: str, release: Release) -> None:
    found = (bundle.manifest.name, bundle.manifest.version)
    if found != (model, release.version):
        raise BundleError(
            f"{release.target}: is {found[0]} {found[1]}, where the channel speaks of {model} {release.version}; tell "
            "whoever runs the depot"
        )

"""A new root, which takes the signatures of several people: it waits in the depot until it has enough of them."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Key, Metadata, Root

from hakobu.depot.depot import METADATA, PENDING, Depot, open_depot, read_metadata
from hakobu.depot.disk import put_on_disk
from hakobu.depot.edition import Edition, sign_with
from hakobu.depot.keychain import add_signature, depot_key
from hakobu.depot.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, holder, renew
from hakobu_runtime.errors import StateError, TrustError, UsageError


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a new root is."""

    version: int
    signed: tuple[str, ...]
    """The names of the keys that have signed it."""
    lacking: int
    """How many signatures are still to come; 0 when it is published."""
    open: tuple[str, ...]
    """The names of the keys that may give them."""
    words: tuple[str, ...] = ()
    """Why keys that are here have not signed."""

    @property
    def published(self) -> bool:
        """Whether it has all signatures, and is what clients read."""
        return not self.lacking


def propose(edition: Edition, root: Root, days: int | None = None) -> Standing:
    """Make `root`, changed from the depot's, its next one: signed with the root keys that are here.

    When these are too few, it waits in the depot for 'hakobu depot sign', and nothing else is changed. Raises
    StateError when another one waits already.
    """
    check_none_waits(edition.depot)
    root.version = edition.depot.root.signed.version + 1
    renew(root, edition.now, days)
    metadata = Metadata(root)
    return _go_on(edition, metadata, _sign(edition, metadata))


def sign(edition: Edition, path: Path) -> Standing:
    """Sign the root that waits with the key in the file at `path`, and publish it when that was enough."""
    metadata = read_pending(edition.depot)
    if metadata is None:
        raise UsageError(f"{edition.depot.path}: nothing waits for a signature")
    private = edition.keychain.open(path)
    keyid = depot_key(private.public, "given").keyid
    wanted = _root_keys(edition.depot.root.signed, metadata.signed)
    if keyid not in wanted:
        names = ", ".join(sorted(holder(key) for key in wanted.values()))
        raise TrustError(f"{path}: is none of the root keys of {edition.depot.path}, which are {names}")
    add_signature(metadata, keyid, private)
    return _go_on(edition, metadata, ())


def standing(depot: Depot, metadata: Metadata[Root], words: tuple[str, ...] = ()) -> Standing:
    """Return how far the new root `metadata` is."""
    result = metadata.signed.get_root_verification_result(depot.root.signed, metadata.signed_bytes, metadata.signatures)
    lacking = max(result.first.missing, result.second.missing)
    missing = result.first.unsigned if result.first.missing else {}
    missing |= result.second.unsigned if result.second.missing else {}
    return Standing(metadata.signed.version, _names(result.signed), lacking, _names(missing), words)


def read_pending(depot: Depot) -> Metadata[Root] | None:
    """Return the root that waits for signatures; None when none does."""
    path = depot.path / PENDING
    if not path.exists():
        return None
    metadata = read_metadata(path, Root)
    if metadata.signed.version != depot.root.signed.version + 1:
        raise StateError(f"{path}: is for another state of the depot; take it away with 'hakobu depot sign --drop'")
    return metadata


def check_none_waits(depot: Depot) -> None:
    """Raise StateError when a root waits for signatures."""
    if (depot.path / PENDING).exists():
        raise StateError(
            f"{depot.path}: a new root waits for signatures already; finish it with 'hakobu depot sign KEY.pem', or "
            "take it away with 'hakobu depot sign --drop'"
        )


def drop(depot: Depot) -> None:
    """Take away the root that waits; raise UsageError when none does."""
    if not (depot.path / PENDING).exists():
        raise UsageError(f"{depot.path}: nothing waits for a signature")
    (depot.path / PENDING).unlink()


def _sign(edition: Edition, metadata: Metadata[Root]) -> tuple[str, ...]:
    """Sign with the keys at hand until there are enough; return why some that are here could not be used."""
    before, after = edition.depot.root.signed, metadata.signed
    words = []
    keys = _root_keys(before, after)
    both = {keyid for keyid in keys if keyid in before.roles[ROOT].keyids and keyid in after.roles[ROOT].keyids}
    for keyid, key in sorted(keys.items(), key=lambda item: (item[0] not in both, holder(item[1]))):
        if not standing(edition.depot, metadata).lacking:
            break
        try:
            private = edition.keychain.find(keyid)
        except TrustError as error:
            words.append(f"{holder(key)}: {error}")
            continue
        if private is not None:
            add_signature(metadata, keyid, private)
    return tuple(words)


def _go_on(edition: Edition, metadata: Metadata[Root], words: tuple[str, ...]) -> Standing:
    found = standing(edition.depot, metadata, words)
    if found.published:
        _publish(edition, metadata)
    else:
        put_on_disk(edition.depot.path / PENDING, metadata.to_bytes())
    return found


def _publish(edition: Edition, metadata: Metadata[Root]) -> None:
    """Make `metadata` the root of the depot.

    At every moment the depot must be whole under the root that clients see. So what a role has signed with a key that
    goes is first signed with the one that comes, too, as it stands; then the root changes; then all is signed anew.
    """
    depot = edition.depot
    changed = [role for role in (TARGETS, SNAPSHOT, TIMESTAMP) if _sign_too(edition, role, metadata.signed)]
    version = metadata.signed.version
    put_on_disk(depot.path / METADATA / f"{version}.root.json", metadata.to_bytes())
    (depot.path / PENDING).unlink(missing_ok=True)
    if changed:
        after = Edition(open_depot(depot.path), edition.keychain, edition.now)
        for role in changed:
            after.renew(role)
        after.publish()


def _sign_too(edition: Edition, role: str, root: Root) -> bool:
    """Let what `role` has signed hold under the new `root` as well; say whether it did not."""
    depot = edition.depot
    every: dict[str, Metadata[Any]] = {TARGETS: depot.targets, SNAPSHOT: depot.snapshot, TIMESTAMP: depot.timestamp}
    current = every[role]
    try:
        root.verify_delegate(role, current.signed_bytes, current.signatures)
    except RepositoryError:
        metadata = deepcopy(current)
        sign_with(edition.keychain, metadata, role, root)
        version = "" if role == TIMESTAMP else f"{metadata.signed.version}."
        put_on_disk(depot.path / METADATA / f"{version}{role}.json", metadata.to_bytes())
        return True
    return False


def _root_keys(*roots: Root) -> Mapping[str, Key]:
    return {keyid: root.get_key(keyid) for root in roots for keyid in root.roles[ROOT].keyids}


def _names(keys: Mapping[str, Key]) -> tuple[str, ...]:
    return tuple(sorted(holder(key) for key in keys.values()))

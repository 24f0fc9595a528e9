"""A depot as it is published: read from its folder, every signature checked."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, Role, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from hakobu.depot.roles import FORMAT, FORMAT_FIELD, RECEIPTS_FIELD, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from hakobu_runtime.channel.offer import MADE
from hakobu_runtime.errors import DamageError, FormatError, StateError, TrustError, UsageError
from hakobu_runtime.format.channel import Channel, channel_target
from hakobu_runtime.format.codec import decode

METADATA = "metadata"
TARGETS_FOLDER = "targets"
PENDING = "pending.root.json"
"""In the depot: a new root that waits for signatures."""
_ROOTS = re.compile(r"([1-9]\d{0,9})\.root\.json")
_LARGEST = 64 * 1024 * 1024
"""Bytes of metadata; clients read less."""
_S = TypeVar("_S", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True)
class Depot:
    """A depot at one moment; only `open_depot` makes one. Its metadata are not to be changed: copy them."""

    path: Path
    root: Metadata[Root]
    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: Metadata[Targets]
    models: Mapping[str, Metadata[Targets]]

    @property
    def made(self) -> datetime:
        """When its timestamp was signed."""
        return read_made(self.timestamp.signed, self.path)

    def role(self, name: str) -> Role:
        """Return which keys sign the role, and how many that takes; raise UsageError when there is no such role."""
        if name in self.root.signed.roles:
            return self.root.signed.roles[name]
        if name not in self.models:
            raise UsageError(f"{self.path}: has no role and no model {name!r}; there are {', '.join(self.signed)}")
        return self.targets.signed.get_delegated_role(name)

    @property
    def signed(self) -> Mapping[str, Signed]:
        """What each role has signed, the roles of TUF first."""
        top: dict[str, Signed] = {
            ROOT: self.root.signed,
            TARGETS: self.targets.signed,
            SNAPSHOT: self.snapshot.signed,
            TIMESTAMP: self.timestamp.signed,
        }
        return {**top, **{name: model.signed for name, model in self.models.items()}}

    def model(self, name: str) -> Targets:
        """Return what the role of a model has signed; raise UsageError when the model is not here."""
        if name not in self.models:
            there = ", ".join(self.models) or "none yet"
            raise UsageError(f"{self.path}: has no model {name!r}; there is {there}")
        return self.models[name].signed

    def channels(self, model: str) -> tuple[str, ...]:
        """Return the names of the channels of a model."""
        found = (re.fullmatch(r"[^/]+/channels/([^/]+)\.json", target) for target in self.model(model).targets)
        return tuple(sorted(match[1] for match in found if match))

    def channel(self, model: str, name: str) -> Channel:
        """Return what a channel holds; raise UsageError when there is no such channel."""
        target = self.model(model).targets.get(channel_target(model, name))
        if target is None:
            there = ", ".join(self.channels(model)) or "none"
            raise UsageError(f"{self.path}: {model} has no channel {name!r}; there is {there}")
        try:
            return decode(self.read(target), Channel, target.path)
        except FormatError as error:
            raise DamageError(f"{self.path}: {error}; was it published by a newer hakobu?") from error

    def place(self, target: TargetFile) -> Path:
        """Return where the file of `target` is."""
        return self.path / TARGETS_FOLDER / target.get_prefixed_paths()[0]

    def read(self, target: TargetFile) -> bytes:
        """Return the bytes of `target`; raise StateError when they are missing or others."""
        content = _read(self.place(target))
        try:
            target.verify_length_and_hashes(content)
        except LengthOrHashMismatchError as error:
            raise DamageError(
                f"{self.place(target)}: is damaged ({error}); take it from a copy of the depot"
            ) from error
        return content


def open_depot(path: Path) -> Depot:
    """Return the depot in the folder `path`.

    Raises StateError when it is none, damaged, or of a newer format, and TrustError when a signature does not hold.
    """
    folder = path / METADATA
    if not (folder / f"{TIMESTAMP}.json").exists():
        raise StateError(
            f"{path}: there is no depot here; name one with --depot, or make one: hakobu depot init {path}"
        )
    root = _read_root(folder)
    timestamp = _delegated(folder / f"{TIMESTAMP}.json", Timestamp, root, TIMESTAMP)
    snapshot_version = timestamp.signed.snapshot_meta.version
    snapshot = _delegated(folder / f"{snapshot_version}.snapshot.json", Snapshot, root, SNAPSHOT)
    listed = {name.removesuffix(".json"): meta.version for name, meta in snapshot.signed.meta.items()}
    if TARGETS not in listed:
        raise DamageError(f"{folder}: the snapshot does not name targets.json; take the folder from a copy")
    targets = _delegated(folder / f"{listed.pop(TARGETS)}.targets.json", Targets, root, TARGETS)
    models = {
        name: _delegated(folder / f"{version}.{name}.json", Targets, targets, name)
        for name, version in sorted(listed.items())
    }
    return Depot(path, root, timestamp, snapshot, targets, models)


def root_versions(folder: Path) -> Iterator[int]:
    """Yield the versions of root that are in a folder of metadata, the oldest first."""
    found = (_ROOTS.fullmatch(file.name) for file in folder.iterdir())
    yield from sorted(int(match[1]) for match in found if match)


def read_metadata(path: Path, kind: type[_S]) -> Metadata[_S]:
    """Return the metadata in the file at `path`, not checked; raise StateError when they are missing or damaged."""
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(_read(path))
    except DeserializationError as error:
        raise DamageError(f"{path}: is damaged, no metadata of TUF; take it from a copy of the depot") from error
    if not isinstance(metadata.signed, kind):
        raise DamageError(f"{path}: holds {metadata.signed.type}, not {kind.type}; take it from a copy of the depot")
    return metadata


def read_made(timestamp: Timestamp, where: Path) -> datetime:
    """Return when `timestamp` was signed; raise StateError when it does not say so."""
    try:
        made = datetime.fromisoformat(timestamp.unrecognized_fields[MADE])
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"{where}: its timestamp does not say when it was made: it is no depot of hakobu") from error
    if made.tzinfo is None:
        raise StateError(f"{where}: its timestamp was made at {made}, a time without a zone: it is no depot of hakobu")
    return made


def receipt_keys(depot: Depot) -> tuple[str, ...]:
    """Return the public keys, as PEM, whose receipts devices believe; none where the depot names none."""
    return receipt_keys_in(depot.targets.signed)


def receipt_keys_in(targets: Targets) -> tuple[str, ...]:
    """Return the same of what the role `targets` signs."""
    found = targets.unrecognized_fields.get(RECEIPTS_FIELD, [])
    return tuple(key for key in found if isinstance(key, str)) if isinstance(found, list) else ()


def _read_root(folder: Path) -> Metadata[Root]:
    """Return the newest root, signed by its own keys and, where the one before is there, by that one's."""
    versions = list(root_versions(folder))
    if not versions:
        raise DamageError(f"{folder}: has no root metadata, like 1.root.json; take the folder from a copy")
    path = folder / f"{versions[-1]}.root.json"
    root = read_metadata(path, Root)
    written = root.signed.unrecognized_fields.get(FORMAT_FIELD)
    if written != FORMAT:
        raise StateError(
            f"{folder.parent}: is a depot of the format {written!r}; this hakobu knows {FORMAT}: install one that fits"
        )
    before = read_metadata(folder / f"{versions[-1] - 1}.root.json", Root) if versions[-1] > 1 else root
    for signer in (before, root):
        _check(path, root, signer, ROOT)
    return root


def _delegated(path: Path, kind: type[_S], by: Metadata[Root] | Metadata[Targets], role: str) -> Metadata[_S]:
    metadata = read_metadata(path, kind)
    _check(path, metadata, by, role)
    version = path.name.partition(".")[0]
    if version.isdigit() and metadata.signed.version != int(version):
        raise DamageError(f"{path}: holds version {metadata.signed.version}; take it from a copy of the depot")
    return metadata


def _check(path: Path, metadata: Metadata[Any], by: Metadata[Root] | Metadata[Targets], role: str) -> None:
    try:
        by.signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError) as error:
        raise TrustError(f"{path}: its signature does not hold ({error}); take it from a copy of the depot") from error


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST and path.suffix == ".json":
            raise DamageError(f"{path}: is larger than any metadata; take it from a copy of the depot")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DamageError(f"{path}: is missing; take it from a copy of the depot") from error
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror}; check its permissions and the disk") from error

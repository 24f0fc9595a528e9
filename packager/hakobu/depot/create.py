"""`hakobu depot init`: a depot with its keys, and nothing published yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.metadata import Key, Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from hakobu.depot.depot import METADATA, TARGETS_FOLDER, Depot, open_depot
from hakobu.depot.disk import at_work, put_on_disk
from hakobu.depot.edition import sign_with
from hakobu.depot.keychain import Keychain
from hakobu.depot.roles import (
    FORMAT,
    FORMAT_FIELD,
    RECEIPTS,
    RECEIPTS_FIELD,
    ROOT,
    TARGETS,
    TIMESTAMP,
    TOP,
    holder,
    renew,
)
from hakobu_runtime.channel.offer import MADE
from hakobu_runtime.errors import StateError, UsageError

_FIRST = {"1.root.json", "1.targets.json", "1.snapshot.json", f"{METADATA}.lock"}
_MOST_KEYS = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new depot should be like."""

    root_keys: int = 3
    root_threshold: int = 2
    """How many of the root keys it takes to change a key."""
    plain_online: bool = False
    """Whether the keys of snapshot and timestamp stay unencrypted, for a scheduled refresh."""
    days: Mapping[str, int] | None = None
    """For how many days a role holds, where that is not the default."""

    def __post_init__(self) -> None:
        if not 1 <= self.root_threshold <= self.root_keys <= _MOST_KEYS:
            raise UsageError(
                f"{self.root_threshold} of {self.root_keys} root keys cannot be: take 1 to {_MOST_KEYS} keys, and no "
                "more signatures than keys"
            )


def create(path: Path, keychain: Keychain, plan: Plan, now: datetime) -> Depot:
    """Make a depot in the folder `path`; raise StateError when something is there, or the disk refuses."""
    _check_free(path, keychain)
    root = Root(unrecognized_fields={FORMAT_FIELD: FORMAT})
    for role, key in _keys(keychain, plan):
        root.add_key(key, role)
    root.roles[ROOT].threshold = plan.root_threshold
    receipts = keychain.named(RECEIPTS, locked=not plan.plain_online)
    made = {MADE: now.replace(microsecond=0).isoformat()}
    signed: tuple[Root | Targets | Snapshot | Timestamp, ...] = (
        root,
        Targets(unrecognized_fields={RECEIPTS_FIELD: [receipts.keyval["public"]]}),
        Snapshot(meta={f"{TARGETS}.json": MetaFile(1)}),
        Timestamp(snapshot_meta=MetaFile(1), unrecognized_fields=made),
    )
    files = {}
    for part in signed:
        renew(part, now, (plan.days or {}).get(part.type))
        metadata: Metadata[Any] = Metadata(part)
        sign_with(keychain, metadata, part.type, root)
        files[f"{'' if part.type == TIMESTAMP else '1.'}{part.type}.json"] = metadata.to_bytes()
    try:
        (path / METADATA).mkdir(parents=True, exist_ok=True)
        (path / TARGETS_FOLDER).mkdir(exist_ok=True)
    except OSError as error:
        raise StateError(f"{path}: no depot can be made here: {error.strerror}; name another folder") from error
    with at_work(path, METADATA):
        for name, content in files.items():
            put_on_disk(path / METADATA / name, content)
    return open_depot(path)


def _check_free(path: Path, keychain: Keychain) -> None:
    if (path / METADATA / f"{TIMESTAMP}.json").exists():
        raise StateError(f"{path}: is a depot already; hakobu depot status shows it")
    if path.exists() and not path.is_dir():
        raise StateError(f"{path}: is a file; name a folder for the depot")
    found = {file.name for file in (path / METADATA).iterdir()} if (path / METADATA).is_dir() else set()
    others = sorted(name for name in found - _FIRST if not name.endswith(".partial"))
    if others:
        raise StateError(f"{path}: holds parts of a depot ({others[0]}), but no timestamp.json: take that from a copy")
    for folder in keychain.folders:
        if folder.absolute().is_relative_to(path.absolute()):
            raise UsageError(
                f"{folder}: private keys must not lie in the depot, which others read; name a folder beside it"
            )


def _keys(keychain: Keychain, plan: Plan) -> list[tuple[str, Key]]:
    """Return a key for each role; several of them for root."""
    keys = [(ROOT, keychain.named(f"{ROOT}-{number}")) for number in range(1, plan.root_keys + 1)]
    for role in TOP:
        if role != ROOT:
            keys.append((role, keychain.named(role, locked=not plan.plain_online or role == TARGETS)))
    seen: set[str] = set()
    for _, key in keys:
        if key.keyid in seen:
            raise UsageError(f"the key {holder(key)} has two names: each needs a pair of its own")
        seen.add(key.keyid)
    return keys

"""Copying the part of a depot that the followers of some channels need, to a folder or a stick.

Names in a depot are of a-z, 0-9, dots and hyphens, never do two of them differ in case alone, and no file is a link or
larger than 4 GB: so FAT can hold it.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tuf.api.metadata import TargetFile

from hakobu.depot.depot import METADATA, TARGETS_FOLDER, Depot, root_versions
from hakobu.depot.disk import drafts, put_on_disk
from hakobu.depot.offer import reachable
from hakobu.depot.roles import SNAPSHOT, TARGETS, TIMESTAMP
from hakobu_runtime.disk import sync_folder
from hakobu_runtime.errors import DamageError, StateError
from hakobu_runtime.format.channel import Channel, Release, channel_target

_PIECE = 1024 * 1024

Advance = Callable[[int, int], None]
"""Hears how many bytes of how many are there."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file that is to be copied."""

    path: str
    """Below the depot, with slashes."""
    size: int
    """Bytes."""
    digest: str
    """The sha256, in hex."""
    content: bytes | None = None
    """What it holds, when it is no file of its own (the newest metadata are as they were when the depot was opened)."""


def parts_of(depot: Depot, channels: Sequence[tuple[str, str]], device: str | None = None) -> tuple[Part, ...]:
    """Return the files that followers of these channels, as (model, channel), need: in the order of copying.

    The timestamp comes last, since it makes all others count. With `device`, only the release that it is offered is
    among them. Raises UsageError when there is no such channel.
    """
    files: dict[str, TargetFile] = {}
    for model, name in channels:
        channel, targets = depot.channel(model, name), depot.model(model).targets
        wanted = [channel_target(model, name)]
        for release in _offered(channel, device):
            wanted += [release.target, *(patch.target for patch in release.patches)]
        files |= {target: targets[target] for target in wanted}
    return (*(_target_part(depot, file) for file in files.values()), *_metadata_parts(depot, channels))


def copy_channels(
    depot: Depot,
    folder: Path,
    channels: Sequence[tuple[str, str]],
    device: str | None = None,
    advance: Advance = lambda done, whole: None,
) -> tuple[Part, ...]:
    """Bring `folder` to the state of `depot` for the followers of these channels; return what was copied.

    Killed or pulled out at any moment, the folder is what it was or what it should be, and the next call goes on; only
    between a new root and the timestamp, the last two, it may be of no use until then, when an online key has changed.
    What is there already, whole, is not copied again; what followers need no more is taken away afterwards. All
    channels that the folder carries must be named at once, since they share one timestamp. Raises StateError when a
    disk refuses.
    """
    parts = parts_of(depot, channels, device)
    whole, done, copied = sum(part.size for part in parts), 0, []
    try:
        _remove_drafts(folder)
        for part in parts:
            if not _is_there(folder / part.path, part):
                _copy(depot, part, folder / part.path)
                copied.append(part)
            done += part.size
            advance(done, whole)
        _remove_others(folder, {part.path for part in parts})
    except OSError as error:
        raise StateError(
            f"{error.filename or folder}: cannot be copied: {error.strerror or error}; run it again"
        ) from error
    return tuple(copied)


def copy_channel(depot: Depot, folder: Path, model: str, channel: str, device: str | None = None) -> tuple[Part, ...]:
    """Do `copy_channels` for a single channel."""
    return copy_channels(depot, folder, ((model, channel),), device)


def _offered(channel: Channel, device: str | None) -> tuple[Release, ...]:
    if device is None:
        return reachable(channel.releases)
    release = channel.offered(device)
    return () if release is None else (release,)


def _target_part(depot: Depot, file: TargetFile) -> Part:
    return Part(f"{TARGETS_FOLDER}/{file.get_prefixed_paths()[0]}", file.length, file.hashes["sha256"])


def _metadata_parts(depot: Depot, channels: Sequence[tuple[str, str]]) -> Iterator[Part]:
    for model in sorted({model for model, _ in channels}):
        metadata = depot.models[model]
        yield _part(f"{METADATA}/{metadata.signed.version}.{model}.json", metadata.to_bytes())
    yield _part(f"{METADATA}/{depot.targets.signed.version}.{TARGETS}.json", depot.targets.to_bytes())
    yield _part(f"{METADATA}/{depot.snapshot.signed.version}.{SNAPSHOT}.json", depot.snapshot.to_bytes())
    for version in root_versions(depot.path / METADATA):
        name = f"{METADATA}/{version}.root.json"
        yield _part(name, (depot.path / name).read_bytes())
    yield _part(f"{METADATA}/{TIMESTAMP}.json", depot.timestamp.to_bytes())


def _part(path: str, content: bytes) -> Part:
    return Part(path, len(content), sha256(content).hexdigest(), content)


def _is_there(path: Path, part: Part) -> bool:
    """Say whether the file at `path` holds what it should: read in full, since sticks are pulled out half-way."""
    try:
        if path.stat().st_size != part.size:
            return False
        with path.open("rb") as file:
            digest = sha256()
            while piece := file.read(_PIECE):
                digest.update(piece)
    except FileNotFoundError:
        return False
    return digest.hexdigest() == part.digest


def _copy(depot: Depot, part: Part, target: Path) -> None:
    if part.content is not None:
        put_on_disk(target, part.content)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{part.digest[:16]}.partial")
    digest = sha256()
    with (depot.path / part.path).open("rb") as source, draft.open("wb") as file:
        while piece := source.read(_PIECE):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != part.digest:
        draft.unlink()
        raise DamageError(f"{depot.path / part.path}: is damaged; take it from a copy of the depot")
    draft.replace(target)
    sync_folder(target.parent)


def _remove_drafts(folder: Path) -> None:
    for place in (METADATA, TARGETS_FOLDER):
        for draft in drafts(folder / place):
            draft.unlink()


def _remove_others(folder: Path, wanted: set[str]) -> None:
    """Take away the files of a depot that no follower needs any more."""
    for pattern in (f"{METADATA}/*.json", f"{TARGETS_FOLDER}/*/*/*"):
        for path in sorted(folder.glob(pattern)):
            if path.relative_to(folder).as_posix() not in wanted and path.is_file():
                path.unlink()

"""`hakobu stick write`: what the followers of a depot need, on a stick."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hakobu.depot.copy import Advance, Part, copy_channels, parts_of
from hakobu.depot.depot import METADATA, Depot, root_versions
from hakobu_runtime.errors import StateError, TransferError, UsageError
from hakobu_runtime.uplink.stick import Stick

_OURS = {"depot", "tallies", "receipts"}
_SLACK = 1 << 20
"""Bytes that a file system takes for itself."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a stick carries now."""

    channels: tuple[str, ...]
    """As MODEL/CHANNEL."""
    files: int
    size: int
    """Bytes of all of them."""
    copied: int
    """Bytes of those that were not there already."""


def write_stick(
    depot: Depot,
    stick: Stick,
    model: str | None,
    channel: str | None,
    device: str | None = None,
    advance: Advance = lambda done, whole: None,
) -> Written:
    """Bring the stick to the state of `depot` for the followers of a channel, of a model's, or of all.

    Killed or pulled out, it is run again. Raises UsageError when the folder holds something else, TransferError when
    the stick has too little room, or fails.
    """
    channels = chosen(depot, model, channel)
    try:
        if not stick.root.is_dir():
            raise TransferError(f"{stick.root}: there is no such folder: put the stick in, or check its name")
        _check_place(depot, stick)
        parts = parts_of(depot, channels, device)
        _check_room(stick, parts)
        copied = copy_channels(depot, stick.depot, channels, device, advance)
    except OSError as error:
        raise _failed(stick, error) from error
    except StateError as error:
        if isinstance(error.__cause__, OSError) and not str(error).startswith(str(depot.path)):
            raise _failed(stick, error.__cause__) from error
        raise
    names = tuple(f"{name}/{one}" for name, one in channels)
    return Written(names, len(parts), sum(part.size for part in parts), sum(part.size for part in copied))


def chosen(depot: Depot, model: str | None, channel: str | None) -> tuple[tuple[str, str], ...]:
    """Return the channels that are meant, as (model, channel); raise UsageError when there is none."""
    models = (model,) if model else tuple(depot.models)
    found = [(name, one) for name in models for one in depot.channels(name) if channel in (None, one)]
    if not found:
        wanted = f"channel {channel!r}" if channel else "channel"
        raise UsageError(f"{depot.path}: has no {wanted}{f' of {model}' if model else ''} to put on a stick")
    return tuple(found)


def _check_place(depot: Depot, stick: Stick) -> None:
    """Raise UsageError when the folder on the stick is not ours, or carries another depot."""
    if stick.place.is_symlink() or (stick.place.exists() and not stick.place.is_dir()):
        raise UsageError(f"{stick.place}: is no folder: take it away, or take another stick")
    for path in (stick.depot, *stick.depot.rglob("*")):
        if path.is_symlink():
            raise UsageError(f"{path}: leads somewhere else, where files would be replaced: take it away")
    others = sorted({path.name for path in stick.place.iterdir()} - _OURS) if stick.place.is_dir() else []
    others = [name for name in others if not name.startswith(".")]
    if others:
        raise UsageError(
            f"{stick.place}: holds something else ({', '.join(others[:3])}): take it away, or take another stick"
        )
    first = f"{next(root_versions(depot.path / METADATA))}.root.json"
    there = stick.depot / METADATA / first
    if there.is_file() and there.read_bytes() != (depot.path / METADATA / first).read_bytes():
        raise UsageError(f"{stick.depot}: carries another depot: take it away, or take another stick")


def _check_room(stick: Stick, parts: Sequence[Part]) -> None:
    """Raise TransferError when what is not there yet does not fit."""
    missing = sum(part.size for part in parts if not _has(stick.depot / part.path, part))
    free = shutil.disk_usage(stick.root).free
    if missing and missing + _SLACK > free:
        raise TransferError(
            f"{stick.root}: has {free:,} bytes free, and {missing + _SLACK:,} are needed: free some space, or name "
            "what is wanted with --model, --channel or --for; nothing was changed"
        )


def _has(path: Path, part: Part) -> bool:
    return path.is_file() and path.stat().st_size == part.size


def _failed(stick: Stick, error: OSError) -> TransferError:
    return TransferError(
        f"{error.filename or stick.root}: the stick fails: {error.strerror or error}; check it, put it in again and "
        "run the command again: it goes on where it was"
    )

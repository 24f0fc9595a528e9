"""What this device follows: for each model the settings that somebody gave it, kept in the state."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.state import State, read_keyring
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import FormatError, InputError, StateError, TransferError, UsageError
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.follow import ENDING, Follow

_LARGEST = 4 << 20
"""Bytes of a follow file that are read: a thousand times what one takes."""
_SETTINGS = "follow.json"
_PATIENCE = 30.0
"""How many seconds to wait for a look that is under way."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the state keeps what it knows of the depot of one model."""

    folder: Path

    @property
    def settings(self) -> Path:
        """What is followed."""
        return self.folder / _SETTINGS

    @property
    def metadata(self) -> Path:
        """What the depot said, and was believed."""
        return self.folder / "metadata"

    @property
    def look(self) -> Path:
        """What is locked while somebody looks at the depot, or changes which one it is."""
        return self.folder / "sync"

    @property
    def downloads(self) -> Path:
        """What was begun to be fetched."""
        return self.folder / "downloads"


def place_of(state: State, model: str) -> Place:
    """Return where the state keeps what it knows of the depot of `model`."""
    return Place(state.updates / model)


def followed(state: State) -> tuple[Follow, ...]:
    """Return what this device follows, by the names of the models."""
    return tuple(read_follow(state, path.parent.name) for path in sorted(state.updates.glob(f"*/{_SETTINGS}")))


def read_follow(state: State, model: str) -> Follow:
    """Return what this device follows for `model`; raise StateError when that is nothing, or damaged."""
    path = place_of(state, model).settings
    try:
        found = decode(path.read_bytes(), Follow, str(path))
    except FileNotFoundError as error:
        raise StateError(f"{model} follows no channel yet; give it one: hakobu-run follow FILE{ENDING}") from error
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error
    except FormatError as error:
        raise StateError(f"{error}; it is damaged: give it again, with hakobu-run follow FILE{ENDING}") from error
    if found.model != model:
        raise StateError(f"{path}: is for the model {found.model}; give it again, with hakobu-run follow FILE{ENDING}")
    return found


def open_follow(path: Path, model: str | None = None) -> Follow:
    """Return what the follow file at `path` says; raise InputError or FormatError when it is none.

    Raises UsageError when it is not for `model`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check the name and its permissions") from error
    again = f"get the {ENDING} file again from whoever runs the depot"
    if len(content) > _LARGEST:
        raise FormatError(f"{path}: is longer than {_LARGEST:,} bytes, so it is no {ENDING} file; {again}")
    try:
        found = decode(content, Follow, str(path))
    except FormatError as error:
        raise FormatError(f"{error}; {again}") from error
    if model not in (None, found.model):
        raise UsageError(f"{path}: is for the model {found.model}, not for {model}; {again}")
    if not _is_root(found.root):
        raise FormatError(f"{path}: the root in it is no root metadata of a depot; {again}")
    return found


def take_follow(state: State, follow: Follow) -> None:
    """Follow what `follow` says from now on, on the disk before this returns.

    What another depot has said, with a root of its own, is forgotten; the time floor is not.
    """
    place = place_of(state, follow.model)
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        with locked(place.look, patience=_PATIENCE):
            if place.metadata.exists() and not _is_known(place, follow.root):
                shutil.rmtree(place.metadata)
            write_whole(place.settings, encode(follow))
    except OSError as error:
        raise StateError(
            f"{place.folder}: cannot be written: {error.strerror}; mend that, or name another folder with --state DIR"
        ) from error


def change_channel(state: State, channel: str, model: str | None) -> Follow:
    """Follow `channel` from now on, of the depot that is followed for `model`; return what is followed then."""
    present = chosen(state, model)
    try:
        changed = msgspec.structs.replace(present, channel=channel)
    except FormatError as error:
        raise UsageError(f"{error}; to follow what a file says, name a file that ends in {ENDING}") from error
    take_follow(state, changed)
    return changed


def chosen(state: State, model: str | None) -> Follow:
    """Return what is followed for `model`, or for the only one that follows anything."""
    if model is not None:
        return read_follow(state, model)
    every = followed(state)
    if len(every) > 1:
        names = ", ".join(follow.model for follow in every)
        raise StateError(f"{state.root}: several models follow channels ({names}); choose one with --model NAME")
    if every:
        return every[0]
    raise StateError(f"{state.root}: no channel is followed yet; take one: hakobu-run follow FILE{ENDING}")


def depot_of(source: str, model: str) -> str:
    """Return the address of the depot that `source` names: itself, or what lies on a stick."""
    if not source:
        raise UsageError(
            f"{model} gets its updates on sticks alone: hakobu-run sync --from FOLDER, with the folder of the stick"
        )
    if "://" in source:
        return source
    folder = Path(source)
    for found in (folder / "hakobu" / "depot", folder):
        if (found / "metadata").is_dir():
            return str(found)
    if not folder.is_dir():
        raise TransferError(f"{folder}: there is no such folder: put the stick in, or check its name")
    raise TransferError(
        f"{folder}: holds no depot, neither in hakobu/depot nor by itself: check that it is the right stick"
    )


def trusted(state: State, model: str) -> bool:
    """Say whether any pinned key may sign bundles of `model`."""
    return any(pin.allows(model) for pin in read_keyring(state).pins)


def _is_known(place: Place, root: str) -> bool:
    """Say whether the depot that is known has, or once had, this root."""
    kept = (place.metadata / "root_history").glob("*.root.json")
    return any(path.read_bytes() == root.encode() for path in kept)


def _is_root(content: str) -> bool:
    try:
        found = json.loads(content)
        return bool(found["signed"]["_type"] == "root" and found["signatures"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return False

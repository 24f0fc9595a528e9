"""The state folder of a device."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import StateError, TrustError
from hakobu_runtime.trust import Keyring


@dataclass(frozen=True, slots=True)
class State:
    """A folder that holds all that a device remembers; nothing is written anywhere else."""

    root: Path

    @property
    def trust(self) -> Path:
        """The pinned public keys."""
        return self.root / "trust.json"

    @property
    def slots(self) -> Path:
        """Which bundle of each model is active."""
        return self.root / "slots.sqlite"

    @property
    def journal(self) -> Path:
        """The counts."""
        return self.root / "journal.sqlite"

    @property
    def bundles(self) -> Path:
        """The installed bundles, named by their digests."""
        return self.root / "bundles"

    @property
    def key(self) -> Path:
        """This device's own private key, which never leaves it."""
        return self.root / "device.pem"

    @property
    def keep(self) -> Path:
        """Whether, and how long, predictions are kept until their labels come."""
        return self.root / "keep.json"

    @property
    def predictions(self) -> Path:
        """The kept predictions, and the counts of what became of them."""
        return self.root / "predictions.sqlite"

    @property
    def updates(self) -> Path:
        """For each model that follows a channel, a folder of what is known of its depot."""
        return self.root / "updates"


def open_state(folder: Path | None = None) -> State:
    """Return the state folder `folder`, made when it is not there; by default the one in the user's data folder."""
    root = folder or default_folder()
    try:
        (root / "bundles").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"{error.filename}: the state folder cannot be made: {error.strerror}; name a writable one with --state DIR"
        ) from error
    if not os.access(root, os.W_OK):
        raise StateError(f"{root}: the state folder is not writable; name another one with --state DIR")
    return State(root)


def default_folder(name: str = "hakobu") -> Path:
    """Return the state folder of this user on this platform, under the name of the program."""
    import platformdirs

    try:
        found = Path(platformdirs.user_data_dir(name, appauthor=False))
    except RuntimeError:  # as newer versions say that ~ stands for nothing
        found = Path()
    if not found.is_absolute():
        raise StateError("this user has no home folder; name a folder for keys, bundles and counts with --state DIR")
    return found


def read_keyring(state: State) -> Keyring:
    """Return the keys that this device trusts; none when no key was ever pinned."""
    try:
        content = state.trust.read_bytes()
    except FileNotFoundError:
        return Keyring(())
    except OSError as error:
        raise StateError(f"{state.trust}: cannot be read: {error.strerror}") from error
    try:
        return Keyring.from_json(content, str(state.trust))
    except TrustError as error:
        raise StateError(str(error)) from error


def change_keyring(state: State, change: Callable[[Keyring], Keyring]) -> Keyring:
    """Store and return the keyring that `change` makes of the present one."""
    keyring = change(read_keyring(state))
    try:
        write_whole(state.trust, keyring.to_json())
    except OSError as error:
        raise StateError(f"{state.trust}: cannot be written: {error.strerror}") from error
    return keyring

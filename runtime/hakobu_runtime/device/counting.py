"""The journal of a device, gone on with whatever happens to its file: scoring never ends because counting failed there.

A damaged journal is set aside under another name, never deleted, and a new one is made; a single damaged window is set
aside inside the journal. A file that is only locked, forbidden or on a full disk is left where it is.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.slots import installed_digests
from hakobu_runtime.device.state import State
from hakobu_runtime.disk import sync_folder
from hakobu_runtime.errors import DamageError, StateError
from hakobu_runtime.journal import Journal
from hakobu_runtime.journal.tables import examine
from hakobu_runtime.journal.windows import Lost

PATIENCE = 30.0
"""How many seconds to wait for other processes."""

_ENDS = ("-wal", "-shm", "")
"""SQLite's logs beside the file, and the file itself."""

Warn = Callable[[str], None]
"""Hears one line about what was damaged, for a person; it must not raise."""


def log(words: str) -> None:
    """Warn as Python's programs do: one line on stderr, unless the program sends its warnings elsewhere."""
    import logging  # here, since it is wanted once in years

    logging.getLogger("hakobu_runtime").warning(words)


def open_journal(state: State, warn: Warn = log) -> Journal:
    """Return the open journal of `state`; whatever of it is damaged is set aside, and `warn` hears it."""
    return Journal.open(
        state.journal,
        patience=PATIENCE,
        rescue=_Rescue(state.journal, warn),
        installed=lambda: installed_digests(state),
    )


def set_aside_files(state: State) -> tuple[Path, ...]:
    """Return the journals that were damaged and set aside, oldest first."""
    prefix = f"{state.journal.name}.damaged-"
    found = {path.name.removeprefix(prefix): path for path in state.root.glob(f"{prefix}*")}
    return tuple(found[number] for number in sorted((name for name in found if name.isdecimal()), key=int))


@dataclass(frozen=True, slots=True)
class _Rescue:
    """Sets aside what is damaged of the journal at `path`, and tells it."""

    path: Path
    warn: Warn

    def alone(self) -> AbstractContextManager[None]:
        """Hold the place of the file.

        A connection made between the moves below would make new logs for the old file, under the names that those of
        the next one have.
        """
        return locked(self.path, patience=PATIENCE)

    def file(self, error: DamageError) -> None:
        """Move the journal away, unless another process has done that by now."""
        with self.alone():
            try:
                examine(self.path, patience=PATIENCE)
            except DamageError:
                aside = self._move()
            else:
                return
        self.warn(
            f"{error}".partition("; move it away")[0]
            + f"; it is set aside as {aside.name}, and a new one is made: its counts are in no total any more"
        )

    def window(self, lost: Lost) -> None:
        """Tell that one window was set aside."""
        self.warn(f"{self.path}: {lost.words()}")

    def _move(self) -> Path:
        """Move the file and its logs; the file last, for as soon as it is gone another process makes a new one."""
        names = (_with(self.path, f".damaged-{number}") for number in count(1))
        aside = next(name for name in names if not any(_with(name, end).exists() for end in _ENDS))
        try:
            for end in _ENDS:
                if _with(self.path, end).exists():
                    _with(self.path, end).rename(_with(aside, end))
            sync_folder(self.path.parent)
        except OSError as error:
            raise StateError(
                f"{self.path}: is damaged and cannot be moved away: {error.strerror}; end the other programs that use "
                "it and run the command again"
            ) from error
        return aside


def _with(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)

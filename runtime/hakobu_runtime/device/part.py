"""The files that a run writes: each grows under a name of its own, and gets its true one when it is whole."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from hakobu_runtime.device.lock import locked
from hakobu_runtime.disk import sync_folder
from hakobu_runtime.errors import InputError, StateError
from hakobu_runtime.rows.growing import Columns, Growth, JoinError

Empty = Callable[[], Columns]
"""Gives the columns of a table without rows."""


class Outlet(Protocol):
    """Where the rows of a run go."""

    def write(self, content: bytes) -> None:
        """Add some rows."""

    def sync(self) -> int:
        """Put all so far where it stays; return how many bytes that is."""

    def seal(self) -> int:
        """End the table and put it where it stays; return how many bytes it has."""

    def place(self) -> None:
        """Give the sealed table its name; doing so again after a crash changes nothing."""


class Part:
    """A file that grows in `NAME.partial`, or, when it cannot grow itself, in `NAME.rows.partial`.

    `owner` tells it from what another run has left of a file of the same name.
    """

    def __init__(self, target: Path, growth: Growth, empty: Empty, owner: str = "") -> None:
        self._target = target
        self._growth = growth
        self._empty = empty
        self._whole = partial_of(target, owner)
        self._growing = partial_of(target, f"{owner}.rows") if growth.join else self._whole
        self._file: BinaryIO | None = None

    def holds(self, size: int, *, sealed: bool) -> bool:
        """Say whether what an earlier run left is all there: the first `size` bytes, or the sealed table."""
        if not sealed:
            return _size(self._growing) >= size
        return size in (_size(self._whole), _size(self._target))

    @contextmanager
    def open(self, size: int | None) -> Iterator[None]:
        """Open the file for writing after its first `size` bytes; None: a new one."""
        if size is None:
            self._growing.write_bytes(b"")
            sync_folder(self._growing.parent)
        with self._growing.open("r+b") as file:
            file.truncate(size or 0)
            file.seek(size or 0)
            self._file = file
            try:
                yield
            finally:
                self._file = None

    def write(self, content: bytes) -> None:
        """Add some rows."""
        file = self._opened()
        file.write(content if file.tell() else self._growth.head(self._empty()) + content)

    def sync(self) -> int:
        """Put all so far on the disk; return how many bytes that is."""
        file = self._opened()
        file.flush()
        os.fsync(file.fileno())
        return file.tell()

    def seal(self) -> int:
        """End the table and put it on the disk under its last but one name; return how many bytes it has."""
        self.write(self._growth.end)
        size = self.sync()
        if self._growth.join is None:
            return size
        try:
            self._growth.join(self._growing, self._whole)
        except JoinError as error:
            raise OSError(0, str(error)) from error
        with self._whole.open("rb+") as file:
            os.fsync(file.fileno())
            size = file.seek(0, os.SEEK_END)
        sync_folder(self._whole.parent)
        return size

    def place(self) -> None:
        """Give the sealed table its name; doing so again after a crash changes nothing."""
        if self._whole.is_file():
            self._whole.replace(self._target)
            sync_folder(self._target.parent)
        if self._growing != self._whole:
            self._growing.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what has grown; the table under the true name stays."""
        for path in {self._growing, self._whole}:
            path.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"{self._growing} is not open")
        return self._file


class Pipe:
    """A stream, like stdout, into which the table goes at once."""

    def __init__(self, file: BinaryIO, growth: Growth, empty: Empty) -> None:
        self._file = file
        self._growth = growth
        self._empty = empty
        self._done = 0

    def write(self, content: bytes) -> None:
        """Add some rows."""
        content = content if self._done else self._growth.head(self._empty()) + content
        self._file.write(content)
        self._done += len(content)

    def sync(self) -> int:
        """Hand over all so far; return how many bytes that is."""
        self._file.flush()
        return self._done

    def seal(self) -> int:
        """End the table."""
        self.write(self._growth.end)
        return self.sync()

    def place(self) -> None:
        """Do nothing: a stream has no name."""


@contextmanager
def alone(targets: tuple[Path, ...]) -> Iterator[None]:
    """Let no other process write or count what this one does."""
    with ExitStack() as held:
        for target in sorted(targets):
            try:
                held.enter_context(locked(partial_of(target)))
            except StateError as error:
                raise InputError(str(error)) from error
        yield


def partial_of(target: Path, owner: str = "") -> Path:
    """Return where the file `target` is until it is whole."""
    return target.with_name(f"{target.name}{owner}.partial")


def _size(path: Path) -> int:
    """Return how many bytes the file at `path` has, -1 when there is none."""
    return path.stat().st_size if path.is_file() else -1

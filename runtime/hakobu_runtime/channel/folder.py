"""A depot in a folder: a shared drive, or a stick."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hakobu_runtime.channel.fetch import AbsentError, Content, Fetcher
from hakobu_runtime.errors import TransferError

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*(?:/[0-9A-Za-z][0-9A-Za-z._-]*)*")
_CHUNK = 1 << 20
_MISSING = {errno.ENOENT, errno.ENOTDIR}


class FolderFetcher(Fetcher):
    """The files below a folder, and none that a link would lead to elsewhere."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.place = str(root)

    @contextmanager
    def read(self, name: str, start: int = 0) -> Iterator[Content]:
        """Open the file `name` from the byte at `start` on; see Fetcher."""
        path = self._find(name)
        try:
            file = _open(path)
        except OSError as error:
            raise _unreadable(path, error) from error
        with file:
            yield Content(start, _chunks(file, path, start))

    def _find(self, name: str) -> Path:
        """Return the file of this name, in capitals or not, as FAT has it."""
        if not _NAME.fullmatch(name):
            raise TransferError(f"{self.place}: a file named {name!r} is never read from a folder")
        try:
            if not self._root.is_dir():
                raise TransferError(f"{self.place}: there is no such folder: plug the stick in, or check the address")
            path = self._root / name
            if not path.exists():
                path = _whatever_case(self._root, name)
            if not path.resolve().is_relative_to(self._root.resolve()):
                raise TransferError(f"{path}: is a link that leads out of the depot, so it is not read")
        except OSError as error:
            raise _unreadable(self._root / name, error) from error
        return path


def _whatever_case(root: Path, name: str) -> Path:
    path = root
    for part in name.split("/"):
        if not path.is_dir():
            break
        path = next((entry for entry in path.iterdir() if entry.name.lower() == part.lower()), path / part)
    else:
        if path.exists():
            return path
    raise AbsentError(f"{root / name}: there is no such file; copy the depot again, in whole")


def _open(path: Path) -> BinaryIO:
    # A pipe of that name would hold us for ever, were it opened as a file is.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file")
    return open(descriptor, "rb", buffering=0)  # noqa: PTH123 - a descriptor


def _chunks(file: BinaryIO, path: Path, start: int) -> Iterator[bytes]:
    try:
        file.seek(start)
        while chunk := file.read(_CHUNK):
            yield chunk
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> TransferError:
    reason = error.strerror or "unknown"
    if error.errno in _MISSING:
        return AbsentError(f"{path}: there is no such file any more: was the stick pulled out?")
    if error.errno in (errno.EACCES, errno.EPERM):
        return TransferError(f"{path}: cannot be read ({reason}); check its permissions")
    return TransferError(f"{path}: cannot be read ({reason}): was the stick pulled out, or is it damaged?")

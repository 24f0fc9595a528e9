"""Work on the folder of a depot: by one command at a time, and every file is the old one or the new one."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hakobu_runtime.device.lock import locked
from hakobu_runtime.disk import sync_folder, write_whole
from hakobu_runtime.errors import StateError

_REMEDIES = {
    errno.ENOSPC: "free some space there",
    errno.EROFS: "bring it to a place that can be written to",
    errno.EACCES: "check who may write there",
    errno.EPERM: "check who may write there",
}


@contextmanager
def at_work(path: Path, folder: str) -> Iterator[None]:
    """Let nobody else change the depot at `path`, whose subfolder `folder` is there, until the block ends.

    Raises StateError when another one does, or when the disk refuses something.
    """
    try:
        with locked(path / folder):
            yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "check the disk")
        place = error.filename or path
        raise StateError(
            f"{place}: cannot be written: {error.strerror or error}; {remedy}; the depot is as it was before"
        ) from error


def put_on_disk(path: Path, content: bytes) -> None:
    """Write a file of a depot, its folders too where they are missing; raise OSError."""
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
    write_whole(path, content)


def drafts(folder: Path) -> Iterator[Path]:
    """Yield the files in `folder`, and below it, that a killed command was writing."""
    return (path for path in folder.rglob(".*.partial") if path.is_file())

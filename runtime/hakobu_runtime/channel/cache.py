"""The folder of what is known of a depot: nothing in it is lost that cannot be fetched again, so damage is cleared."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import StateError


def make_folder(folder: Path) -> None:
    """Make `folder`, in the place of a file if there is one, without what a kill left in it."""
    if folder.exists() and not folder.is_dir():
        folder.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".*.partial"):
        left.unlink()


def clear_file(path: Path) -> None:
    """Remove a folder that stands where the file `path` belongs."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)


def keep(path: Path, content: bytes) -> None:
    """Put `content` at `path`, unless it is there already."""
    try:
        if path.read_bytes() == content:
            return
    except OSError:
        clear_file(path)
    write_whole(path, content)


@contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """Turn what the disk says into what is wrong and what to do."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"{folder}: what is known of the depot cannot be kept here ({error.strerror}): free some space, or check "
            "the permissions, and try again"
        ) from error

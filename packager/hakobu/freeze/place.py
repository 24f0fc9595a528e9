"""The place of something that takes a while to make: free, with room on its disk, and never with half of it there."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hakobu_runtime.errors import ToolError, UsageError


def check_free(target: Path) -> None:
    """Raise UsageError when something is at `target` already."""
    if os.path.lexists(target):
        raise UsageError(f"{target}: is there already; move it away, or name another place with -o")


def check_room(folder: Path, needed: int, making: str) -> None:
    """Make `folder`, and say at once what a tool would say after minutes: `making` takes `needed` bytes for a while.

    Raises ToolError when its disk has less, or when it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ToolError(f"{folder}: cannot be used: {error.strerror}; name another folder with -o") from error
    if free < needed:
        raise ToolError(
            f"{folder}: its disk has {free / 1e6:,.0f} MB free, and {making} takes {needed / 1e6:,.0f} MB for a while; "
            "free some space, or name a folder on another disk with -o"
        )


@contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """Make a folder for all that is no result, on the disk of the result, and take it away."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".hakobu-", ignore_cleanup_errors=True) as work:
            yield Path(work)
    except OSError as error:
        raise ToolError(
            f"{error.filename or folder}: {error.strerror or error}; free some space there, or name another folder "
            "with -o"
        ) from error


def size_of(path: Path) -> int:
    """Return how many bytes the files of `path` have, links not counted."""
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file() and not file.is_symlink())

"""One large file comes in: what is there already is kept when it breaks off, and nothing unverified gets its name."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import BinaryIO

from hakobu_runtime.channel.fetch import BrokenError, Fetcher, refuse_page, too_long
from hakobu_runtime.disk import sync_folder
from hakobu_runtime.errors import StateError, TrustError

Advance = Callable[[int, int], None]
"""Told how many bytes there are of how many."""
_GAIN = 1 << 16
"""Bytes that make a try worth another one: a server that sends a few each time holds a device no longer than it may."""
_SPARE = 1 << 20
"""Bytes that a disk should have left after a download."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to come in, and how it is known to be the right one."""

    name: str
    """Its path at the place it comes from."""
    size: int
    """Bytes."""
    mark: str
    """Part of the name of the unfinished file: other content, another mark."""
    verified: Callable[[BinaryIO], bool]
    """Says whether a file has the content that was promised."""


def download(fetcher: Fetcher, wanted: Wanted, into: Path, advance: Advance) -> None:
    """Put the verified content of `wanted` at `into`, on the disk before this returns.

    What came before it breaks off stays beside `into`, and is not fetched again the next time. Raises TransferError
    when it breaks off, TrustError when it is not what was promised, StateError when it cannot be written.
    """
    with _writing(into):
        into.parent.mkdir(parents=True, exist_ok=True)
        partial = into.with_name(f"{into.name}.{wanted.mark}.partial")
        _forget_others(into, partial)
        if not _has(into, wanted):
            _complete(fetcher, wanted, partial, advance)
            partial.replace(into)
            sync_folder(into.parent)
        advance(wanted.size, wanted.size)


def _complete(fetcher: Fetcher, wanted: Wanted, partial: Path, advance: Advance) -> None:
    """Make `partial` the whole file; anew, once, where what was left of an earlier time turns out to be damaged."""
    resumed = partial.exists()
    _fill(fetcher, wanted, partial, advance)
    if _has(partial, wanted):
        return
    partial.unlink()
    if not resumed:
        raise TrustError(
            f"{fetcher.place}/{wanted.name}: is not the file that the depot's metadata promise (its digest differs): "
            "it was damaged on the way or tampered with, so it is thrown away; copy the depot again, or tell whoever "
            "runs it"
        )
    _complete(fetcher, wanted, partial, advance)


def _fill(fetcher: Fetcher, wanted: Wanted, partial: Path, advance: Advance) -> None:
    """Bring `partial` to its full size; leave what came, and no empty file, when it breaks off."""
    partial.touch()
    try:
        with partial.open("r+b") as file:
            if file.seek(0, os.SEEK_END) > wanted.size:
                _restart(file)
            _check_room(partial, wanted.size - file.tell())
            _persist(fetcher, wanted, file, advance)
    finally:
        if wanted.size and not partial.stat().st_size:
            partial.unlink()


def _persist(fetcher: Fetcher, wanted: Wanted, file: BinaryIO, advance: Advance) -> None:
    """Try again when it breaks off, as often as the fetcher says; a try that got further is not counted."""
    most, pauses = file.tell(), list(fetcher.pauses)
    while file.tell() != wanted.size:
        try:
            _append(fetcher, wanted, file, advance)
        except BrokenError:
            if file.tell() >= most + _GAIN:
                most, pauses = file.tell(), list(fetcher.pauses)
            if not pauses:
                raise
            sleep(pauses.pop(0))
        finally:
            file.flush()
            os.fsync(file.fileno())


def _append(fetcher: Fetcher, wanted: Wanted, file: BinaryIO, advance: Advance) -> None:
    """Add to `file` what is missing, or begin it anew where the place cannot begin in the middle."""
    with fetcher.read(wanted.name, file.tell()) as content:
        if content.start != file.tell():
            _restart(file)
        for chunk in content.chunks:
            if not file.tell():
                refuse_page(fetcher, wanted.name, chunk[:512])
            if file.tell() + len(chunk) > wanted.size:
                _restart(file)
                raise too_long(fetcher, wanted.name, wanted.size)
            file.write(chunk)
            advance(file.tell(), wanted.size)
    if file.tell() < wanted.size:
        raise BrokenError(
            f"{fetcher.place}/{wanted.name}: is cut short: {file.tell()} of {wanted.size} bytes; try again, or copy "
            "the depot again"
        )


def _restart(file: BinaryIO) -> int:
    file.seek(0)
    return file.truncate()


def _has(path: Path, wanted: Wanted) -> bool:
    try:
        with path.open("rb") as file:
            return wanted.verified(file)
    except FileNotFoundError:
        return False


def _forget_others(into: Path, partial: Path) -> None:
    """Remove what was begun of other content for the same place, which nobody will complete."""
    for left in into.parent.iterdir():
        if left.name.startswith(f"{into.name}.") and left.name.endswith(".partial") and left != partial:
            left.unlink()


def _check_room(partial: Path, missing: int) -> None:
    free = shutil.disk_usage(partial.parent).free
    if free < missing + _SPARE:
        raise StateError(
            f"{partial.parent}: {missing} bytes are still to come, and the disk has {free} free: free some space and "
            "try again; nothing was lost"
        )


@contextmanager
def _writing(into: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space" if full else "check the folder and its permissions"
        raise StateError(f"{into}: cannot be written ({error.strerror}): {remedy} and try again") from error

"""Work on a file that only one process may do at a time; the system ends the lock when the process dies."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from hakobu_runtime.errors import StateError

_UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a folder on another machine answers that knows no locks."""


@contextmanager
def locked(path: Path, *, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of `path` until the block ends, in a file beside it that ends in `.lock`.

    `path` itself need not be there, and may be moved meanwhile. Where the folder knows no locks, none is held. Raises
    StateError when another process, or another thread of this one, holds it for more than `patience` seconds.
    """
    lock = path.with_name(path.name + ".lock")
    latest = monotonic() + patience
    while (descriptor := _take(lock)) is None:
        if monotonic() > latest:
            raise StateError(
                f"{path}: another hakobu is at work on it; wait until that has ended and run the command again"
            )
        sleep(0.02)
    try:
        yield
    finally:
        _release(lock, descriptor)


def _take(lock: Path) -> int | None:
    """Return the open lock file; None when another one holds it."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except PermissionError:
        if os.name == "nt" and lock.exists():
            return None  # it is just being removed
        raise StateError(f"{lock}: cannot be made; make {lock.parent} a writable folder") from None
    except OSError as error:
        raise StateError(f"{lock}: cannot be made: {error.strerror}; make {lock.parent} a writable folder") from error
    try:
        free = _lock(descriptor) and _is_at(lock, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    if free:
        return descriptor
    os.close(descriptor)
    return None


def _release(lock: Path, descriptor: int) -> None:
    if os.name == "nt":  # which removes no open file, so whoever has it open by then keeps it
        os.close(descriptor)
        with suppress(OSError):
            lock.unlink()
        return
    with suppress(OSError):
        lock.unlink()  # before the lock ends: whoever gets that then sees that its file is gone, and takes a new one
    os.close(descriptor)


def _is_at(lock: Path, descriptor: int) -> bool:
    """Say whether the open file is still the one at `lock`, and not one that its last holder has removed."""
    try:
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        """Lock the file, without waiting."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            return error.errno in _UNKNOWN
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        """Lock the file, without waiting."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in _UNKNOWN
        return True

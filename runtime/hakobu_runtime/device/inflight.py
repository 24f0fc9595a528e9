"""Marks of processes that work with something that is not proven: who dies with a mark in its hand leaves it lying.

A mark is a lock file: the system ends the lock when the process dies, so neither a number that another process got
meanwhile nor a restart of the PC has to be told apart. Marks that are found lying count once together: a power cut, or
the end of a service with several processes, is one thing that happened.
"""

import os
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hakobu_runtime.device.lock import locked
from hakobu_runtime.errors import StateError

_ENDS = ("SIGTERM", "SIGHUP", "SIGBREAK")
_PATIENCE = 1.0


def take_abandoned(folder: Path, name: str) -> bool:
    """Say whether a process died with a mark of this name, and take its marks away."""
    found = [_is_abandoned(path) for path in sorted(folder.glob(f"{name}-*.lock"))]
    return any(found)


@contextmanager
def in_flight(folder: Path, name: str) -> Iterator[None]:
    """Hold a mark until the block ends, however it does but by the death of the process.

    A signal that asks the process to end is no death: it takes the mark away first.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"{folder}: cannot be made: {error.strerror}; mend the permissions there") from error
    mark = folder / f"{name}-{uuid.uuid4().hex}"
    lock = mark.with_name(f"{mark.name}.lock")
    with locked(mark, patience=_PATIENCE), _heeding(lock):
        # From here on it counts: one that was just made, or is just being removed, is empty. The first byte is locked.
        with lock.open("r+b") as file:
            file.seek(1)
            file.write(b"\n")
        yield


def _is_abandoned(lock: Path) -> bool:
    try:
        with locked(lock.with_name(lock.name.removesuffix(".lock"))):
            return lock.stat().st_size > 0
    except (StateError, FileNotFoundError):
        return False


@contextmanager
def _heeding(lock: Path) -> Iterator[None]:
    """Take the mark away before a signal ends the process that nothing else heeds."""
    former = {}

    def end(number: int, frame: FrameType | None) -> None:
        lock.unlink(missing_ok=True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    if threading.current_thread() is threading.main_thread():
        for name in _ENDS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                former[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)

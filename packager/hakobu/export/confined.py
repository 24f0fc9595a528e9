"""Running a conversion in a child process: the exporter can loop for ever, or eat all the memory."""

import multiprocessing
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeVar

import cloudpickle

from hakobu_runtime.errors import HakobuError, ProjectError

T = TypeVar("T")

_MOST = 1_000_000
"""Of seconds and of gigabytes: more is no limit, and beyond what systems take."""


@dataclass(frozen=True, slots=True)
class Confines:
    """What a conversion may take."""

    seconds: float = 300.0
    gigabytes: float = 8.0
    """Beyond what the process holds already; kept on Linux and macOS, where the system can."""

    def __post_init__(self) -> None:
        for limit, what in ((self.seconds, "seconds"), (self.gigabytes, "GB")):
            if not 0 < limit <= _MOST:
                raise ValueError(f"the limit of {limit:g} {what} must lie above 0 and at {_MOST:,} at most")


@dataclass(frozen=True, slots=True)
class _Carried:
    """A call that also reaches a process which inherits nothing, with classes that nobody can import."""

    call: Callable[[], Any]

    def __reduce__(self) -> Any:
        return _unpacked, (cloudpickle.dumps(self.call),)


def _unpacked(content: bytes) -> _Carried:
    return _Carried(cloudpickle.loads(content))


def confined(call: Callable[[], T], confines: Confines) -> T:
    """Return what `call` returns, made in a child process; raise what it raises, or ProjectError at a limit."""
    # Forked, the child needs no copy of the estimator, whose class may live in a file that nobody can import.
    # Elsewhere forking is absent or unsafe.
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(_Carried(call), theirs, confines.gigabytes), daemon=True)
    child.start()
    theirs.close()
    try:
        if not ours.poll(confines.seconds):
            raise ProjectError(
                f"the conversion took longer than {confines.seconds:g} seconds and was stopped; take fewer or smaller "
                "trees, or another estimator for the step that the exporter cannot finish"
            )
        answer = ours.recv()
    except EOFError:
        child.join()
        raise ProjectError(
            f"the conversion ended without a word ({_ending(child.exitcode)}): it needs more memory than "
            f"{confines.gigabytes:g} GB, or the exporter crashed; take a smaller model"
        ) from None
    finally:
        child.kill()
        child.join()
        ours.close()
    if isinstance(answer, BaseException):
        raise answer
    found: T = answer
    return found


def _work(carried: _Carried, answer: Connection, gigabytes: float) -> None:
    _limit_memory(gigabytes)
    found: Any
    try:
        found = _tried(carried.call)
    except HakobuError as error:
        found = error
    except MemoryError:
        found = ProjectError(f"the conversion needs more memory than {gigabytes:g} GB; take a smaller model")
    answer.send(found)


def _tried(call: Callable[[], T]) -> T:
    """Return what `call` returns; each of the exporter's many failures is a refusal."""
    try:
        return call()
    except (HakobuError, MemoryError):
        raise
    except Exception as error:
        words = " ".join(str(error).split())[:300]
        place = extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        raise ProjectError(f"the conversion failed: {type(error).__name__}: {words} ({where})") from error


def _limit_memory(gigabytes: float) -> None:
    """Let this process grow by so much and no more."""
    try:
        import resource

        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    limit = held + int(gigabytes * 1e9)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

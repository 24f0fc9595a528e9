"""Ending in good order: what asks a long-running command to end is heard, and heeded between two pieces of work."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from types import FrameType

_ASKS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_NAP = 0.2


class StopAsked(Exception):  # noqa: N818  it is no error, and is never shown
    """Raised where the work can be left: somebody asked for the end."""


class Stop:
    """Whether somebody has asked for the end: with Ctrl-C, or as services are ended."""

    def __init__(self) -> None:
        self.asked = False
        self.interrupted = False
        """Whether it was Ctrl-C."""
        self._idle = False

    def check(self) -> None:
        """Raise StopAsked when the end was asked for."""
        if self.asked:
            raise StopAsked

    def pause(self, seconds: float) -> None:
        """Wait `seconds`, or until the end is asked for."""
        latest = monotonic() + seconds
        while not self.asked and (left := latest - monotonic()) > 0:
            sleep(min(left, _NAP))

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let StopAsked come up anywhere in the block, which waits for others and does no work."""
        self._idle = True
        try:
            self.check()
            yield
        finally:
            self._idle = False

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Take a signal; a second Ctrl-C ends the work wherever it is."""
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True
        self.interrupted = number == signal.SIGINT
        if self._idle:
            raise StopAsked


@contextmanager
def listening() -> Iterator[Stop]:
    """Hear the signals that ask for the end until the block ends; to be called in the main thread."""
    stop = Stop()
    former = {}
    for name in _ASKS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):  # nohup ignores one
            former[number] = signal.signal(number, stop.hear)
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)

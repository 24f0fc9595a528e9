"""The pace of a transfer: not faster than was allowed, and not so slow that it would never end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep


class Pace:
    """Watches one transfer, from asking for it to its end; `stop` is called, by another thread, when it is too slow.

    Reading with a timeout alone lets a server hold a device for ever, by sending a byte now and then.
    """

    def __init__(self, stop: Callable[[], None], *, rate: int | None, least: int, span: float) -> None:
        """`rate`: bytes a second at most; `least`: bytes that have to come in each `span` of seconds."""
        self.slow = False
        """Whether it was stopped."""
        self._stop, self._rate, self._least, self._span = stop, rate, least, span
        self._begun = self._mark = monotonic()
        self._received = self._seen = 0
        self._resting = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="hakobu-pace", daemon=True)

    def __enter__(self) -> "Pace":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def begin(self) -> None:
        """Measure from now on: an answer has come."""
        self._begun = self._mark = monotonic()

    def count(self, size: int) -> None:
        """Note that `size` bytes came; wait when they came too fast."""
        self._received += size
        if self._rate:
            with self.resting():
                sleep(max(self._received / self._rate - (monotonic() - self._begun), 0))

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Do not blame the other side for the time that this block takes: nothing is read in it."""
        before = monotonic()
        self._resting = True
        try:
            yield
        finally:
            self._mark += monotonic() - before
            self._resting = False

    def _watch(self) -> None:
        while not self._ended.wait(self._span / 8):
            if self.slow:
                self._stop()  # again: there may not have been a connection yet
            elif self._resting or monotonic() - self._mark < self._span:
                continue
            elif self._received - self._seen < self._least:
                self.slow = True
                self._stop()
            else:
                self._mark, self._seen = monotonic(), self._received

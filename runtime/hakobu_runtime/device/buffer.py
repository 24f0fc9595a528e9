"""Counts of the rows that are scored inside another program, on their way to the journal."""

import atexit
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.counting import log, open_journal
from hakobu_runtime.device.outcomes_keeper import open_keeper
from hakobu_runtime.device.probation import Trial
from hakobu_runtime.device.state import State
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Window
from hakobu_runtime.scorer.record import ENOUGH, Source


class Buffer:
    """Counts that wait in memory for the journal: at most 1,024 rows, at most one second, and never past the exit."""

    SECONDS = 1.0

    def __init__(self, state: State, bundle: Bundle, trial: Trial | None = None) -> None:
        self._state = state
        self._trial = trial
        self._model = ModelName(bundle.manifest.name, bundle.manifest.version, bundle.digest)
        self.keeper = open_keeper(state, bundle)
        self._lock = threading.Lock()
        self._waiting: dict[Window, WindowCounts] = {}
        self._unjudged: list[WindowCounts] = []
        """What the journal has taken, and the probation not yet."""
        self.rows = 0
        """How many rows have come since they were last handed over, but for those that wait where they were scored."""
        self._sources: set[Source] = set()
        self._timer: threading.Timer | None = None
        atexit.register(self._end)

    def add(self, counts: Mapping[Window, WindowCounts]) -> None:
        """Take `counts` in, and hand all over to the journal when enough wait."""
        with self._lock:
            self._take(counts)
        self._go_on()

    def later(self, source: Source) -> None:
        """Take what `source` drains: now when enough wait, else within a second, and in any case at the exit."""
        with self._lock:
            self._sources.add(source)
        self._go_on()

    def flush(self) -> None:
        """Hand all that waits over to the journal."""
        with self._lock:
            self._flush()

    def _go_on(self) -> None:
        """Hand all over when enough wait, else within a second."""
        with self._telling(), self._lock:
            if self.rows + sum(source.waiting for source in self._sources) >= ENOUGH:
                self._flush()
            else:
                self._start()

    def _try_flush(self) -> None:
        """Hand all over."""
        with self._telling(), self._lock:
            self._flush()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say what cannot be written: the caller wants a score, not this; a later try takes what waits.

        Around the lock, and not within: whoever hears it may score.
        """
        try:
            yield
        except StateError as error:
            log(f"{'counts are waiting for the journal' if self._waiting else 'the probation is not judged'}: {error}")

    def _end(self) -> None:
        """Hand all over for the last time."""
        try:
            self.flush()
        except StateError as error:
            lost = sum(found.rows for found in self._waiting.values())
            log(f"the program ends, and with it the counts of {lost:,} rows: {error}")

    def _take(self, counts: Mapping[Window, WindowCounts]) -> None:
        for window, found in counts.items():
            self._waiting.setdefault(window, WindowCounts()).add(found)
            self.rows += found.rows

    def _start(self) -> None:
        if self._timer is None or not self._timer.is_alive():  # a process that was forked off has no threads
            self._timer = threading.Timer(self.SECONDS, self._end_second)
            self._timer.daemon = True
            self._timer.start()

    def _end_second(self) -> None:
        with self._lock:
            self._timer = None
        self._try_flush()

    def _flush(self) -> None:
        # The timer runs on, for what comes next: ending its thread, and starting another, would be felt by three rows.
        for source in self._sources:
            self._take(source.drain())
        self.rows = 0  # though the journal may refuse them: the next try is not made for each row that follows
        if self.keeper is not None:
            self.keeper.write()
        if self._waiting:
            with open_journal(self._state) as journal:
                journal.add(self._model, self._waiting)
            counted, self._waiting = self._waiting, {}
            self._unjudged += counted.values()
        if self._trial is not None and self._unjudged:
            self._trial.note(self._unjudged)
        self._unjudged = []

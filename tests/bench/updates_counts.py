"""What a simulated device counts: by the hour, folded into days and months later, as in the journal."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal.tallying import tally_of
from hakobu_runtime.journal.upkeep import DAYS_KEPT, HOURS_KEPT
from hakobu_runtime.journal.windows import HOLDERS

Key = tuple[ModelName, str, Span]
SLOTS = 6
"""Of the one feature."""


class Batch:
    """A few rows: how many fell into each slot of the one feature, and how many were rejected."""

    __slots__ = ("rejected", "slots")

    def __init__(self, slots: tuple[int, ...], rejected: int = 0) -> None:
        self.slots = slots
        self.rejected = rejected

    @property
    def rows(self) -> int:
        """How many rows they are."""
        return sum(self.slots)

    def counts(self) -> WindowCounts:
        """Return them as a device counts them."""
        rows = self.rows
        verdicts = {"ok": rows - self.rejected, "rejected": self.rejected}
        return WindowCounts(rows, verdicts, {"heat": np.array(self.slots, dtype=np.int64)})

    def plus(self, other: "Batch") -> "Batch":
        """Return both together."""
        slots = tuple(one + another for one, another in zip(self.slots, other.slots, strict=True))
        return Batch(slots, self.rejected + other.rejected)


NOTHING = Batch((0,) * SLOTS)


def batches_of(slots: NDArray[np.int8]) -> list[Batch]:
    """Return for each row of `slots` (batches x slots) the batch that it stands for."""
    return [Batch(tuple(row)) for row in slots.tolist()]


def batch_of(slots: NDArray[np.int8]) -> Batch:
    """Return all rows of `slots` (batches x slots) as one batch."""
    return Batch(tuple(slots.sum(axis=0, dtype=np.int64).tolist()))


def together(batches: Iterable[Batch]) -> Batch:
    """Return them all as one."""
    total = NOTHING
    for batch in batches:
        total = total.plus(batch)
    return total


class Counted:
    """The windows of one device, with their revisions, and which of them are known to be at home."""

    __slots__ = ("_device", "_home", "_kept_up", "_windows")

    def __init__(self, device: str) -> None:
        self._device = device
        self._kept_up = ""
        self._windows: dict[Key, tuple[Batch, int]] = {}
        self._home: dict[Key, int] = {}

    def add(self, model: ModelName, now: datetime, batch: Batch) -> None:
        """Count rows that were scored with `model` at `now`, by the device's clock."""
        self._keep_up(now)
        self._sum(self._holder(model, _start(now, Span.HOUR), Span.HOUR), (batch,))

    def total(self, model: ModelName) -> WindowCounts:
        """Return all that was counted of a model."""
        return together(batch for (name, _, _), (batch, _) in self._windows.items() if name == model).counts()

    def unsent(self) -> Iterator[Tally]:
        """Yield what is not known to be at home."""
        for key, (_, revision) in self._windows.items():
            if revision > self._home.get(key, -1):
                yield self._tally(key)

    def every(self) -> Iterator[Tally]:
        """Yield what all windows hold."""
        yield from map(self._tally, self._windows)

    def _tally(self, key: Key) -> Tally:
        model, start, span = key
        batch, revision = self._windows[key]
        epoch = f"{self._device[:8]}{model.digest[:8]}"
        return tally_of(self._device, model, epoch, _window(start, span), (batch.counts(), revision))

    def settle(self, tallies: tuple[Tally, ...]) -> None:
        """Heed that these came home."""
        for tally in tallies:
            key = (tally.model, tally.window.start, tally.window.span)
            if key in self._windows:
                self._home[key] = max(tally.revision, self._home.get(key, -1))

    def _keep_up(self, now: datetime) -> None:
        """Fold old windows into longer ones, once a day."""
        today = _start(now, Span.DAY)
        if today == self._kept_up:
            return
        self._kept_up = today
        self._fold(Span.HOUR, _start(now - HOURS_KEPT, Span.DAY), Span.DAY)
        self._fold(Span.DAY, _start(now - DAYS_KEPT, Span.MONTH), Span.MONTH)

    def _fold(self, span: Span, before: str, into: Span) -> None:
        """Sum the windows of `span` that start before `before` into those of `into` that hold them."""
        length = dict(HOLDERS[span])[into]
        longer: dict[Key, list[Batch]] = {}
        for key in [key for key in self._windows if key[2] is span and key[1] < before]:
            batch, _ = self._windows.pop(key)
            self._home.pop(key, None)
            longer.setdefault((key[0], key[1][:length], into), []).append(batch)
        for (model, start, _), batches in longer.items():
            self._sum(self._holder(model, start, into), batches)

    def _holder(self, model: ModelName, start: str, span: Span) -> Key:
        """Return the longest window that is there and holds this one, or itself."""
        for longer, length in HOLDERS.get(span, ()):
            if (model, start[:length], longer) in self._windows:
                return model, start[:length], longer
        return model, start, span

    def _sum(self, key: Key, batches: Iterable[Batch]) -> None:
        before, revision = self._windows.get(key, (NOTHING, 0))
        self._windows[key] = together((before, *batches)), revision + 1


@cache
def _start(moment: datetime, span: Span) -> str:
    return Window.of(moment, span).start


@cache
def _window(start: str, span: Span) -> Window:
    return Window(start, span)

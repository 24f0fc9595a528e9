"""Records in memory, to hold two ways of counting against each other."""

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import pytest

from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.scorer.record import Record, Source


class Kept(Record):
    """A record in memory."""

    def __init__(self) -> None:
        self.counts: dict[Window, WindowCounts] = {}
        self.rows = 0
        self._sources: list[Source] = []

    def add(self, counts: Mapping[Window, WindowCounts]) -> None:
        for window, found in counts.items():
            self.counts.setdefault(window, WindowCounts()).add(found)

    def later(self, source: Source) -> None:
        self._sources.append(source)

    def flush(self) -> None:
        for source in self._sources:
            self.add(source.drain())

    @property
    def today(self) -> WindowCounts:
        return self.counts[Window.of(datetime.now(UTC), Span.DAY)]

    def assert_like(self, other: "Kept") -> None:
        """Assert that `other` holds the same counts for today."""
        ours, theirs = self.today, other.today
        assert (ours.rows, ours.verdicts, ours.breaches) == (theirs.rows, theirs.verdicts, theirs.breaches)
        for one, another in ((ours.features, theirs.features), (ours.outputs, theirs.outputs)):
            assert one.keys() == another.keys()
            assert all(np.array_equal(one[name], another[name]) for name in one)


@pytest.fixture(scope="session")
def kept() -> type[Kept]:
    """What makes a record in memory."""
    return Kept

"""Where counts go while rows are scored in a program."""

from collections.abc import Callable, Mapping
from typing import Protocol

from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.window import Window

ENOUGH = 512
"""How many rows may wait to be counted: those that went the fast way, and as many of the others."""


class Record(Protocol):
    """Where counts go."""

    def add(self, counts: Mapping[Window, WindowCounts]) -> None:
        """Take the counts of rows that were scored."""

    def later(self, drain: Callable[[], Mapping[Window, WindowCounts]], *, now: bool) -> None:
        """Take what `drain` gives: `now`, or within a second, and in any case before the program ends."""

    def flush(self) -> None:
        """Put all that was taken, and all that waits to be taken, where it stays."""

"""Where counts go while rows are scored in a program."""

from collections.abc import Mapping
from typing import Protocol

from hakobu_runtime.format.block import Wanted
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.window import Window
from hakobu_runtime.scorer.counting import Places
from hakobu_runtime.scorer.scores import Scored

ENOUGH = 1_000
"""How many rows may wait to be counted, in all: 1,024 are promised, and some threads may each add one at once."""


class Source(Protocol):
    """Where rows wait that are not yet counted."""

    @property
    def waiting(self) -> int:
        """How many they are."""

    def drain(self) -> Mapping[Window, WindowCounts]:
        """Count all of them; they wait no more."""


class Keeper(Protocol):
    """Where predictions go that are kept until their labels come."""

    columns: tuple[str, ...]
    """What tells rows apart."""

    def wanted(self, plain: Wanted) -> Wanted:
        """Return what of a table is needed for that, too."""

    def take(self, scored: Scored, found: Places) -> None:
        """Take the predictions of a block, whose rows belong to the windows that were `found`, until it is flushed."""


class Record(Protocol):
    """Where counts go, and predictions where they are kept."""

    rows: int
    """How many rows it took since it last tried to put all where they stay."""

    @property
    def keeper(self) -> Keeper | None:
        """Where predictions go; None where none are kept."""
        return None

    def add(self, counts: Mapping[Window, WindowCounts]) -> None:
        """Take the counts of rows that were scored."""

    def later(self, source: Source) -> None:
        """Take what `source` drains: when enough wait, or within a second, and in any case before the program ends."""

    def flush(self) -> None:
        """Put all that was taken, and all that waits to be taken, where it stays."""

"""How far a run has come, as the journal keeps it between two tries."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from hakobu_runtime.device.order import Likeness
from hakobu_runtime.device.summary import Example, Summary
from hakobu_runtime.format.codec import Value
from hakobu_runtime.journal import Progress


class Mark(Value, frozen=True):
    """What a run needs to be gone on with, beside the number of its rows."""

    likeness: Likeness
    sizes: tuple[int, ...]
    """How many bytes of each file are written."""
    sealed: bool
    """Whether every row is written and counted, and the files only lack their names."""
    verdicts: dict[str, int]
    examples: tuple[Example, ...]

    @staticmethod
    def of(likeness: Likeness, sizes: Sequence[int], summary: Summary, *, sealed: bool) -> "Mark":
        """Return the mark of a run that came to `summary`."""
        return Mark(likeness, tuple(sizes), sealed, dict(summary.verdicts), tuple(summary.examples.values()))

    def progress(self, rows: int, position: int) -> Progress:
        """Return it for the journal, with the rows done and the bytes of the input that were read."""
        size = self.sizes[0] if self.sizes else 0
        return Progress(rows, position, size, msgspec.json.encode(self).decode())


class Kept(Protocol):
    """A file that an earlier run may have left."""

    def holds(self, size: int, *, sealed: bool) -> bool:
        """Say whether what an earlier run left is all there."""


def mark_of(progress: Progress) -> Mark | None:
    """Return the mark in `progress`; None when it is of another version of hakobu."""
    try:
        return msgspec.json.decode(progress.state, type=Mark)
    except msgspec.DecodeError:
        return None


def why_anew(mark: Mark | None, likeness: Likeness, parts: Sequence[Kept]) -> str:
    """Say in words why a run with `mark` cannot be gone on with; "" when it can."""
    if mark is None:
        return "hakobu was updated"
    changed = mark.likeness.difference(likeness)
    if changed:
        return changed
    if len(mark.sizes) != len(parts):
        return "the options are others"
    there = all(part.holds(size, sealed=mark.sealed) for part, size in zip(parts, mark.sizes, strict=True))
    return "" if there else "what it had written is gone"

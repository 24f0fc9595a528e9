"""What becomes of a block: its rows as bytes for each file that is written, and its counts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.heap import give_back_freed_memory
from hakobu_runtime.device.order import Order
from hakobu_runtime.device.outcomes_keeper import Found, Keeper
from hakobu_runtime.device.output import check_carried, output_columns
from hakobu_runtime.device.problems import problem_columns
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.window import Window
from hakobu_runtime.limits.breach import Breach
from hakobu_runtime.rows.columns import block_of
from hakobu_runtime.rows.growing import Columns, growth_of
from hakobu_runtime.rows.source import BLOCK_ROWS
from hakobu_runtime.scorer.counting import Sums, places, sums_of
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.scorer.scores import Scored

_LARGE_MODEL = 1 << 20
"""Bytes of a model that takes much memory of its own, and most of the time: its blocks had better be small."""
_SMALL_BLOCK = 3_000


@dataclass(frozen=True, slots=True)
class Finished:
    """A block that was scored and counted, and waits for its turn to be written."""

    first: int
    position: int
    """How many bytes of the input were read with it."""
    verdicts: NDArray[np.uint8]
    """One a row."""
    breaches: tuple[Breach, ...]
    contents: tuple[bytes, ...]
    """What goes into each file."""
    sums: Mapping[Window, Sums]
    """What was counted."""
    kept: Found
    """What is kept of its predictions, where they are kept."""


class Scoring:
    """Scores blocks as an order says; its methods may run in several threads at once."""

    def __init__(self, bundle: Bundle, order: Order, keeper: Keeper | None = None) -> None:
        check_carried(bundle.manifest, order.columns, order.stale)
        self.manifest = bundle.manifest
        self._scorer = Scorer(bundle.manifest, bundle.model)
        self._keeper = keeper
        self._carried = order.columns
        self._stale = order.stale
        self._lists_problems = order.problems is not None
        plain, carried = self._scorer.wanted(), frozenset(order.columns)
        plain = plain if keeper is None else keeper.wanted(plain)
        self.wanted = replace(plain, required=plain.required | carried, carried=carried)
        """What a reader must deliver."""
        self.block_rows = BLOCK_ROWS if len(bundle.model) <= _LARGE_MODEL else _SMALL_BLOCK
        """How many rows it had better deliver at once, about."""
        self.growths = (growth_of(order.written), *([growth_of("csv")] if order.problems else []))
        """How each file grows: the scores, and the problems where they are asked for."""

    def finish(self, block: Block, position: int) -> Finished:
        """Score a block, and write out its rows."""
        if self._scorer.load():  # here, and not before: others read meanwhile
            give_back_freed_memory()
        manifest, started = self.manifest, perf_counter()
        scored = self._scorer.score_block(block)
        tables = self._tables(scored)
        contents = tuple(growth.rows(table) for growth, table in zip(self.growths, tables, strict=True))
        found = places(manifest, block, datetime.now(UTC))
        sums = sums_of(manifest, scored, found, perf_counter() - started)
        kept = {} if self._keeper is None else self._keeper.of(scored, found)
        checked = scored.checked
        return Finished(block.first, position, checked.verdicts, checked.breaches, contents, sums, kept)

    def empty(self, place: int) -> Columns:
        """Return the columns, without rows, of the file at this place among the growths."""
        wanted = self.wanted
        block = block_of({name: [] for name in (*wanted.forms, *wanted.carried)}, wanted)
        return self._tables(self._scorer.score_block(block))[place]

    def _tables(self, scored: Scored) -> tuple[Columns, ...]:
        manifest = self.manifest
        scores = output_columns(manifest, scored, self._carried, self._stale)
        if not self._lists_problems:
            return (scores,)
        return (scores, problem_columns(manifest, scored.block, scored.checked))

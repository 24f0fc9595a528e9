"""Scoring a file: power-cut safe, resumable, every row counted once."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from time import monotonic, perf_counter

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.heap import give_back_freed_memory, share_freed_memory
from hakobu_runtime.device.mark import Mark, mark_of, why_anew
from hakobu_runtime.device.order import STREAM, Order
from hakobu_runtime.device.outcomes_keeper import Keeper
from hakobu_runtime.device.part import Outlet, Part, Pipe, alone
from hakobu_runtime.device.pipeline import in_order
from hakobu_runtime.device.probation import Trial
from hakobu_runtime.device.scoring import Finished, Scoring
from hakobu_runtime.device.summary import Summary
from hakobu_runtime.errors import InputError
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Window
from hakobu_runtime.journal import Journal
from hakobu_runtime.rows.source import Rows, open_rows, open_stream
from hakobu_runtime.scorer.counting import Sums, counts_of

Advance = Callable[[int, int | None, int], None]
"""Hears bytes read, bytes in all (None when not known), and rows done."""
Warn = Callable[[str], None]
"""Hears one line about what a person should know."""

COMMIT_SECONDS = 0.5
"""How much work a power cut may cost; the next run does it again."""


def score_file(
    bundle: Bundle,
    journal: Journal,
    order: Order,
    *,
    advance: Advance = lambda done, size, rows: None,
    warn: Warn = lambda words: None,
    keep: bool = False,
    trial: Trial | None = None,
    keeper: Keeper | None = None,
) -> Summary:
    """Do what `order` says, and count every row in `journal`.

    The targets grow under names of their own; each block's counts and its place in them commit together, so the same
    order after a power cut goes on where it stopped; with `keep`, it is known as done until `journal.finish`. When
    something has changed since, it starts anew, and `warn` hears so. A stream cannot be gone on with: what is read
    from one is counted when all is scored, what is written to one as it is written. `trial` watches a bundle on
    probation, `keeper` keeps the predictions.

    Raises InputError when a file cannot be read or written, UnfitError when the bundle fails its probation and the
    order can be carried out with another one, and BrokenPipeError when nobody reads stdout any more.
    """
    started = perf_counter()
    share_freed_memory()
    with _writable(order):
        order.check()
        run = _Run(bundle, journal, order, warn, trial, keeper)
        with _open(order, run.scoring) as rows, alone(order.targets):
            run.score(rows, advance)
            if order.resumes and not keep:
                journal.finish(order.key)
    run.summary.seconds = perf_counter() - started
    return run.summary


class _Run:
    """One scoring of one file."""

    def __init__(
        self, bundle: Bundle, journal: Journal, order: Order, warn: Warn, trial: Trial | None, keeper: Keeper | None
    ) -> None:
        self.scoring = Scoring(bundle, order, keeper)
        self._keeper = keeper
        self.summary = Summary(
            "stdout" if order.target == STREAM else str(order.target),
            problems=str(order.problems) if order.problems else None,
        )
        self._model = ModelName(bundle.manifest.name, bundle.manifest.version, bundle.digest)
        self._likeness = order.likeness(bundle)
        self._journal = journal
        self._order = order
        self._warn = warn
        self._trial = trial
        self._waiting: dict[Window, Sums] = {}
        self._committed = monotonic()
        self._sealed = False
        self._parts: list[Part] = []
        self._outlets = [self._outlet(place) for place in range(len(self.scoring.growths))]

    def _outlet(self, place: int) -> Outlet:
        target = (self._order.target, self._order.problems)[place]
        growth, empty = self.scoring.growths[place], partial(self.scoring.empty, place)
        if target is None or target == STREAM:
            if sys.stdout is None:
                raise InputError("stdout is closed: name a file with -o")
            return Pipe(sys.stdout.buffer, growth, empty)
        self._parts.append(Part(target, growth, empty, f".{self._order.key[:8]}" if place else ""))
        return self._parts[-1]

    def score(self, rows: Rows, advance: Advance) -> None:
        """Score every row that an earlier run has not done, then give the files their names."""
        mark = self._earlier()
        if mark is None or not mark.sealed:
            with ExitStack() as opened:
                if not self._order.resumes:
                    opened.callback(self._discard_unsealed)
                for place, part in enumerate(self._parts):
                    opened.enter_context(part.open(mark.sizes[place] if mark else None))
                self._score(rows, advance)
        for outlet in self._outlets:
            outlet.place()

    def _discard_unsealed(self) -> None:
        """Leave nothing lying about that no run will go on with."""
        if not self._sealed:
            for part in self._parts:
                part.discard()

    def _score(self, rows: Rows, advance: Advance) -> None:
        for finished in in_order(rows.pieces(), self.scoring.finish, skip=self.summary.rows):
            self._take(finished)
            if monotonic() - self._committed >= COMMIT_SECONDS:
                self._commit(finished.position)
            advance(finished.position, rows.size, self.summary.rows)
        self._commit(rows.position, seal=True)

    def _earlier(self) -> Mark | None:
        """Return how far an earlier run of the very same order came, and take it in; None when there was none."""
        progress = self._journal.progress(self._order.key) if self._order.target != STREAM else None
        if progress is None:
            return None
        mark = mark_of(progress)
        changed = why_anew(mark, self._likeness, self._parts) if self._order.resumes else "the input is a stream"
        if mark is None or changed:
            # Before anything of it is written over: else it might be gone on with once the change is taken back.
            self._journal.finish(self._order.key)
            self._warn(
                f"{self._order.target}: {changed} since {progress.rows_done:,} rows were scored into it, so all are "
                "scored anew; those rows stay counted, too"
            )
            return None
        self.summary.recall(progress.rows_done, mark.verdicts, mark.examples)
        return mark

    def _take(self, finished: Finished) -> None:
        """Write a block, and let its counts wait."""
        for outlet, content in zip(self._outlets, finished.contents, strict=True):
            outlet.write(content)
        self.summary.note(finished.verdicts, finished.breaches, finished.first)
        for window, sums in finished.sums.items():
            if window in self._waiting:
                self._waiting[window].add(sums)
            else:
                self._waiting[window] = sums  # nobody else has any more use for it
        if self._keeper is not None:
            self._keeper.hold(finished.kept)

    def _commit(self, position: int, *, seal: bool = False) -> None:
        """Put all so far on the disk, and then its counts and its place into the journal, in one transaction."""
        self._committed = monotonic()
        if self._keeper is not None:
            self._keeper.write()  # before the counts, and before the end: of what waits for that there is no bound
        if self._order.counts_at_end and not seal:
            return
        counts = {window: counts_of(self.scoring.manifest, sums) for window, sums in self._waiting.items()}
        sizes = [outlet.seal() if seal else outlet.sync() for outlet in self._outlets]
        if self._order.resumes:
            progress = Mark.of(self._likeness, sizes, self.summary, sealed=seal).progress(self.summary.rows, position)
            self._journal.checkpoint(self._order.key, progress, self._model, counts)
        else:
            self._journal.add(self._model, counts)
        self._waiting = {}
        self._sealed = seal
        give_back_freed_memory()
        if self._trial is not None:
            self._trial.note(counts.values())
            if self._order.resumes:
                self._trial.check()


@contextmanager
def _open(order: Order, scoring: Scoring) -> Iterator[Rows]:
    if order.source == STREAM:
        if sys.stdin is None:
            raise InputError("stdin is closed: name a file to score")
        rows = open_stream(
            sys.stdin.buffer, "stdin", scoring.wanted, layout=order.layout, block_rows=scoring.block_rows
        )
    else:
        rows = open_rows(order.source, scoring.wanted, layout=order.layout, block_rows=scoring.block_rows)
    with rows:
        yield rows


@contextmanager
def _writable(order: Order) -> Iterator[None]:
    """Turn what the system says about the output into words."""
    try:
        yield
    except BrokenPipeError:
        raise  # nobody reads stdout any more: no error, for `head`
    except OSError as error:
        again = ": it goes on where it stopped" if order.resumes else ""
        where = "stdout" if order.target == STREAM else order.target
        raise InputError(
            f"{where}: cannot be written: {error.strerror}; mend that and run the same command again{again}"
        ) from error

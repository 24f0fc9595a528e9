"""Scoring a file: power-cut safe, resumable, every row counted once."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, perf_counter
from typing import BinaryIO

import numpy as np

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.output import output_columns
from hakobu_runtime.device.pipeline import in_order
from hakobu_runtime.disk import sync_folder
from hakobu_runtime.errors import InputError, StateError
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Window
from hakobu_runtime.journal import Journal, Progress
from hakobu_runtime.limits.breach import Breach
from hakobu_runtime.limits.check import Checked
from hakobu_runtime.rows.source import Layout, Rows, open_rows
from hakobu_runtime.rows.write import table_bytes
from hakobu_runtime.scorer.counting import count
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.scorer.scores import VERDICTS

Advance = Callable[[int, int | None, int], None]
"""Hears bytes read, bytes in all (None when not known), and rows done."""


@dataclass(slots=True)
class Summary:
    """What one scoring of a file came to."""

    output: str
    rows: int = 0
    resumed_at: int = 0
    """How many of the rows an earlier, broken run had done."""
    verdicts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    seconds: float = 0.0
    examples: list[tuple[int, Breach]] = field(default_factory=list)
    """The first breach of each feature and rule of this run, with its row in the file, from 1."""


def score_file(
    bundle: Bundle,
    journal: Journal,
    source: Path,
    target: Path,
    *,
    layout: Layout,
    advance: Advance = lambda done, size, rows: None,
) -> Summary:
    """Score `source` into `target` (CSV or JSON lines by its extension) and count every row in `journal`.

    The output grows in `target.partial`; each block's counts and its place in the output commit together, so the same
    command after a power cut goes on where it stopped. Raises InputError when a file cannot be read or written.
    """
    started = perf_counter()
    with _writable(target):
        run = _Run(bundle, journal, source, target, layout)
        with open_rows(source, run.scorer.wanted(), layout=layout) as rows, _alone(run.partial):
            run.score(rows, advance)
    run.summary.seconds = perf_counter() - started
    return run.summary


@dataclass(frozen=True, slots=True)
class Finished:
    """A block that was scored and counted, and waits for its turn to be written."""

    first: int
    position: int
    """How many bytes of the input were read with it."""
    checked: Checked
    content: bytes
    """Its rows as they go into the output."""
    counts: Mapping[Window, WindowCounts]


COMMIT_SECONDS = 0.5
"""How much work a power cut may cost; the next run does it again."""


class _Run:
    """One scoring of one file."""

    def __init__(self, bundle: Bundle, journal: Journal, source: Path, target: Path, layout: Layout) -> None:
        self.scorer = Scorer(bundle.manifest, bundle.model)
        self.summary = Summary(str(target))
        self._model = ModelName(bundle.manifest.name, bundle.manifest.version, bundle.digest)
        self._journal = journal
        self._target = target
        self._layout = _output_layout(source, target)
        self.partial = target.with_name(target.name + ".partial")
        self._key = hashlib.sha256(os.fsencode(target.absolute())).hexdigest()
        self._state = _fingerprint(bundle, source, layout)
        self._whole = f"{self._state} whole"
        """The same, once every row is written and counted, and the output only lacks its name."""
        self._waiting: dict[Window, WindowCounts] = {}
        self._committed = monotonic()

    def score(self, rows: Rows, advance: Advance) -> None:
        """Score every row that an earlier run has not done, then put the output in its place."""
        done = self._earlier()
        if done is not None and done.state == self._whole:
            self._put_in_place(done)
            return
        if done is None:
            done = Progress(rows_done=0, input_offset=0, output_bytes=0, state=self._state)
            self.partial.write_bytes(b"")
        self.summary.rows = self.summary.resumed_at = done.rows_done
        with self.partial.open("r+b") as output:
            output.truncate(done.output_bytes)
            output.seek(done.output_bytes)
            for finished in in_order(rows.pieces(), self._finish, skip=done.rows_done):
                output.write(finished.content if output.tell() else self._header() + finished.content)
                self._note(finished.checked, finished.first)
                self._add(finished.counts)
                if monotonic() - self._committed >= COMMIT_SECONDS:
                    self._commit(output, finished.position)
                advance(finished.position, rows.size, self.summary.rows)
            if output.tell() == 0:
                output.write(self._header())
            self._state = self._whole
            self._put_in_place(self._commit(output, rows.position))

    def _put_in_place(self, done: Progress) -> None:
        """Give the whole output its name; a run that was broken off just here has only this left to do."""
        self.summary.rows = done.rows_done
        if self.partial.is_file():
            self.partial.replace(self._target)
            sync_folder(self._target.parent)
        self._journal.finish(self._key)

    def _finish(self, block: Block, position: int) -> Finished:
        """Score a block, count it, and write out its rows; runs in several threads at once."""
        started = perf_counter()
        scored = self.scorer.score_block(block)
        content = table_bytes(output_columns(self.scorer.manifest, scored), self._layout, header=False)
        counts = count(self.scorer.manifest, scored, datetime.now(UTC), perf_counter() - started)
        return Finished(block.first, position, scored.checked, content, counts)

    def _add(self, counts: Mapping[Window, WindowCounts]) -> None:
        for window, found in counts.items():
            self._waiting.setdefault(window, WindowCounts()).add(found)

    def _commit(self, output: BinaryIO, position: int) -> Progress:
        """Put the output so far on the disk, and then its counts and its place into the journal, in one transaction."""
        output.flush()
        os.fsync(output.fileno())
        progress = Progress(self.summary.rows, position, output.tell(), self._state)
        self._journal.checkpoint(self._key, progress, self._model, self._waiting)
        self._waiting = {}
        self._committed = monotonic()
        return progress

    def _earlier(self) -> Progress | None:
        """Return how far an earlier run of the very same scoring came; None when there was none."""
        progress = self._journal.progress(self._key)
        if progress is None or progress.state not in (self._state, self._whole):
            return None
        if progress.state == self._whole and not self.partial.is_file():
            there = self._target.is_file() and self._target.stat().st_size == progress.output_bytes
        else:
            there = self.partial.is_file() and self.partial.stat().st_size >= progress.output_bytes
        return progress if there else None

    def _note(self, checked: Checked, first: int) -> None:
        self.summary.rows += len(checked)
        for verdict, times in zip(VERDICTS, np.bincount(checked.verdicts, minlength=4).tolist(), strict=True):
            self.summary.verdicts[verdict] += times
        seen = {(breach.name, breach.rule, breach.verdict) for _, breach in self.summary.examples}
        for breach in checked.breaches:
            key = (breach.name, breach.rule, breach.verdict)
            if key not in seen:
                seen.add(key)
                self.summary.examples.append((first + breach.row + 1, breach))

    def _header(self) -> bytes:
        """Return the output of a table without rows."""
        from hakobu_runtime.rows.columns import block_of

        wanted = self.scorer.wanted()
        empty = block_of({name: [] for name in wanted.forms}, wanted)
        return table_bytes(
            output_columns(self.scorer.manifest, self.scorer.score_block(empty)), self._layout, header=True
        )


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    """Turn what the system says about the output into words."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{target}: cannot be written: {error.strerror}; mend that and run the same command again: "
            "it goes on where it stopped"
        ) from error


@contextmanager
def _alone(partial: Path) -> Iterator[None]:
    """Let no other process write or count what this one does."""
    with ExitStack() as held:
        try:
            held.enter_context(locked(partial))
        except StateError as error:
            raise InputError(str(error)) from error
        yield


def _output_layout(source: Path, target: Path) -> Layout:
    if target.is_dir():
        raise InputError(f"{target}: is a folder; name the file to write, like {target / 'scored.csv'}")
    if not target.parent.is_dir():
        raise InputError(f"{target}: the folder {target.parent} is not there; make it first")
    if source.exists() and target.exists() and source.samefile(target):
        raise InputError(f"{target}: is the input itself; name another file to write")
    kinds = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
    if target.suffix.lower() not in kinds:
        raise InputError(f"{target}: an output must end in .csv or .jsonl")
    return Layout(format=kinds[target.suffix.lower()])


def _fingerprint(bundle: Bundle, source: Path, layout: Layout) -> str:
    """Return what must be the same for a broken run to be gone on with."""
    try:
        found = source.stat()
    except OSError:
        return ""  # the reader says what is wrong with it
    parts = [str(source.absolute()), found.st_size, found.st_mtime_ns, bundle.digest, repr(layout)]
    return json.dumps(parts)

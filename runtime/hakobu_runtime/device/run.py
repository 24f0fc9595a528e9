"""Scoring a file: power-cut safe, resumable, every row counted once."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.output import output_columns
from hakobu_runtime.disk import sync_folder
from hakobu_runtime.errors import InputError
from hakobu_runtime.format.tally import ModelName
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
    run = _Run(bundle, journal, source, target, layout)
    with open_rows(source, run.scorer.wanted(), layout=layout) as rows, run.writable():
        run.score(rows, advance)
    run.summary.seconds = perf_counter() - started
    return run.summary


class _Run:
    """One scoring of one file."""

    def __init__(self, bundle: Bundle, journal: Journal, source: Path, target: Path, layout: Layout) -> None:
        self.scorer = Scorer(bundle.manifest, bundle.model)
        self.summary = Summary(str(target))
        self._model = ModelName(bundle.manifest.name, bundle.manifest.version, bundle.digest)
        self._journal = journal
        self._target = target
        self._layout = _output_layout(source, target)
        self._partial = target.with_name(target.name + ".partial")
        self._key = hashlib.sha256(str(target.absolute()).encode()).hexdigest()
        self._state = _fingerprint(bundle, source, layout)

    @contextmanager
    def writable(self) -> Iterator[None]:
        """Turn what the system says about the output into words."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{self._target}: cannot be written: {error.strerror}; mend that and run the same command again: "
                "it goes on where it stopped"
            ) from error

    def score(self, rows: Rows, advance: Advance) -> None:
        """Score every row that an earlier run has not done, then put the output in its place."""
        done = self._earlier()
        if done is None:
            done = Progress(rows_done=0, input_offset=0, output_bytes=0, state=self._state)
            self._partial.write_bytes(b"")
        self.summary.rows = self.summary.resumed_at = done.rows_done
        with self._partial.open("r+b") as output:
            output.truncate(done.output_bytes)
            output.seek(done.output_bytes)
            rows.skip(done.rows_done)
            before = perf_counter()
            for block in rows:
                scored = self.scorer.score_block(block)
                columns = output_columns(self.scorer.manifest, scored)
                output.write(table_bytes(columns, self._layout, header=output.tell() == 0))
                output.flush()
                os.fsync(output.fileno())
                self._note(scored.checked, block.first)
                progress = Progress(self.summary.rows, rows.position, output.tell(), self._state)
                counts = count(self.scorer.manifest, scored, datetime.now(UTC), perf_counter() - before)
                self._journal.checkpoint(self._key, progress, self._model, counts)
                advance(rows.position, rows.size, self.summary.rows)
                before = perf_counter()
            if output.tell() == 0:
                output.write(self._header())
                output.flush()
                os.fsync(output.fileno())
        self._partial.replace(self._target)
        sync_folder(self._target.parent)
        self._journal.finish(self._key)

    def _earlier(self) -> Progress | None:
        """Return how far an earlier run of the very same scoring came; None when there was none."""
        progress = self._journal.progress(self._key)
        if progress is None or progress.state != self._state or not self._partial.is_file():
            return None
        return progress if self._partial.stat().st_size >= progress.output_bytes else None

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

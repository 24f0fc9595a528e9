"""Keeping predictions while rows are scored: from a scored block to the store, in the same order as its counts.

Predictions are on the disk before the counts of the same rows are. So a kill between the two loses none, and leaves at
most half a second's (of a program: 1,024 rows') predictions that were not counted; when those rows are scored again,
they are kept again, and of one id the last prediction holds: a label is joined once in any case.
"""

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.counting import PATIENCE, Warn, log
from hakobu_runtime.device.outcomes_ids import Hasher, ids_of
from hakobu_runtime.device.outcomes_part import Part
from hakobu_runtime.device.outcomes_setting import Keep, read_keep
from hakobu_runtime.device.outcomes_store import Store
from hakobu_runtime.device.state import State
from hakobu_runtime.errors import DamageError
from hakobu_runtime.format.block import Block, Form, Wanted
from hakobu_runtime.format.outcome import Subject
from hakobu_runtime.format.window import Span
from hakobu_runtime.scorer.counting import Places
from hakobu_runtime.scorer.scores import Scored, score_of

Found = Mapping[str, Part]
"""Predictions by the day that their rows belong to."""


class Keeper:
    """Takes the predictions of one bundle, and hands them to the store; its methods may run in several threads."""

    def __init__(self, state: State, bundle: Bundle, keep: Keep, columns: tuple[str, ...], warn: Warn) -> None:
        self.columns = columns
        self._path = state.predictions
        self._subject = Subject.of(bundle.manifest, bundle.digest)
        self._days = keep.days
        self._hasher = Hasher(keep.salt)
        self._warn = warn
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Part]] = {}
        self._given_up = False
        self._told = False

    def wanted(self, plain: Wanted) -> Wanted:
        """Return what a reader must deliver so that rows are known by their ids, too."""
        return replace(plain, forms=dict.fromkeys(self.columns, Form.TEXT) | dict(plain.forms))

    def of(self, scored: Scored, found: Places) -> Found:
        """Return what is to be kept of a block, by the day that was `found`: the rows with an id and a prediction."""
        texts = ids_of(scored.block, self.columns)
        if texts is None or self._given_up:
            self._tell_lacking(scored.block)
            return {}
        scorable = scored.checked.scorable
        named = np.fromiter(map(bool, texts), dtype=np.bool_, count=len(texts)) & scorable
        rows = np.flatnonzero(named)
        if len(rows) == 0:
            return {}
        within = named[scorable]
        whole = Part.fresh(self._hasher.hashes([texts[row] for row in rows.tolist()]), *_predicted(scored, within))
        return _by_day(whole, rows, found)

    def hold(self, found: Found) -> None:
        """Take what is to be kept, until it is written."""
        with self._lock:
            for start, part in found.items():
                self._waiting.setdefault(start, []).append(part)

    def take(self, scored: Scored, found: Places) -> None:
        """Take what is to be kept of a block, until it is written."""
        self.hold(self.of(scored, found))

    def write(self) -> None:
        """Put all that was taken on the disk; raise StateError when it cannot be, and then it goes on waiting.

        A damaged store ends the keeping, not the scoring.
        """
        with self._lock:
            if not self._waiting:
                return
            try:
                with Store.open(self._path, patience=PATIENCE) as store:
                    store.keep(self._subject, self._waiting, self._days, datetime.now(UTC))
            except DamageError as error:
                self._given_up = True
                self._warn(f"{error}; no predictions are kept until then")
            self._waiting = {}

    def _tell_lacking(self, block: Block) -> None:
        if self._told or self._given_up or not block.size:
            return
        self._told = True
        names = ", ".join(repr(name) for name in self.columns)
        self._warn(f"no predictions are kept of rows without {names}: no label could ever find them")


def open_keeper(state: State, bundle: Bundle, warn: Warn = log) -> Keeper | None:
    """Return what keeps the predictions of `bundle`; None where none are to be kept, or its rows have no id."""
    keep = read_keep(state)
    if keep is None:
        return None
    columns = bundle.manifest.id_columns or keep.ids
    if not columns:
        warn(
            f"no predictions of {bundle.manifest.name} are kept: it names no id column; say which one tells its rows "
            f"apart: hakobu-run keep --days {keep.days} --id COLUMN"
        )
        return None
    return Keeper(state, bundle, keep, columns, warn)


def _predicted(scored: Scored, within: NDArray[np.bool_]) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    """Return the codes and the scores of the scored rows `within`, zeros for what the model does not give."""
    predicted, score = scored.predicted, score_of(scored.predicted)
    many = int(within.sum())
    codes = np.zeros(many, dtype=np.int64) if predicted.codes is None else predicted.codes[within]
    return codes, np.zeros(many, dtype=np.float32) if score is None else score[within]


def _by_day(whole: Part, rows: NDArray[np.int64], windows: Places) -> Found:
    """Cut the predictions of the block's `rows`, which rise, into those of each day."""
    if len(windows) == 1:
        return {next(iter(windows)).widen(Span.DAY).start: whole}
    days = {window: window.widen(Span.DAY).start for window in windows}
    starts = sorted(set(days.values()))
    owner = np.zeros(int(rows[-1]) + 1, dtype=np.int64)
    for window, some in windows.items():
        if some is not None:
            owner[some[some < len(owner)]] = starts.index(days[window])
    places = [np.flatnonzero(owner[rows] == number) for number in range(len(starts))]
    return {start: _some(whole, chosen) for start, chosen in zip(starts, places, strict=True) if len(chosen)}


def _some(whole: Part, chosen: NDArray[np.int64]) -> Part:
    return Part(whole.ids[chosen], whole.codes[chosen], whole.scores[chosen], whole.truths[chosen])

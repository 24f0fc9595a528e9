"""Labels that find their predictions: each is counted on its day, and taken back where a later one corrects it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.device.outcomes_labels import Labels
from hakobu_runtime.device.outcomes_part import Part
from hakobu_runtime.device.outcomes_store import Joining, Store
from hakobu_runtime.format.outcome import FARTHEST, OutcomeCounts, Subject, counts_of, distances

_UNKNOWN, _KNOWN, _CORRECTED, _NEW, _REFUSED = range(5)
"""What became of a label; of several versions of a model, the highest tells."""


@dataclass(frozen=True, slots=True)
class Found:
    """What became of some labels."""

    unknown: int
    unchanged: int
    corrected: int
    new: int
    refused: tuple[int, ...]
    """The places of those that lie too far from the prediction to be its label."""


def join(store: Store, subjects: Sequence[Subject], days: int, labels: Labels) -> Found:
    """Join each label with the last prediction of its id that each of `subjects`, versions of one model, has made.

    All labels of one version are on the disk when this returns, or none; done again, nothing changes.
    """
    fates = np.full(len(labels.ids), _UNKNOWN, dtype=np.int8)
    for subject in subjects if len(labels.ids) else ():
        with store.joining(subject, days, datetime.now(UTC)) as joining:
            np.maximum(fates, _OneJoin(subject, labels, joining).run(), out=fates)
    unknown, unchanged, corrected, new = np.bincount(fates, minlength=5)[:4].tolist()
    return Found(unknown, unchanged, corrected, new, tuple(np.flatnonzero(fates == _REFUSED).tolist()))


class _OneJoin:
    """The joining of some labels with the kept predictions of one version of a model."""

    def __init__(self, subject: Subject, labels: Labels, joining: Joining) -> None:
        self._fates = np.full(len(labels.ids), _UNKNOWN, dtype=np.int8)
        self._subject = subject
        self._labels = labels
        self._joining = joining

    def run(self) -> NDArray[np.int8]:
        """Go through what is kept, the latest first, and return what became of each label."""
        for number, start, part in self._joining.parts():
            before = part.truths.copy()
            self._take(part)
            changed = np.flatnonzero(~_same(before, part.truths))
            if len(changed):
                self._joining.settle(
                    start, self._counts(part, before, changed), self._counts(part, part.truths, changed)
                )
                self._joining.rewrite(number, part)
        return self._fates

    def _take(self, part: Part) -> None:
        """Put the labels into the truths of `part`, and take them out where a later prediction has them."""
        ids = self._labels.ids
        places = np.minimum(np.searchsorted(ids, part.ids), len(ids) - 1)
        rows = np.flatnonzero(ids[places] == part.ids)[::-1]  # the last one of an id comes first
        places = places[rows]
        _, first = np.unique(places, return_index=True)
        holds = np.zeros(len(rows), dtype=np.bool_)
        holds[first] = True
        holds &= self._fates[places] == _UNKNOWN
        part.truths[rows[~holds]] = np.nan
        rows, places = rows[holds], places[holds]
        truths, before = self._labels.truths[places], part.truths[rows]
        kinds = np.where(np.isnan(before), _NEW, np.where(before == truths, _KNOWN, _CORRECTED))
        if not self._subject.classes:
            far = np.abs(distances(self._subject, part.scores[rows], truths)) > FARTHEST
            kinds[far] = _REFUSED
            truths = np.where(far, before, truths)
        self._fates[places] = kinds
        part.truths[rows] = truths

    def _counts(self, part: Part, truths: NDArray[np.float64], rows: NDArray[np.int64]) -> OutcomeCounts:
        """Count those of `rows` whose truth is known."""
        known = rows[~np.isnan(truths[rows])]
        return counts_of(self._subject, part.codes[known], part.scores[known], truths[known])


def _same(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (one == other) | (np.isnan(one) & np.isnan(other))
    return same

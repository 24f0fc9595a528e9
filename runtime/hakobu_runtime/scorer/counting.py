"""Counting what was scored: exact, by the window that each row belongs to."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.format.block import Block
from hakobu_runtime.format.counts import LATENCY_EDGES_US, WindowCounts
from hakobu_runtime.format.feature import Feature
from hakobu_runtime.format.histogram import Counts
from hakobu_runtime.format.manifest import Classification, Manifest, WindowBy
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.limits.breach import Breach, Rule, Verdict
from hakobu_runtime.limits.dates import as_utc, read_moment
from hakobu_runtime.limits.derive import lengths_of
from hakobu_runtime.scorer.scores import VERDICTS, Scored, score_of

Places = Mapping[Window, NDArray[np.int64] | None]
"""The rows of each window, rising; None stands for all rows."""

_LATEST = timedelta(days=1)
"""How far a row's own time may lie ahead of the clock: the width of the time zones, about."""


@dataclass(slots=True)
class Sums:
    """What is counted of some rows of one window, as arrays: `add` takes microseconds; `counts_of` reads them."""

    verdicts: Counts
    """One a verdict."""
    numbers: Counts
    """As BinRows counts the number features."""
    invalid: Counts
    """For each number feature, how many cells held nothing of its kind."""
    texts: list[Counts]
    """For each string feature, over the slots of its bins."""
    labels: Counts | None
    """Over the slots of the classes, of a classification."""
    scores: Counts | None
    """As BinRows counts the numbers that are watched of the outputs, where the model gives any."""
    breaches: Counter[tuple[str, Rule]]
    """By the name that each has, and its rule."""
    latency: Counts
    """Over the slots of LATENCY_EDGES_US."""

    def add(self, other: "Sums") -> None:
        """Take the rows of `other` in, which were scored by the same model."""
        self.verdicts += other.verdicts
        self.numbers += other.numbers
        self.invalid += other.invalid
        for into, more in zip(self.texts, other.texts, strict=True):
            into += more
        if self.labels is not None and other.labels is not None:
            self.labels += other.labels
        if self.scores is not None and other.scores is not None:
            self.scores += other.scores
        self.breaches.update(other.breaches)
        self.latency += other.latency


class _Lot(NamedTuple):
    """What is counted of a block, or of some rows of one."""

    numbers: NDArray[np.floating]
    """Shape (number features, n), before any policy."""
    strings: NDArray[np.object_]
    """Shape (string features, n), before any policy."""
    invalid: Mapping[str, NDArray[np.int64]]
    """For each number feature that has any, the rows whose cell held nothing of its kind."""
    verdicts: NDArray[np.uint8]
    """Shape (n,)."""
    breaches: Sequence[Breach]
    codes: NDArray[np.int64] | None
    """The classes of the rows that were not rejected, of a classification."""
    score: NDArray[np.floating] | None
    """The numbers that are watched of these rows, where the model gives any; each is finite."""
    whole: bool
    """Whether it is known that no number is missing."""


def count(manifest: Manifest, scored: Scored, found: Places, seconds: float) -> dict[Window, WindowCounts]:
    """Count a block whose rows lie in the windows `found`, and which was scored in `seconds`."""
    sums = sums_of(manifest, scored, found, seconds)
    return {window: counts_of(manifest, one) for window, one in sums.items()}


def sums_of(manifest: Manifest, scored: Scored, found: Places, seconds: float) -> dict[Window, Sums]:
    """Return the same before it is read out, for adding up many blocks."""
    checked, predicted = scored.checked, scored.predicted
    lot = _Lot(
        checked.seen_numbers,
        checked.seen_strings,
        checked.invalid,
        checked.verdicts,
        checked.breaches,
        predicted.codes,
        score_of(predicted),
        checked.whole,
    )
    pace = seconds * 1e6 / max(1, len(checked))
    return {window: _sums(manifest, lot if rows is None else _some(lot, rows), pace) for window, rows in found.items()}


def counts_of(manifest: Manifest, sums: Sums) -> WindowCounts:
    """Return what was counted, by the names of the manifest."""
    rows = int(sums.verdicts.sum())
    counts = WindowCounts(rows=rows, verdicts=dict(zip(VERDICTS, sums.verdicts.tolist(), strict=True)))
    names = [feature.name for feature in manifest.number_features]
    counts.features = dict(zip(names, manifest.number_bins.counts(sums.numbers, rows, sums.invalid), strict=True))
    for feature, texts in zip(manifest.string_features, sums.texts, strict=True):
        counts.features[feature.name] = texts
    if sums.labels is not None:
        counts.outputs["labels"] = sums.labels
    if sums.scores is not None and manifest.score_bins is not None:
        scored = rows - counts.verdicts[Verdict.REJECTED.word]
        (counts.outputs["scores"],) = manifest.score_bins.counts(sums.scores, scored)
    for (name, rule), many in sums.breaches.items():
        counts.breaches.setdefault(name, {})[rule.value] = many
    counts.latency = sums.latency
    return counts


def places(manifest: Manifest, block: Block, now: datetime) -> Places:
    """Return the rows of a block, scored at `now`, that belong to each window."""
    arrival = Window.of(now, manifest.monitor.span)
    column = manifest.time.column if manifest.time and manifest.monitor.window_by is WindowBy.ROW else None
    if column is None or column not in block.texts:
        return {arrival: None}
    pattern = manifest.time.format if manifest.time else None
    start = manifest.provenance.training_start
    earliest = datetime.fromisoformat(start) if start else datetime.min.replace(tzinfo=UTC)
    seen: dict[str, Window] = {}
    found: dict[Window, list[int]] = {}
    for row, text in enumerate(block.texts[column]):
        window = seen.get(text)
        if window is None:
            window = seen[text] = _window(text, pattern, earliest, now, manifest.monitor.span) or arrival
        found.setdefault(window, []).append(row)
    return {window: np.array(rows, dtype=np.int64) for window, rows in found.items()}


def _window(text: str, pattern: str | None, earliest: datetime, now: datetime, span: Span) -> Window | None:
    """Return the window of a row's own time; None when it has none that can be believed."""
    moment = read_moment(text, pattern) if text else None
    moment = as_utc(moment) if moment else None
    believable = moment is not None and earliest <= moment <= now + _LATEST
    return Window.of(moment, span) if moment is not None and believable else None


def _some(lot: _Lot, rows: NDArray[np.int64]) -> _Lot:
    """Return what stands in the `rows` of a block."""
    chosen = np.zeros(len(lot.verdicts), dtype=np.bool_)
    chosen[rows] = True
    kept = chosen[lot.verdicts != Verdict.REJECTED]
    places = set(rows.tolist())
    return _Lot(
        numbers=lot.numbers[:, rows],
        strings=lot.strings[:, rows],
        invalid={name: wrong[chosen[wrong]] for name, wrong in lot.invalid.items()},
        verdicts=lot.verdicts[rows],
        breaches=[breach for breach in lot.breaches if breach.row in places],
        codes=None if lot.codes is None else lot.codes[kept],
        score=None if lot.score is None else lot.score[kept],
        whole=lot.whole,
    )


def _sums(manifest: Manifest, lot: _Lot, pace: float) -> Sums:
    """Count a lot, of which each row took `pace` microseconds."""
    outputs, bins = manifest.outputs, manifest.score_bins
    invalid = np.zeros(len(lot.numbers), dtype=np.int64)
    if lot.invalid:
        invalid[:] = [len(lot.invalid.get(feature.name, ())) for feature in manifest.number_features]
    labels = None
    if isinstance(outputs, Classification) and lot.codes is not None:
        # The bins of the labels are the classes in their order, then "other" and "missing", which no model gives.
        labels = np.bincount(lot.codes, minlength=outputs.labels.bins.size)
    latency = np.zeros(len(LATENCY_EDGES_US) + 1, dtype=np.int64)
    latency[bisect_left(LATENCY_EDGES_US, pace)] = len(lot.verdicts)
    return Sums(
        verdicts=np.bincount(lot.verdicts, minlength=len(VERDICTS)),
        numbers=manifest.number_bins.below(lot.numbers, whole=lot.whole),
        invalid=invalid,
        texts=[_texts(feature, texts) for feature, texts in zip(manifest.string_features, lot.strings, strict=True)],
        labels=labels,
        scores=None if bins is None or lot.score is None else bins.below(_row(lot.score), whole=True),
        breaches=Counter((breach.name, breach.rule) for breach in lot.breaches),
        latency=latency,
    )


def _row(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return `values`, shape (n,), as shape (1, n)."""
    return np.ascontiguousarray(values)[np.newaxis]


def _texts(feature: Feature, texts: NDArray[np.object_]) -> Counts:
    if feature.is_category:
        return feature.category_bins.count(texts)
    return feature.number_bins.count(lengths_of(texts))

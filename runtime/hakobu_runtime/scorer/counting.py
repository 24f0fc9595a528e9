"""Counting what was scored: exact, by the window that each row belongs to."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.format.block import Block
from hakobu_runtime.format.counts import LATENCY_EDGES_US, WindowCounts
from hakobu_runtime.format.histogram import Counts
from hakobu_runtime.format.manifest import Classification, Manifest, WindowBy
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.limits.breach import Breach, Verdict
from hakobu_runtime.limits.dates import as_utc, read_moment
from hakobu_runtime.limits.derive import lengths_of
from hakobu_runtime.scorer.scores import VERDICTS, Scored, score_of

Places = Mapping[Window, NDArray[np.int64] | None]
"""The rows of each window, rising; None stands for all rows."""

_LATEST = timedelta(days=1)
"""How far a row's own time may lie ahead of the clock: the width of the time zones, about."""


class Lot(NamedTuple):
    """What is counted of a block, or of some rows of one; those of several blocks can be counted at once."""

    found: Places
    """The windows of its rows."""
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
    """The numbers that are watched of these rows, where the model gives any."""
    pace: float
    """Microseconds a row."""


def lot_of(scored: Scored, found: Places, seconds: float) -> Lot:
    """Return what is counted of a block whose rows lie in the windows `found`, and which was scored in `seconds`."""
    checked, predicted = scored.checked, scored.predicted
    return Lot(
        found,
        checked.seen_numbers,
        checked.seen_strings,
        checked.invalid,
        checked.verdicts,
        checked.breaches,
        predicted.codes,
        score_of(predicted),
        seconds * 1e6 / max(1, len(checked)),
    )


def count(manifest: Manifest, lots: Iterable[Lot]) -> dict[Window, WindowCounts]:
    """Count some blocks into the windows of their rows; at once what lies in one window, in half of the time."""
    whole: dict[Window, list[Lot]] = {}
    for lot in lots:
        for window, rows in lot.found.items():
            whole.setdefault(window, []).append(lot if rows is None else _some(lot, rows))
    return {window: _count(manifest, alike) for window, alike in whole.items()}


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


def _some(lot: Lot, rows: NDArray[np.int64]) -> Lot:
    """Return what stands in the `rows` of a block."""
    chosen = np.zeros(len(lot.verdicts), dtype=np.bool_)
    chosen[rows] = True
    kept = chosen[lot.verdicts != Verdict.REJECTED]
    places = set(rows.tolist())
    return lot._replace(
        numbers=lot.numbers[:, rows],
        strings=lot.strings[:, rows],
        invalid={name: wrong[chosen[wrong]] for name, wrong in lot.invalid.items()},
        verdicts=lot.verdicts[rows],
        breaches=[breach for breach in lot.breaches if breach.row in places],
        codes=None if lot.codes is None else lot.codes[kept],
        score=None if lot.score is None else lot.score[kept],
    )


def _count(manifest: Manifest, lots: Sequence[Lot]) -> WindowCounts:
    """Count lots that lie in one window."""
    verdicts = _joined([lot.verdicts for lot in lots])
    counts = WindowCounts(rows=len(verdicts))
    worse = VERDICTS[1:] if verdicts.any() else ()
    found = {word: int(np.count_nonzero(verdicts == code)) for code, word in enumerate(worse, 1)}
    counts.verdicts = dict.fromkeys(VERDICTS, 0) | found
    counts.verdicts[VERDICTS[0]] = counts.rows - sum(found.values())
    counts.features = _features(manifest, lots)
    counts.outputs = _outputs(manifest, lots)
    for breach in chain.from_iterable(lot.breaches for lot in lots):
        rules = counts.breaches.setdefault(breach.name, {})
        rules[breach.rule.value] = rules.get(breach.rule.value, 0) + 1
    for lot in lots:
        counts.latency[bisect_left(LATENCY_EDGES_US, lot.pace)] += len(lot.verdicts)
    return counts


def _features(manifest: Manifest, lots: Sequence[Lot]) -> dict[str, Counts]:
    numbers, strings = _joined([lot.numbers for lot in lots]), _joined([lot.strings for lot in lots])
    names = [feature.name for feature in manifest.number_features]
    wrong = dict.fromkeys(names, 0)
    for name, rows in chain.from_iterable(lot.invalid.items() for lot in lots):
        wrong[name] += len(rows)
    counts = dict(zip(names, manifest.number_bins.count(numbers, [*wrong.values()]), strict=True))
    for texts, feature in zip(strings, manifest.string_features, strict=True):
        if feature.is_category:
            counts[feature.name] = feature.category_bins.count(texts)
        else:
            counts[feature.name] = feature.number_bins.count(lengths_of(texts))
    return counts


def _outputs(manifest: Manifest, lots: Sequence[Lot]) -> dict[str, Counts]:
    """Count what the model gave, over the bins of the outputs."""
    found: dict[str, Counts] = {}
    outputs = manifest.outputs
    codes = [lot.codes for lot in lots if lot.codes is not None]
    if isinstance(outputs, Classification) and codes:
        # The bins of the labels are the classes in their order, then "other" and "missing", which no model gives.
        found["labels"] = np.bincount(_joined(codes), minlength=outputs.labels.bins.size)
    scores = [lot.score for lot in lots if lot.score is not None]
    if outputs.scores is not None and scores:
        found["scores"] = outputs.scores.bins.count(np.ascontiguousarray(_joined(scores)))
    return found


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return `parts` side by side."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

"""Counting what was scored: exact, by the window that each row belongs to."""

from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.format.block import Block
from hakobu_runtime.format.counts import LATENCY_EDGES_US, WindowCounts
from hakobu_runtime.format.histogram import count_rows
from hakobu_runtime.format.manifest import Classification, Manifest, WindowBy
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.limits.dates import as_utc, read_moment
from hakobu_runtime.limits.derive import lengths_of
from hakobu_runtime.scorer.scores import VERDICTS, Scored, score_of

Places = Mapping[Window, NDArray[np.int64] | None]
"""The rows of each window, rising; None stands for all rows."""

_LATEST = timedelta(days=1)
"""How far a row's own time may lie ahead of the clock: the width of the time zones, about."""


def count(manifest: Manifest, scored: Scored, now: datetime, seconds: float) -> dict[Window, WindowCounts]:
    """Count a block, scored in `seconds` at `now`, into the windows that its rows belong to."""
    return count_at(places(manifest, scored.block, now), manifest, scored, seconds)


def count_at(found: Places, manifest: Manifest, scored: Scored, seconds: float) -> dict[Window, WindowCounts]:
    """Count a block, scored in `seconds`, into the windows that were `found` for its rows."""
    return {window: _count(manifest, scored, rows, seconds) for window, rows in found.items()}


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


def _count(manifest: Manifest, scored: Scored, rows: NDArray[np.int64] | None, seconds: float) -> WindowCounts:
    """Count the block's `rows` (None: all)."""
    checked = scored.checked
    every = slice(None) if rows is None else rows
    size = len(checked) if rows is None else len(rows)
    counts = WindowCounts(rows=size)
    verdicts = checked.verdicts[every]
    counts.verdicts = {word: int(np.count_nonzero(verdicts == code)) for code, word in enumerate(VERDICTS)}
    numbers = manifest.number_features
    wrong = [_among(checked.invalid[feature.name], rows) for feature in numbers]
    found = count_rows([feature.number_bins for feature in numbers], checked.seen_numbers[:, every], wrong)
    counts.features.update(zip((feature.name for feature in numbers), found, strict=True))
    for place, feature in enumerate(manifest.string_features):
        texts = checked.seen_strings[place, every]
        if feature.is_category:
            counts.features[feature.name] = feature.category_bins.count(texts)
        else:
            counts.features[feature.name] = feature.number_bins.count(lengths_of(texts))
    chosen = None if rows is None else set(rows.tolist())
    for breach in checked.breaches:
        if chosen is None or breach.row in chosen:
            rules = counts.breaches.setdefault(breach.name, {})
            rules[breach.rule.value] = rules.get(breach.rule.value, 0) + 1
    counts.outputs = _count_outputs(manifest, scored, rows)
    if size:
        pace = seconds * 1e6 / len(checked)
        counts.latency[bisect_left(LATENCY_EDGES_US, pace)] = size
    return counts


def _among(invalid: NDArray[np.int64], rows: NDArray[np.int64] | None) -> int:
    """Return how many of the rows `invalid` are among `rows` (None: all)."""
    return len(invalid) if rows is None else int(np.isin(invalid, rows, assume_unique=True).sum())


def _count_outputs(manifest: Manifest, scored: Scored, rows: NDArray[np.int64] | None) -> dict[str, NDArray[np.int64]]:
    """Count the scored ones of `rows` over the bins of the outputs."""
    within: slice | NDArray[np.bool_] = slice(None)
    if rows is not None:
        chosen = np.zeros(len(scored.checked), dtype=np.bool_)
        chosen[rows] = True
        within = chosen[scored.checked.scorable]
    found = {}
    outputs, predicted = manifest.outputs, scored.predicted
    if isinstance(outputs, Classification) and predicted.codes is not None:
        # The bins of the labels are the classes in their order, then "other" and "missing", which no model gives.
        found["labels"] = np.bincount(predicted.codes[within], minlength=outputs.labels.bins.size)
    score: NDArray[Any] | None = score_of(predicted)
    if score is not None and outputs.scores is not None:
        found["scores"] = outputs.scores.bins.count(score[within])
    return found

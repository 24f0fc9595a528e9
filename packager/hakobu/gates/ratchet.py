"""The ratchet: a new model must stand its ground against the champion, on the same rows and in the same runtime."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import get_scorer

from hakobu.gates.answers import Answers, Rows
from hakobu.gates.evidence import Interval, RangeChange, Rival
from hakobu.gates.interval import drawn
from hakobu.gates.judge import gained, judge, words_of
from hakobu.gates.metrics import scored
from hakobu.settings import RatchetTable
from hakobu_runtime.format.feature import Feature
from hakobu_runtime.format.histogram import number_text
from hakobu_runtime.format.manifest import ClassLabel, Manifest
from hakobu_runtime.format.validation import Gate, Outcome, Stage
from hakobu_runtime.model import Predicted


def answers_of(predicted: Predicted, classes: Sequence[ClassLabel], targets: NDArray[Any]) -> Answers:
    """Return what the runtime gave in the terms that scikit-learn's scorers read, labels as the target has them."""
    if predicted.codes is None:
        values = predicted.values if predicted.values is not None else np.array([])
        return Answers({"predict": np.asarray(values, dtype=np.float64).reshape(-1)}, None)
    labels = np.array([_as_target(label, targets) for label in classes], dtype=targets.dtype)
    found: dict[str, NDArray[Any]] = {"predict": labels[predicted.codes]}
    if predicted.probabilities is not None:
        odds = predicted.probabilities.astype(np.float64)
        found["predict_proba"] = odds / odds.sum(axis=1, keepdims=True)
    return Answers(found, labels)


def _as_target(label: ClassLabel, targets: NDArray[Any]) -> Any:
    return str(label) if targets.dtype == object else int(label)


def compared(
    mine: Answers, its: Answers, y: NDArray[Any], metric: str, groups: NDArray[np.object_] | None, seed: int
) -> tuple[Interval, Interval, Interval]:
    """Return the metric of the challenger, of the champion, and the gain, drawn on the same rows each time."""
    scorer = get_scorer(metric)
    challenger, champion = mine.estimator(), its.estimator()

    def of_mine(rows: Rows) -> float:
        return scored(scorer, challenger, rows[:, None], y[rows])

    def of_its(rows: Rows) -> float:
        return scored(scorer, champion, rows[:, None], y[rows])

    first, second = drawn(of_mine, len(y), groups, seed), drawn(of_its, len(y), groups, seed)
    return first.interval(), second.interval(), (first - second).interval()


def other_classes(champion: Manifest, its: Sequence[ClassLabel], mine: Sequence[ClassLabel]) -> Gate | None:
    """Return why a champion of other classes is not compared with; None when they are the same."""
    if [str(label) for label in its] == [str(label) for label in mine]:
        return None
    return Gate(
        Stage.MODEL, "ratchet", f"compared with {champion.name} {champion.version}",
        f"its classes are {', '.join(map(str, its[:8]))}", f"{', '.join(map(str, mine[:8]))}", Outcome.NOT_JUDGED,
        "the two answer different questions: judge the new model by its own metrics",
    )  # fmt: skip


def ratchet_gates(rival: Rival, limits: RatchetTable) -> Iterator[Gate]:
    """Judge the challenger against the champion, and its training rows against what the champion allows."""
    name = f"{rival.manifest.name} {rival.manifest.version}"
    rule = f"{rival.metric}: hold-out minus that of {name}"
    remedy = (
        f"the champion says {words_of(rival.champion)}, this model {words_of(rival.challenger)}: keep the champion, "
        "improve the model, or change [gates.ratchet]"
    )
    if np.isnan(rival.gain.value) or np.isnan(rival.gain.low):
        words = f"{rival.metric} of the champion cannot be computed on this hold-out, or there are too few rows"
        yield Gate(Stage.MODEL, "ratchet", rule, words_of(rival.gain), "none", Outcome.NOT_JUDGED, words)
    elif limits.min_gain is not None:
        yield gained("ratchet", rule, rival.gain, limits.min_gain, remedy)
    else:
        yield judge(
            Stage.MODEL, "ratchet", f"{rule}, lower end of its 95% interval", words_of(rival.gain),
            f">= {-limits.max_loss:.4g}", passed=rival.gain.low >= -limits.max_loss, remedy=remedy,
        )  # fmt: skip
    yield from _outliers(rival, limits)


def _outliers(rival: Rival, limits: RatchetTable) -> Iterator[Gate]:
    shares = {change.feature: change.share for change in rival.changes if not np.isnan(change.share)}
    worst = max(shares, key=lambda feature: shares[feature], default="")
    value = shares.get(worst, 0.0)
    far = [feature for feature, share in shares.items() if share > limits.outliers]
    yield judge(
        Stage.DATA, "ratchet: outliers", f"share of training rows outside the champion's limits ({worst or 'none'})",
        value, f"<= {limits.outliers:.4g}", passed=not far,
        remedy=f"{', '.join(far)}: has the unit changed, or another machine come in? Mend the data, or raise "
        "[gates.ratchet] outliers",
    )  # fmt: skip


def range_changes(champion: Manifest, challenger: Manifest) -> tuple[RangeChange, ...]:
    """Return every input whose limits, policy or kind differ between two bundles, by name, as a review shows them."""
    before = {feature.name: feature for feature in champion.features}
    after = {feature.name: feature for feature in challenger.features}
    found = []
    for name in dict.fromkeys((*after, *before)):
        old, new = before.get(name), after.get(name)
        share = _outside(old, new) if old is not None and new is not None else float("nan")
        ours, theirs = _categories(new), _categories(old)
        added = tuple(one for one in ours if one not in theirs) if theirs else ()
        removed = tuple(one for one in theirs if one not in ours) if ours else ()
        change = RangeChange(name, _allowed(old), _allowed(new), share, added, removed)
        if change.before != change.after or share > 0 or added or removed:
            found.append(change)
    return tuple(found)


def _categories(feature: Feature | None) -> tuple[str, ...]:
    return () if feature is None or feature.categories is None else feature.categories.values


def _allowed(feature: Feature | None) -> str:
    """Return what is allowed of an input, and what becomes of the rest, in a line."""
    if feature is None:
        return ""
    if feature.range is not None:
        unit = f" {feature.unit}" if feature.unit else ""
        span = f"{number_text(feature.range.low)} to {number_text(feature.range.high)}{unit}"
    else:
        known = _categories(feature)
        span = f"{len(known)} categories: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}"
    return f"{feature.kind}, {span}, else {feature.policy}, missing {feature.missing}"


def _outside(old: Feature, new: Feature) -> float:
    """Return the share of the new training rows that the old limits do not allow, as their histogram tells it."""
    counts = np.array(new.baseline.counts, dtype=np.int64)
    if old.categories is not None and new.categories is not None:
        bins = new.baseline.bins
        names = getattr(bins, "categories", ())
        strange = [place for place, name in enumerate(names) if name not in old.categories.values]
        return float(counts[strange].sum() / max(counts.sum(), 1))
    if old.range is None or new.range is None:
        return float("nan")
    edges = getattr(new.baseline.bins, "edges", ())
    # The bins that lie wholly outside; what lies in a bin that the old limit cuts through is not counted.
    outside = [
        place for place in range(1, len(edges)) if edges[place] <= old.range.low or edges[place - 1] > old.range.high
    ]
    return float(counts[outside].sum() / max(counts.sum(), 1))

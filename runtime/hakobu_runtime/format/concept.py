"""Outcomes, judged: whether a model got worse than on its hold-out, by more than chance explains.

Chance is taken from the days themselves: real days differ from each other by more than their rows alone would, so a
period's measure is as uncertain as it changes when one of its days is left out (the delete-one jackknife over days;
J. Tukey 1958, B. Efron and C. Stein 1981). Of the flights, one week of the very hold-out lies 0.084 below the whole: five
standard errors by its rows, two by its days.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import fsum, inf, sqrt

from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.drift import ALPHA, Judgement
from hakobu_runtime.format.measures import Measured, accuracy, auc, falls_by_chance, mean_absolute
from hakobu_runtime.format.outcome import OutcomeCounts, Subject
from hakobu_runtime.format.statistics import holm

WARN = 0.02
ALARM = 0.05
"""How much accuracy, or the area under the curve, must have fallen below the hold-out's.

Two in a hundred answers are what a person may notice; five are what builders commonly let a gate refuse a model for.
"""

WARN_GROWTH = 0.1
ALARM_GROWTH = 0.2
"""By which share of the hold-out's the mean absolute error must have grown."""

_QUANTILE = 2.3263478740408408
"""The standard normal's 99th percentile: as ALPHA, on one side."""

_FEWEST = 30
"""Rows below which the normal approximation is not relied on."""

_FEWEST_DAYS = 5
"""Days below which nothing is known of how days differ."""


class Standing(Value, frozen=True, kw_only=True):
    """One measure of a period's outcomes, held against the hold-out's."""

    metric: str
    """As scikit-learn has it, but for the mean absolute error, which has no minus sign here."""
    value: float
    low: float
    high: float
    """The bounds of 95 %: Wilson's of accuracy, DeLong's of the area, the normal ones of the mean absolute error."""
    rows: int
    holdout: float
    fall: float
    """How much worse than the hold-out it is: a difference, or a share of the hold-out's mean absolute error."""
    p_value: float
    """How probable a fall as far as this is when the model is as good as it was."""
    judgement: Judgement
    inputs_drifted: bool
    """Whether an input raises an alarm in the same period; if not, a fall is concept drift."""

    def words(self) -> str:
        """Say in one sentence what was found."""
        name = _NAMES[self.metric]
        bounds = f"{self.low:.4g} to {self.high:.4g}"
        told = f"{self.value:.4g} ({bounds}) on {self.rows:,} rows, {self.holdout:.4g} on the hold-out"
        if self.judgement is Judgement.INSUFFICIENT:
            return f"{name} cannot be judged yet: too few labels, or days that differ too much; so far {told}"
        if self.judgement is Judgement.OK:
            return f"{name} is as on the hold-out: {told}"
        why = (
            "its inputs have drifted too, so train it on newer rows"
            if self.inputs_drifted
            else "its inputs look as in training, so what they mean has changed (concept drift): train it on newer rows"
        )
        word = "has become worse" if self.judgement is Judgement.ALARM else "is becoming worse"
        return f"{name} {word}: {told}; {why}"


_NAMES = {"accuracy": "accuracy", "roc_auc": "the area under the ROC curve", "mean_absolute_error": "the mean error"}


@dataclass(frozen=True, slots=True)
class _Held:
    """A measure beside that of the hold-out."""

    metric: str
    measured: Measured
    holdout: float
    fall: float
    error: float
    """The standard error of the fall."""
    limits: tuple[float, float]
    """From which fall on it is a warning, and an alarm."""

    @property
    def p_value(self) -> float:
        return falls_by_chance(self.fall, self.error)


def judge_outcomes(subject: Subject, days: Sequence[OutcomeCounts], *, inputs_drifted: bool) -> tuple[Standing, ...]:
    """Judge the outcomes of a period, given by day, by every measure that the bundle tells of its hold-out.

    The hold-out's own value is uncertain too: as uncertain as the live one would be on as many rows. A fall is
    significant at ALPHA on one side, after Holm's correction over the measures. What is not, while chance alone could
    take it past the alarm, is insufficient.
    """
    days = [day for day in days if day.rows]
    counts = reduce(OutcomeCounts.plus, days, OutcomeCounts())
    held = [
        one for name in ("accuracy", "roc_auc", "mean_absolute_error") if (one := _held(subject, counts, days, name))
    ]
    enough = counts.rows >= _FEWEST and len(days) >= _FEWEST_DAYS
    judged = held if enough else []
    significant = dict(zip((one.metric for one in judged), holm([one.p_value for one in judged], ALPHA), strict=True))
    return tuple(
        Standing(
            metric=one.metric,
            value=one.measured.value,
            low=one.measured.low,
            high=one.measured.high,
            rows=counts.rows,
            holdout=one.holdout,
            fall=one.fall,
            p_value=one.p_value,
            judgement=_judgement(one, significant.get(one.metric)),
            inputs_drifted=inputs_drifted,
        )
        for one in held
    )


def _held(subject: Subject, counts: OutcomeCounts, days: Sequence[OutcomeCounts], name: str) -> _Held | None:
    if name == "mean_absolute_error":
        return _held_error(subject, counts, days)
    measure: Callable[[OutcomeCounts], Measured | None] = accuracy if name == "accuracy" else auc
    if name not in subject.metrics or (name == "roc_auc" and len(subject.classes) != 2):
        return None
    found, holdout = measure(counts), subject.metrics[name].holdout
    if found is None:
        return None
    error = max(found.error, _by_days(counts, days, measure)) * _both(counts.rows, subject.holdout_rows)
    return _Held(name, found, holdout, holdout - found.value, error, (WARN, ALARM))


def _held_error(subject: Subject, counts: OutcomeCounts, days: Sequence[OutcomeCounts]) -> _Held | None:
    holdout = subject.metrics.get("neg_mean_absolute_error")
    if subject.classes or holdout is None or not holdout.holdout < 0 or not counts.rows:
        return None
    before = -holdout.holdout
    found = mean_absolute(counts, subject.unit)
    by_days = _by_days(counts, days, lambda some: mean_absolute(some, subject.unit) if some.rows else None)
    error = max(found.error, by_days) * _both(counts.rows, subject.holdout_rows) / before
    limits = (WARN_GROWTH, ALARM_GROWTH)
    return _Held("mean_absolute_error", found, before, found.value / before - 1, error, limits)


def _both(rows: int, holdout_rows: int) -> float:
    """Return by what the hold-out's uncertainty makes that of the difference larger."""
    return sqrt(1 + rows / holdout_rows) if holdout_rows else inf


def _by_days(
    counts: OutcomeCounts, days: Sequence[OutcomeCounts], measure: Callable[[OutcomeCounts], Measured | None]
) -> float:
    """Return the standard error of a measure by leaving out one day at a time."""
    left = [found.value for day in days if (found := measure(counts.minus(day)))]
    middle = fsum(left) / max(len(left), 1)
    return sqrt((len(left) - 1) / len(left) * fsum((value - middle) ** 2 for value in left)) if left else 0.0


def _judgement(one: _Held, significant: bool | None) -> Judgement:
    if significant is None or (not significant and _QUANTILE * one.error > one.limits[1]):
        return Judgement.INSUFFICIENT
    if not significant or one.fall <= one.limits[0]:
        return Judgement.OK
    return Judgement.ALARM if one.fall > one.limits[1] else Judgement.WARN

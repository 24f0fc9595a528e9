"""Outcomes, judged: whether a model got worse than on its hold-out, by more than chance and the days explain.

Rows alone make a measure look surer than it is: real days differ from each other. Of the flights, one week of the very
hold-out lies 0.084 below the whole, six standard errors by its rows, 1.6 by its days. So what rows alone show is a
warning. An alarm needs that the fall is also significant with the uncertainty that the days tell: how the measure
changes when one of them is left out (the delete-one jackknife over days; J. Tukey 1958, B. Efron and C. Stein 1981).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import fsum, inf, isfinite, sqrt

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
"""Days below which they tell too little of how days differ for an alarm."""


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
    """How probable a fall as far as this is by the chance of rows, when the model is as good as it was."""
    p_value_by_days: float
    """The same by the chance of days; 1 with fewer than five."""
    judgement: Judgement
    inputs_drifted: bool
    """Whether an input raises an alarm in the same period; if not, a fall is concept drift."""

    def words(self) -> str:
        """Say in one sentence what was found."""
        name = _NAMES[self.metric]
        bounds = f"{self.low:.4g} to {self.high:.4g}"
        told = f"{self.value:.4g} ({bounds}) on {self.rows:,} rows, {self.holdout:.4g} on the hold-out"
        if self.judgement is Judgement.INSUFFICIENT:
            return f"{name} cannot be judged yet: {self.rows:,} labels are too few; so far {told}"
        if self.judgement is Judgement.OK:
            return f"{name} is as on the hold-out: {told}"
        why = (
            "its inputs have drifted too, so train it on newer rows"
            if self.inputs_drifted
            else "its inputs look as in training, so what they mean has changed (concept drift): train it on newer rows"
        )
        if self.judgement is Judgement.ALARM:
            return f"{name} has become worse: {told}; {why}"
        return f"{name} was worse, though by little, or by no more than days differ: {told}"


Measure = Callable[[OutcomeCounts], Measured | None]
"""Measures some counts; None where they do not tell it."""

_NAMES = {"accuracy": "accuracy", "roc_auc": "the area under the ROC curve", "mean_absolute_error": "the mean error"}


@dataclass(frozen=True, slots=True)
class _Held:
    """A measure beside that of the hold-out."""

    metric: str
    measured: Measured
    holdout: float
    fall: float
    error: float
    """The standard error of the fall by the chance of rows."""
    error_by_days: float
    """The same by the chance of days; endless with fewer than five."""
    limits: tuple[float, float]
    """From which fall on it is a warning, and an alarm."""


def judge_outcomes(subject: Subject, days: Sequence[OutcomeCounts], *, inputs_drifted: bool) -> tuple[Standing, ...]:
    """Judge the outcomes of a period, given by day, by every measure that the bundle tells of its hold-out.

    The hold-out's own value is uncertain too: as uncertain as the live one would be on as many rows. A fall is
    significant at ALPHA on one side, after Holm's correction over the measures. While the chance of rows alone could
    take one past the alarm, it is insufficient.
    """
    days = [day for day in days if day.rows]
    counts = reduce(OutcomeCounts.plus, days, OutcomeCounts())
    held = [one for name in _NAMES if (one := _held(subject, counts, days, name))]
    by_rows = [falls_by_chance(one.fall, one.error) for one in held]
    by_days = [falls_by_chance(one.fall, max(one.error, one.error_by_days)) for one in held]
    enough = counts.rows >= _FEWEST
    verdicts = (
        _judgement(one, by_rows=rows, by_days=days) if enough else Judgement.INSUFFICIENT
        for one, rows, days in zip(held, holm(by_rows, ALPHA), holm(by_days, ALPHA), strict=True)
    )
    return tuple(
        Standing(
            metric=one.metric,
            value=one.measured.value,
            low=one.measured.low,
            high=one.measured.high,
            rows=counts.rows,
            holdout=one.holdout,
            fall=one.fall,
            p_value=p_value,
            p_value_by_days=p_value_by_days,
            judgement=verdict,
            inputs_drifted=inputs_drifted,
        )
        for one, p_value, p_value_by_days, verdict in zip(held, by_rows, by_days, verdicts, strict=True)
    )


def _held(subject: Subject, counts: OutcomeCounts, days: Sequence[OutcomeCounts], name: str) -> _Held | None:
    """Return a measure beside the hold-out's; None where either is lacking."""
    known = subject.metrics.get("neg_mean_absolute_error" if name == "mean_absolute_error" else name)
    measure = _measure(subject, name)
    found = measure(counts)
    if found is None or known is None or not isfinite(known.holdout):
        return None
    widened = sqrt(1 + counts.rows / subject.holdout_rows) if subject.holdout_rows else inf
    error, by_days = found.error * widened, _by_days(counts, days, measure) * widened
    if name != "mean_absolute_error":
        return _Held(name, found, known.holdout, known.holdout - found.value, error, by_days, (WARN, ALARM))
    before = -known.holdout
    if before <= 0:
        return None
    limits = (WARN_GROWTH, ALARM_GROWTH)
    return _Held(name, found, before, found.value / before - 1, error / before, by_days / before, limits)


def _measure(subject: Subject, name: str) -> Measure:
    """Return what measures some counts; None where the model, or the counts, are not of that kind."""
    if name == "accuracy":
        return accuracy
    if name == "roc_auc":
        return lambda counts: auc(counts) if len(subject.classes) == 2 else None
    return lambda counts: mean_absolute(counts, subject.unit) if counts.rows and not subject.classes else None


def _by_days(counts: OutcomeCounts, days: Sequence[OutcomeCounts], measure: Measure) -> float:
    """Return the standard error of a measure by leaving out one day at a time; endless with fewer than five.

    As few days tell little of it, it is widened to what Student's t makes of the normal's 99th percentile (Abramowitz &
    Stegun 26.7.5).
    """
    left = [found.value for day in days if (found := measure(counts.minus(day)))]
    free = len(left) - 1
    if len(left) < _FEWEST_DAYS:
        return inf
    middle = fsum(left) / len(left)
    error = sqrt(free / len(left) * fsum((value - middle) ** 2 for value in left))
    return error * (1 + 1.6 / free + 2.46 / free**2)


def _judgement(one: _Held, *, by_rows: bool, by_days: bool) -> Judgement:
    """Judge a fall that is, or is not, significant by the chance of rows and by that of days."""
    if _QUANTILE * one.error > one.limits[1]:
        return Judgement.INSUFFICIENT
    if not by_rows or one.fall <= one.limits[0]:
        return Judgement.OK
    return Judgement.ALARM if by_days and one.fall > one.limits[1] else Judgement.WARN

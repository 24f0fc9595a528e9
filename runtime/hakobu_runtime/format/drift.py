"""Drift, judged: how far the rows of one period lie from training, and whether that is more than chance and habit."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import log
from typing import NamedTuple

import numpy as np

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.feature import Baseline, Usual
from hakobu_runtime.format.histogram import Bins, CategoryBins, Counts, edge_text
from hakobu_runtime.format.statistics import Distance, chi2_critical, debiased_psi, distance, holm, jeffreys, noise, psi
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span

WARN = 0.1
ALARM = 0.2
"""De-biased PSI above which a feature is drifting, and has drifted: the limits that the trade has long used for PSI."""

ALPHA = 0.01
"""The probability that a period without any drift shows a significant feature, over all features together.

0.05 could call somebody up every third week for nothing where periods are days; 0.001 would ask for a quarter more rows
(140 rather than 109 for ten deciles) before anything is judged, and small sites would never hear of a real drift.
Simulated, 20 features, no drift and no reference from training: 1.5 % of periods of 130 rows are called up, 1.1 % of
200, none of 500; "PSI above 0.2" calls up 29 % of periods of 100 rows, which here are insufficient.
"""


_FEWEST_FOR_A_TAIL = 15
"""Windows in training from which on more is said of how they stray than by how much at most."""


class Judgement(StrEnum):
    """What is to be thought of a distance from training, from the least to the most serious."""

    INSUFFICIENT = "insufficient"
    """Too few rows: chance alone could take PSI past the alarm."""
    OK = "ok"
    WARN = "warn"
    ALARM = "alarm"

    @property
    def rank(self) -> int:
        """The place from the least to the most serious."""
        return list(Judgement).index(self)


class Move(Value, frozen=True, kw_only=True):
    """The slot that tells most about the distance, with its share of the rows in training and now."""

    label: str
    """The slot's name, as in a table."""
    place: str
    """The slot as the end of a sentence about rows: `are above 60.8`."""
    reference: float
    live: float


class Finding(Value, frozen=True, kw_only=True):
    """One judged distance between training and one period: a feature's, or an output's."""

    name: str
    span: Span
    """The length of the period."""
    rows: int
    psi: float
    debiased: float
    """PSI less what chance gives on average; the judgement rests on it."""
    kl: float
    js: float
    p_value: float
    threshold: float
    """How far such periods strayed in training, by their de-biased PSI; 0 where training has no such reference.

    The 99th percentile of a feature's windows, and beyond it where there are so many that all features are told apart.
    """
    judgement: Judgement
    moved: Move

    def words(self) -> str:
        """Say in one sentence what was found."""
        moved = (
            f"{share_text(self.moved.live)} of rows {self.moved.place}, in training {share_text(self.moved.reference)}"
        )
        if self.judgement is Judgement.ALARM:
            return f"{self.name} has drifted: {moved}"
        if self.judgement is Judgement.WARN:
            return f"{self.name} is drifting: {moved}"
        if self.judgement is Judgement.INSUFFICIENT:
            clause = f", though {moved}" if self.p_value <= ALPHA else ""
            return f"{self.name} cannot be judged yet: {self.rows:,} rows are too few{clause}"
        if self.debiased > WARN and self.debiased <= self.threshold:
            return f"{self.name} differs no more than a {self.span} in training did: {moved}"
        return f"{self.name} is as in training"


class Report(Value, frozen=True, kw_only=True):
    """All findings for one model and one period."""

    model: ModelName
    period: str
    """The period in words or as a window's start: `2026-11`."""
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Judgement:
        """The most serious judgement; insufficient when there is nothing to judge."""
        found = (finding.judgement for finding in self.findings)
        return max(found, key=lambda judgement: judgement.rank, default=Judgement.INSUFFICIENT)


def judge(
    baselines: Mapping[str, Baseline], live: Mapping[str, Counts], span: Span, told: Span | None = None
) -> tuple[Finding, ...]:
    """Judge the live counts of a period as long as `span` against training, a finding for each of `baselines`.

    Of a period of which only a part as long as `told` was counted, what is usual of such parts is usual of it too. A
    name that `live` lacks has no rows. Raise FormatError when counts do not fit the bins.
    """
    far = {name: _distance(name, baseline, live.get(name)) for name, baseline in baselines.items()}
    judged = [name for name, one in far.items() if sufficient(one)]
    spans = dict.fromkeys((span, told or span))
    significant = dict(zip(judged, holm([far[name].p_value for name in judged], ALPHA), strict=True))
    found = []
    for name, baseline in baselines.items():
        one = far[name]
        counts = live.get(name, np.zeros(baseline.bins.size, dtype=np.int64))
        habits = [habit for each in spans if (habit := _habit(baseline, each, len(judged)))]
        usual = any(habit.holds(baseline, counts, one) for habit in habits)
        finding = Finding(
            name=name,
            span=span,
            rows=int(counts.sum()),
            psi=one.psi,
            debiased=one.debiased,
            kl=one.kl,
            js=one.js,
            p_value=one.p_value,
            threshold=max((habit.limit for habit in habits), default=0.0),
            judgement=_judgement(one.debiased, significant.get(name), usual=usual),
            moved=_move(baseline, counts),
        )
        found.append(finding)
    return tuple(found)


def sufficient(one: Distance) -> bool:
    """Say whether there are so many rows that chance alone seldom takes PSI past the alarm."""
    return one.noise * chi2_critical(ALPHA, one.dof) <= ALARM


def usual_drift(reference: Counts, windows: Sequence[Counts]) -> Usual | None:
    """Return how far windows of one length stray inside the training period; None with fewer than two to compare.

    `reference` counts all training rows, each of `windows` a distinct part of them. Each window is held against the
    rest of training, since a live window is no part of its reference either: held against the whole, a month out of
    three would be a third of what it is compared with. Windows too short to be judged are left out: what they show is
    chance, and as a threshold it would hide real drift from windows that are long enough. Of fewer than a hundred the
    largest is taken: between it and the one before it nobody knows where the 99th percentile lies.
    """
    apart = [distance(reference - window, window) for window in windows if window.sum() > 0]
    debiased = [one.debiased for one in apart if sufficient(one)]
    if len(debiased) < 2:
        return None
    return Usual(len(debiased), max(debiased) if len(debiased) < 100 else float(np.quantile(debiased, 0.99)))


def _distance(name: str, baseline: Baseline, counts: Counts | None) -> Distance:
    reference = np.array(baseline.counts, dtype=np.int64)
    try:
        return distance(reference, np.zeros_like(reference) if counts is None else counts)
    except FormatError as error:
        raise FormatError(f"{name}: {error}; were they counted by another version of the model?") from error


class _Habit(NamedTuple):
    """How far windows strayed inside the training period."""

    limit: float
    """Of the de-biased PSI."""
    rows: float
    """Of such a window, on average."""

    def holds(self, baseline: Baseline, live: Counts, one: Distance) -> bool:
        """Say whether a distance is no more than is usual.

        More rows make PSI larger where slots are empty, since smoothing weighs less: a day of a fleet lies further from
        training than the same day of one site did. So it is compared as if it had as many rows as those windows.
        """
        if live.sum() <= self.rows:
            return one.debiased <= self.limit
        reference = np.array(baseline.counts, dtype=np.int64)
        occupied = (reference > 0) | (live > 0)
        fewer = live[occupied] * (self.rows / live.sum())
        value = psi(jeffreys(reference[occupied]), jeffreys(fewer))
        return debiased_psi(value, one.dof, noise(int(reference.sum()), round(self.rows))) <= self.limit


def _habit(baseline: Baseline, span: Span, many: int) -> _Habit | None:
    """Return what is usual of `span`, or of the longest shorter one: shorter windows stray further, so it is safe.

    Of `many` features one or another strays further than its own 99th percentile much more often than on one day of a
    hundred. Where there are windows enough to know a tail at all, that is taken to fall off exponentially from there,
    to where all of them together stray once in a hundred windows.
    """
    spans = list(Span)
    fitting = [baseline.usual[one] for one in spans[: spans.index(span) + 1] if one in baseline.usual]
    if not fitting:
        return None
    usual = fitting[-1]
    wider = 1 + log(max(many, 1)) / log(100) if usual.windows >= _FEWEST_FOR_A_TAIL else 1.0
    return _Habit(usual.p99 * wider, sum(baseline.counts) / usual.windows)


def _judgement(debiased: float, significant: bool | None, *, usual: bool) -> Judgement:
    if significant is None:
        return Judgement.INSUFFICIENT
    if not significant or usual or debiased <= WARN:
        return Judgement.OK
    return Judgement.ALARM if debiased > ALARM else Judgement.WARN


def _move(baseline: Baseline, live: Counts) -> Move:
    reference = np.array(baseline.counts, dtype=np.int64)
    p, q = jeffreys(reference), jeffreys(live)
    # What there is now says more to a person than what is gone, unless much went from one slot to many.
    telling = (q - p) * np.log(q / p) * np.where(q > p, 2, 1)
    slot = int(np.argmax(np.where((reference == 0) & (live == 0), 0.0, telling)))
    return Move(
        label=baseline.bins.labels()[slot],
        place=_place(baseline.bins, slot),
        reference=float(reference[slot] / reference.sum()),
        live=float(live[slot] / max(live.sum(), 1)),
    )


def _place(bins: Bins, slot: int) -> str:
    """Say where the rows of a slot lie: `are above 60.8`."""
    if slot == bins.missing:
        return "are missing"
    if isinstance(bins, CategoryBins):
        return "are of another category" if slot == bins.other else f"are '{bins.categories[slot]}'"
    if slot == bins.invalid:
        return "hold no number"
    if slot in (0, len(bins.edges)):
        return f"are {bins.labels()[slot]}"
    low, high = (edge_text(edge) for edge in bins.edges[slot - 1 : slot + 1])
    return f"are {low}" if low == high else f"are from {low} to below {high}"


def share_text(share: float) -> str:
    """Return a share in per cent for a person, never as none or all when it is not."""
    percent = 100 * share
    if 0 < percent < 0.05:
        return "under 0.1 %"
    if 99.95 <= percent < 100:
        return "over 99.9 %"
    return f"{percent:.0f} %" if 10 <= percent < 99.5 or percent == 100 else f"{percent:.1f} %"

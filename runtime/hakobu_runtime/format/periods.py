"""Periods of live counts, held against training: a device's own, or those of a whole fleet."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.drift import Finding, Judgement, judge
from hakobu_runtime.format.feature import Baseline
from hakobu_runtime.format.histogram import Counts
from hakobu_runtime.format.manifest import Manifest, Regression
from hakobu_runtime.format.window import Span, Window, ends

_MOST_OF = 0.7
"""The share of a period from its first to its last count that makes it a whole one."""


@dataclass(frozen=True, slots=True)
class Period:
    """One span of time with its counts and what they say."""

    start: str
    """How the period's window is named, like 2026-11; longer than asked for where counts were folded."""
    rows: int
    findings: tuple[Finding, ...]

    def plain(self) -> dict[str, object]:
        """Return the period for JSON."""
        return {"start": self.start, "rows": self.rows, "findings": self.findings}

    @property
    def alarm(self) -> bool:
        """Whether any finding is an alarm."""
        return any(finding.judgement is Judgement.ALARM for finding in self.findings)

    @property
    def inputs_drifted(self) -> bool:
        """Whether an input, not an output, raises an alarm."""
        return any(one.judgement is Judgement.ALARM and not is_output(one.name) for one in self.findings)


def is_output(name: str) -> bool:
    """Say whether a finding of this name is about an output: those are named in brackets."""
    return name.startswith("(")


def baselines(manifest: Manifest) -> dict[str, Baseline]:
    """Return what live counts are held against: every feature, then the outputs in brackets."""
    found = {feature.counted: feature.baseline for feature in manifest.features}
    outputs = manifest.outputs
    if not isinstance(outputs, Regression):
        found["(label)"] = outputs.labels
    if outputs.scores is not None:
        found["(score)"] = outputs.scores
    return found


def live_counts(manifest: Manifest, counts: WindowCounts) -> dict[str, Counts]:
    """Return what was counted by the names of `baselines`."""
    names = {feature.name: feature.counted for feature in manifest.features}
    live = {names.get(name, name): found for name, found in counts.features.items()}
    return live | {f"({name.removesuffix('s')})": found for name, found in counts.outputs.items()}


def gathered(counted: Iterable[tuple[Window, WindowCounts]], span: Span) -> dict[Window, WindowCounts]:
    """Return the sums by periods of `span`, oldest first; a longer window, as folding leaves it, is its own."""
    periods: dict[Window, WindowCounts] = {}
    for window, counts in counted:
        periods.setdefault(window.widen(span), WindowCounts()).add(counts)
    return dict(sorted(periods.items(), key=lambda item: (item[0].begins, item[0].span)))


def without(counts: WindowCounts, left_out: Mapping[str, Counts]) -> WindowCounts:
    """Return what there is to judge in `counts` without those of features, by name, that are not to be believed."""
    features = {name: found - left_out.get(name, 0) for name, found in counts.features.items()}
    return WindowCounts(counts.rows, features=features, outputs=counts.outputs)


def judge_period(
    manifest: Manifest,
    window: Window,
    counts: WindowCounts,
    left_out: Mapping[str, Counts] | None = None,
    told: Span | None = None,
) -> Period:
    """Judge the counts of one period; `left_out` are those of features, by name, that are not to be believed.

    `told` is what `told_part` says of the period, where it may be a part.
    """
    live = live_counts(manifest, without(counts, left_out) if left_out else counts)
    return Period(window.start, counts.rows, judge(baselines(manifest), live, window.span, told))


def judge_periods(manifest: Manifest, counted: Mapping[Window, WindowCounts], span: Span) -> tuple[Period, ...]:
    """Judge counts gathered into periods of `span`, oldest first."""
    return tuple(
        judge_period(manifest, window, counts, told=told_part(window, counted))
        for window, counts in gathered(counted.items(), span).items()
    )


def told_part(window: Window, counted: Iterable[Window]) -> Span:
    """Return how long the part of `window` is that was `counted`: its own span, unless it began or ended midway.

    Three days of a week hold three of its days, and differ from training as no whole week does.
    """
    inside = [one for one in counted if window.begins <= one.begins < ends(window)]
    return told_between(window, min(one.begins for one in inside), max(map(ends, inside))) if inside else window.span


def told_between(window: Window, begins: datetime, end: datetime) -> Span:
    """Return the same, where the first count in `window` begins, and the last one ends, at these moments."""
    if end - begins >= _MOST_OF * (ends(window) - window.begins):
        return window.span
    return Span.WEEK if window.span is Span.MONTH and end - begins >= _MOST_OF * timedelta(days=7) else Span.DAY


def drifted(periods: Iterable[Period]) -> Collection[str]:
    """Return the starts of the periods in which an input raises an alarm."""
    return {period.start for period in periods if period.inputs_drifted}

"""One input or output: training against what the devices hold, how far apart over time, by version and by group."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from sqlalchemy import Connection

from hakobu.hub.bundles import KnownBundle, of_model
from hakobu.hub.pages.drift import groups_of
from hakobu.hub.pages.subjects import Shown, Subject, shown, subjects
from hakobu.hub.totals import series
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.drift import Finding, Judgement, sufficient
from hakobu_runtime.format.periods import judge_periods
from hakobu_runtime.format.statistics import distance
from hakobu_runtime.format.window import Span, Window

MOST_LINES = 6
"""Versions, or groups, in one chart."""


@dataclass(frozen=True, slots=True)
class Compared:
    """How far one part of the fleet was from training, in each window; None where too little was counted to say."""

    name: str
    debiased: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """How often a rule was broken, in each window."""

    rule: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """In all windows shown."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class FeatureView:
    """The page."""

    model: str
    version: str
    subject: Subject
    span: Span
    group: str | None
    groups: tuple[str, ...]
    shown: Shown
    findings: tuple[Finding | None, ...]
    """Of each window."""
    rows: tuple[int, ...]
    at: str
    """The window whose histogram is shown."""
    slots: tuple[tuple[str, float, float], ...]
    """Of it: the name of each slot, its share in training, and its share in the window."""
    by_version: tuple[Compared, ...]
    by_group: tuple[Compared, ...]
    breaches: tuple[Broken, ...]
    """The commonest first."""

    @property
    def finding(self) -> Finding | None:
        """What is to be thought of the window whose histogram is shown."""
        return dict(zip((one.start for one in self.shown.windows), self.findings, strict=True)).get(self.at)


def view(
    connection: Connection,
    bundle: KnownBundle,
    name: str,
    span: Span,
    group: str | None,
    until: date | None,
    at: str = "",
) -> FeatureView | None:
    """Return the page of the input or output `name`; None where there is none, or nothing was counted of the bundle."""
    subject = next((one for one in subjects(bundle.manifest) if one.name == name), None)
    found = shown(connection, bundle, group, span, until)
    if subject is None or found is None:
        return None
    counted = dict(series(connection, bundle, None if group is None else (group,), span, found.since, found.until))
    periods = judge_periods(bundle.manifest, counted, span)
    by_start = {period.start: _finding(period.findings, name) for period in periods}
    judged = [start for start, one in by_start.items() if one and one.judgement is not Judgement.INSUFFICIENT]
    if at not in by_start:
        at = judged[-1] if judged else max(by_start, default="")
    groups = groups_of(connection, bundle)
    return FeatureView(
        model=bundle.model,
        version=bundle.version,
        subject=subject,
        span=span,
        group=group,
        groups=groups,
        shown=found,
        findings=tuple(by_start.get(window.start) for window in found.windows),
        rows=tuple(counted[window].rows if window in counted else 0 for window in found.windows),
        at=at,
        slots=_slots(subject, counted.get(Window(at, span)) if at else None),
        by_version=_by_version(connection, bundle, name, span, group, found),
        by_group=_by_group(connection, bundle, subject, span, groups, found),
        breaches=_breaches(subject, counted, found.windows),
    )


def _finding(findings: Iterable[Finding], name: str) -> Finding | None:
    return next((one for one in findings if one.name == name and one.rows), None)


def _slots(subject: Subject, counts: WindowCounts | None) -> tuple[tuple[str, float, float], ...]:
    before = np.array(subject.baseline.counts, dtype=np.float64)
    live = None if counts is None else subject.live(counts)
    now = np.zeros_like(before) if live is None else live.astype(np.float64)
    shares = (before / before.sum(), now / max(now.sum(), 1.0))
    return tuple(zip(subject.baseline.bins.labels(), *(share.tolist() for share in shares), strict=True))


def _by_version(
    connection: Connection, bundle: KnownBundle, name: str, span: Span, group: str | None, found: Shown
) -> tuple[Compared, ...]:
    """Return the drift of the same input in each version, against that version's own training."""
    groups = None if group is None else (group,)
    lines = []
    for one in of_model(connection, bundle.model)[:MOST_LINES]:
        subject = next((other for other in subjects(one.manifest) if other.name == name), None)
        if subject is not None:
            counted = dict(series(connection, one, groups, span, found.since, found.until))
            lines.append(Compared(one.version, _debiased(subject, counted, found.windows)))
    return tuple(line for line in lines if any(value is not None for value in line.debiased))


def _by_group(
    connection: Connection, bundle: KnownBundle, subject: Subject, span: Span, groups: Sequence[str], found: Shown
) -> tuple[Compared, ...]:
    lines = []
    for group in groups[:MOST_LINES] if len(groups) > 1 else ():
        counted = dict(series(connection, bundle, (group,), span, found.since, found.until))
        lines.append(Compared(group, _debiased(subject, counted, found.windows)))
    return tuple(line for line in lines if any(value is not None for value in line.debiased))


def _debiased(
    subject: Subject, counted: Mapping[Window, WindowCounts], windows: Sequence[Window]
) -> tuple[float | None, ...]:
    reference = np.array(subject.baseline.counts, dtype=np.int64)
    found: list[float | None] = []
    for window in windows:
        live = subject.live(counted[window]) if window in counted else None
        one = None if live is None or not live.any() else distance(reference, live)
        found.append(one.debiased if one is not None and sufficient(one) else None)
    return tuple(found)


def _breaches(
    subject: Subject, counted: Mapping[Window, WindowCounts], windows: Sequence[Window]
) -> tuple[Broken, ...]:
    by_rule: dict[str, list[int]] = {}
    for place, window in enumerate(windows):
        if window in counted:
            for rule, many in subject.breaches(counted[window]).items():
                by_rule.setdefault(rule, [0] * len(windows))[place] = many
    found = (Broken(rule, tuple(counts)) for rule, counts in by_rule.items() if any(counts))
    return tuple(sorted(found, key=lambda one: (-one.total, one.rule)))

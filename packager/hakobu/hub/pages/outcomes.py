"""What became of the predictions of one version, beside its drift: measures with their intervals, and estimates."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from hakobu.hub.bundles import KnownBundle
from hakobu.hub.outcome_totals import by_group, together
from hakobu.hub.pages.subjects import Shown
from hakobu_runtime.format.concept import Standing
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.drift import Judgement
from hakobu_runtime.format.measures import Measured
from hakobu_runtime.format.results import Judge, Results
from hakobu_runtime.format.window import Span, Window, ends

_MOST_SENTENCES = 4


@dataclass(frozen=True, slots=True)
class MeasureLine:
    """One measure over the windows."""

    metric: str
    standings: tuple[Standing | None, ...]
    estimates: tuple[Measured | None, ...]
    """What a calibrated model expects of itself where labels have not come; of accuracy alone."""
    holdout: float


@dataclass(frozen=True, slots=True)
class OutcomesView:
    """The part of a page about outcomes."""

    windows: tuple[Window, ...]
    lines: tuple[MeasureLine, ...]
    sentences: tuple[tuple[Judgement, str, str], ...]
    """What is serious, the newest first: how much, in which window, and in words."""
    labels: int
    """How many came in the windows shown."""


def view(
    connection: Connection,
    bundle: KnownBundle,
    span: Span,
    group: str | None,
    found: Shown,
    counted: Mapping[Window, WindowCounts],
    drifted: Collection[str],
) -> OutcomesView | None:
    """Return the outcomes of the windows `found`; None where no labels came and nothing can be estimated.

    `drifted` names those in which an input raises an alarm: a fall where none does is concept drift.
    """
    groups = None if group is None else (group,)
    last = ends(found.windows[-1]).date() - timedelta(days=1)
    known = together(by_group(connection, bundle, groups, found.since, last))
    judge = Judge.of(bundle.manifest, bundle.validation, bundle.digest)
    results = {one.start: one for one in judge.results(counted, known.items(), span, drifted)}
    lines = tuple(_lines([results.get(window.start) for window in found.windows], judge))
    if not lines:
        return None
    return OutcomesView(found.windows, lines, _sentences(found, results), sum(counts.rows for counts in known.values()))


def _lines(results: Sequence[Results | None], judge: Judge) -> list[MeasureLine]:
    names = dict.fromkeys(standing.metric for one in results if one for standing in one.standings)
    estimates = tuple(one.estimate if one else None for one in results)
    if any(estimates):
        names.setdefault("accuracy")
    lines = []
    for name in names:
        standings = tuple(
            next((standing for standing in one.standings if standing.metric == name), None) if one else None
            for one in results
        )
        known = judge.subject.metrics.get("neg_mean_absolute_error" if name == "mean_absolute_error" else name)
        if known is not None:
            only = tuple(
                estimate if standing is None else None for estimate, standing in zip(estimates, standings, strict=True)
            )
            empty: tuple[Measured | None, ...] = (None,) * len(standings)
            lines.append(MeasureLine(name, standings, only if name == "accuracy" else empty, abs(known.holdout)))
    return lines


def _sentences(found: Shown, results: Mapping[str, Results]) -> tuple[tuple[Judgement, str, str], ...]:
    serious = [
        (standing.judgement, window.start, standing.words())
        for window in reversed(found.windows)
        if window.start in results
        for standing in results[window.start].standings
        if standing.judgement in (Judgement.WARN, Judgement.ALARM)
    ]
    return tuple(sorted(serious, key=lambda one: one[1], reverse=True)[:_MOST_SENTENCES])

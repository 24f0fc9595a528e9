"""How good the predictions were, beside how far the inputs had moved."""

from collections.abc import Sequence
from dataclasses import dataclass

from hakobu.fleet.judging import FleetPeriod, Judged
from hakobu.report.draw.figure import Figure
from hakobu.report.draw.scale import figure_of
from hakobu.report.fleet.charts import outcome_over_time, worst_over_time
from hakobu_runtime.format.drift import Finding, Judgement
from hakobu_runtime.format.periods import is_output
from hakobu_runtime.format.results import Results

NAMES = {"accuracy": "Accuracy", "roc_auc": "Area under the ROC curve", "mean_absolute_error": "Mean absolute error"}


@dataclass(frozen=True, slots=True)
class OutcomeLine:
    """The outcomes of one period, in words."""

    start: str
    labels: str
    measures: tuple[tuple[str, str, str], ...]
    """Of each: the value, its bounds, and the judgement."""
    estimate: str
    worst: str
    judgement: str
    """Of the input that moved most."""


@dataclass(frozen=True, slots=True)
class OutcomeView:
    """All that is shown of outcomes."""

    figures: tuple[Figure, ...]
    metrics: tuple[str, ...]
    lines: tuple[OutcomeLine, ...]
    words: tuple[str, ...]
    """What calls for somebody."""
    labelled: bool
    """Whether labels have come; else there are estimates alone."""
    estimated: bool


def outcome_view(judged: Judged, recent: Sequence[FleetPeriod]) -> OutcomeView | None:
    """Return what there is to show; None where no label came, and nothing can be estimated."""
    if not judged.results or not judged.periods:
        return None
    by_start = {result.start: result for result in judged.results}
    periods = {period.window.start: period for period in judged.periods}
    starts = [*dict.fromkeys([*periods, *by_start])]
    results = [by_start.get(start) for start in starts]
    metrics = tuple(dict.fromkeys(one.metric for result in judged.results for one in result.standings)) or ("accuracy",)
    estimated = any(result.estimate is not None for result in judged.results)
    labelled = any(result.counts.rows for result in judged.results)
    worst = [_worst(periods.get(start)) for start in starts]
    figures = [_figure(starts, results, metric, estimated=estimated) for metric in metrics]
    figures.append(
        Figure(
            "The input that moved most",
            worst_over_time(starts, worst),
            (("bad dashed", "alarm"), ("warn dashed", "warning")),
        )
    )
    shown = {period.window.start for period in recent}
    lines = [
        _line(start, by_start[start], one, metrics)
        for start, one in zip(starts, worst, strict=True)
        if start in by_start
    ]
    words = [
        f"{result.start}: {one.words()}"
        for result in judged.results
        for one in result.standings
        if result.start in shown and one.judgement in (Judgement.ALARM, Judgement.WARN)
    ]
    named = tuple(NAMES[metric] for metric in metrics)
    return OutcomeView(tuple(figures), named, tuple(reversed(lines)), tuple(reversed(words)), labelled, estimated)


def _figure(starts: Sequence[str], results: Sequence[Results | None], metric: str, *, estimated: bool) -> Figure:
    legend = [("faint dashed", "the hold-out's")] if any(one and one.standings for one in results) else []
    guess = estimated and metric == "accuracy"
    legend += [("hollow", "an estimate, from the scores alone")] if guess else []
    return Figure(NAMES[metric], outcome_over_time(starts, results, metric, metric.replace("_", " ")), tuple(legend))


def _worst(period: FleetPeriod | None) -> Finding | None:
    """Return the input that moved most, of those that there are rows enough to judge."""
    inputs = [one for one in period.judged.findings if not is_output(one.name)] if period else []
    return max(inputs, key=lambda one: (one.judgement.rank, one.debiased), default=None)


def _line(start: str, result: Results, worst: Finding | None, metrics: Sequence[str]) -> OutcomeLine:
    cells = []
    for metric in metrics:
        one = next((found for found in result.standings if found.metric == metric), None)
        bounds = f"{figure_of(one.low)} to {figure_of(one.high)}" if one else ""
        cells.append((figure_of(one.value), bounds, one.judgement.value) if one else ("", "", ""))
    guess = result.estimate
    return OutcomeLine(
        start=start,
        labels=f"{result.counts.rows:,} of {result.scored:,}",
        measures=tuple(cells),
        estimate=f"~{guess.value:.3f} ({guess.low:.3f} to {guess.high:.3f})" if guess else "",
        worst=f"{worst.name} {worst.debiased:.2f}" if worst else "",
        judgement=worst.judgement.value if worst else "",
    )

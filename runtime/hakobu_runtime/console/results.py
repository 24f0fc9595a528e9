"""Outcomes as a table: a line a period."""

from collections.abc import Sequence

from hakobu_runtime.console.drift import looks
from hakobu_runtime.console.table import style, table
from hakobu_runtime.format.concept import Standing
from hakobu_runtime.format.drift import Judgement
from hakobu_runtime.format.results import Results


def results_table(results: Sequence[Results], last: int) -> str:
    """Return the table of the `last` periods, and what the worst of them mean in words; "" when there are none."""
    results = results[-last:]
    if not results:
        return ""
    estimated = any(one.estimate is not None for one in results)
    metrics = list(dict.fromkeys(standing.metric for one in results for standing in one.standings))
    header = [
        "outcomes",
        "labels",
        *(f"{_SHORT[metric]} (95 %), hold-out {_holdout(results, metric):.3g}" for metric in metrics),
    ]
    rows = [[one.start, _labels(one), *(_cell(one, metric) for metric in metrics)] for one in results]
    if estimated:
        header.append("expected accuracy (an estimate)")
        for row, one in zip(rows, results, strict=True):
            row.append(
                ""
                if one.estimate is None
                else f"~{one.estimate.value:.3f} ({one.estimate.low:.3f} to {one.estimate.high:.3f})"
            )
    lines = [table(header, rows)]
    serious = [
        f"{one.start}: {standing.words()}"
        for one in results
        for standing in one.standings
        if standing.judgement in (Judgement.ALARM, Judgement.WARN)
    ]
    if estimated:
        lines.append(
            "~ from the histogram of scores alone, as the model was calibrated when it was built; no label says so"
        )
    return "\n".join([*lines, *(["", *serious[-3:]] if serious else [])])


_SHORT = {"accuracy": "accuracy", "roc_auc": "ROC AUC", "mean_absolute_error": "mean absolute error"}


def _holdout(results: Sequence[Results], metric: str) -> float:
    return next(found.holdout for one in results if (found := _standing(one, metric)))


def _labels(one: Results) -> str:
    return f"{one.counts.rows:,} of {one.scored:,}"


def _standing(one: Results, metric: str) -> Standing | None:
    return next((standing for standing in one.standings if standing.metric == metric), None)


def _cell(one: Results, metric: str) -> str:
    found = _standing(one, metric)
    if found is None:
        return ""
    judged = style(str(found.judgement.value), **looks(found.judgement))
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f}) {judged}"

"""What each input held on both sides of the split, counted over bars of equal width, for a person to look at."""

from collections.abc import Iterator
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu.gates.evidence import Seen
from hakobu.gates.shift import shifts
from hakobu.project import Project
from hakobu.train import Trained
from hakobu_runtime.format.feature import Input, Kind, Range
from hakobu_runtime.limits.derive import lengths_of

_BARS, _MOST_NAMES = 24, 8
_TAIL = 4.0
"""Where all values span more than so many times what 99% of them do, the ends are drawn into the last bars."""

OTHERS = "all others"
"""The last bar of a category with more values than bars."""

Values = NDArray[np.floating]


def seen(trained: Trained, project: Project) -> tuple[Seen, ...]:
    """Return what each input held, in the order of `hakobu.toml`."""
    far = shifts(trained, project)
    found = []
    for wish in project.inputs:
        sides = (trained.X_train[wish.name].to_numpy(), trained.X_holdout[wish.name].to_numpy())
        of = _names if wish.is_category else _numbers
        found.append(of(wish, project, *sides, far[wish.name].debiased))
    return tuple(found)


def _names(wish: Input, project: Project, learn: NDArray[Any], judge: NDArray[Any], shift: float) -> Seen:
    known, counts = np.unique(learn[learn != ""].astype(str), return_counts=True)
    top = known[np.argsort(-counts, kind="stable")][:_MOST_NAMES].tolist()
    learned, judged = ([int((side == name).sum()) for name in top] for side in (learn, judge))
    present = [int((side != "").sum()) for side in (learn, judge)]
    if len(known) > len(top) or present[1] > sum(judged):
        top.append(OTHERS)
        learned.append(present[0] - sum(learned))
        judged.append(present[1] - sum(judged))
    return Seen(
        name=wish.name,
        kind=wish.kind,
        table=project.table_of(wish),
        names=tuple(top),
        learned=tuple(learned),
        judged=tuple(judged),
        missing=_missing(learn == "", judge == ""),
        categories=len(known),
        shift=shift,
    )


def _numbers(wish: Input, project: Project, learn: NDArray[Any], judge: NDArray[Any], shift: float) -> Seen:
    if wish.kind is Kind.TEXT:
        learn, judge = lengths_of(learn), lengths_of(judge)
    table = project.table_of(wish)
    known, later = (side[np.isfinite(side)].astype(np.float64) for side in (learn, judge))
    declared = table.range if wish.part is None else None
    allowed = Range(float(known.min()), float(known.max())) if declared is None else Range(*declared, learned=False)
    low, high, cut = _span(known, later)
    edges = _edges(low, high, whole=wish.kind is not Kind.NUMBER)
    learned, judged = (
        np.histogram(np.clip(side, edges[0], edges[-1]), bins=np.array(edges))[0].tolist() for side in (known, later)
    )
    return Seen(
        name=wish.name,
        kind=wish.kind,
        table=table,
        allowed=allowed,
        edges=tuple(edges),
        learned=tuple(learned),
        judged=tuple(judged),
        missing=_missing(~np.isfinite(learn), ~np.isfinite(judge)),
        shift=shift,
        span=(low, high),
        cut=cut,
    )


def _missing(learn: NDArray[np.bool_], judge: NDArray[np.bool_]) -> tuple[float, float]:
    return float(learn.mean()), float(judge.mean())


def _span(known: Values, later: Values) -> tuple[float, float, bool]:
    """Return from where to where to draw, and whether some values lie beyond."""
    both = np.concatenate([known, later])
    low, high = float(both.min()), float(both.max())
    first, last = np.quantile(both, [0.005, 0.995]).tolist()
    if last > first and high - low > _TAIL * (last - first):
        return first, last, True
    return low, high, False


def _edges(low: float, high: float, *, whole: bool) -> list[float]:
    if whole:
        step = max(1, ceil((high - low + 1) / _BARS))
        return list(_whole(np.floor(low), high, step))
    if high - low <= 0:
        air = abs(low) * 0.1 or 0.5
        low, high = low - air, high + air
    return [float(edge) for edge in np.linspace(low, high, _BARS + 1)]


def _whole(low: float, high: float, step: int) -> Iterator[float]:
    """Yield edges between whole numbers, so that no bar holds one number more than its neighbour."""
    at = float(low) - 0.5
    while at < high:
        yield at
        at += step
    yield at

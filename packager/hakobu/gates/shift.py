"""The gate of the shift between the training rows and the hold-out, by the statistics that judge drift."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu.baseline import edges_of
from hakobu.gates.judge import judge
from hakobu.project import Project
from hakobu.train import Trained
from hakobu_runtime.format.drift import ALPHA, sufficient
from hakobu_runtime.format.feature import Kind
from hakobu_runtime.format.histogram import Bins, CategoryBins, NumberBins
from hakobu_runtime.format.statistics import Distance, distance, holm
from hakobu_runtime.format.validation import Gate, Outcome, Stage
from hakobu_runtime.limits.derive import lengths_of

_NAME, _RULE = "shift", "de-biased PSI of training against hold-out, worst feature"
_TOP = 50
_LIMIT = 0.2
"""The limit that the trade has long used for PSI."""


def shift_gates(trained: Trained, project: Project) -> Iterator[Gate]:
    """Judge whether the hold-out is of the same kind as the training rows.

    A hold-out that comes later is meant to differ as the days to come will, so it is judged only where a limit is set.
    """
    far = shifts(trained, project)
    judged = {name: one for name, one in far.items() if sufficient(one)}
    if not judged:
        yield _not_judged("too few rows in the hold-out", "bring more rows, or raise [data] holdout")
        return
    significant = holm([one.p_value for one in judged.values()], ALPHA)
    shifted = {name: one.debiased for (name, one), sure in zip(judged.items(), significant, strict=True) if sure}
    worst = max(judged, key=lambda name: (shifted.get(name, -1.0), judged[name].debiased))
    value, limit = f"{judged[worst].debiased:.3g} ({worst})", project.file.gates.shift
    if limit is None and project.file.data.time is not None:
        yield _not_judged(
            value, "the hold-out is later than the training rows; set [gates] shift to judge it", value=value
        )
        return
    limit = _LIMIT if limit is None else limit
    beyond = [name for name, found in shifted.items() if found > limit]
    yield judge(
        Stage.DATA, _NAME, _RULE, value, limit, passed=not beyond,
        remedy=f"{', '.join(beyond)}: the rows that judge are of another kind than those learned from; mix them, "
        "bring more of either, or raise [gates] shift",
    )  # fmt: skip


def _not_judged(reason: str, remedy: str, *, value: str = "") -> Gate:
    return Gate(Stage.DATA, _NAME, _RULE, value or reason, "none", Outcome.NOT_JUDGED, remedy)


def shifts(trained: Trained, project: Project) -> dict[str, Distance]:
    """Return how far the hold-out lies from the training rows, for each feature, over bins learned from training."""
    found = {}
    for wish in project.inputs:
        learn: NDArray[Any] = trained.X_train[wish.name].to_numpy()
        judge: NDArray[Any] = trained.X_holdout[wish.name].to_numpy()
        if wish.kind is Kind.TEXT:
            learn, judge = lengths_of(learn), lengths_of(judge)
        bins: Bins
        if wish.is_category:
            names, counts = np.unique(learn[learn != ""].astype(str), return_counts=True)
            bins = CategoryBins(tuple(sorted(names[np.argsort(-counts, kind="stable")][:_TOP].tolist())))
        else:
            present = learn[np.isfinite(learn)]
            bins = NumberBins(edges_of(present, whole=wish.kind is not Kind.NUMBER))
        found[wish.name] = distance(bins.count(learn), bins.count(judge))
    return found

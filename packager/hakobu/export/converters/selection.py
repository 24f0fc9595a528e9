"""Steps that choose columns: what they chose, and nothing else."""

from typing import Any

import numpy as np
from sklearn import feature_selection

from hakobu.export.converters.single import step_only
from hakobu.export.converters.step import Step

_KINDS = (
    feature_selection.GenericUnivariateSelect,
    feature_selection.RFE,
    feature_selection.RFECV,
    feature_selection.SelectFdr,
    feature_selection.SelectFpr,
    feature_selection.SelectFromModel,
    feature_selection.SelectFwe,
    feature_selection.SelectKBest,
    feature_selection.SelectPercentile,
    feature_selection.SequentialFeatureSelector,
    feature_selection.VarianceThreshold,
)


def _count(selector: Any) -> int:
    return int(np.count_nonzero(selector.get_support()))


def _convert(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    chosen = np.flatnonzero(step.estimator.get_support())
    if len(chosen) == 0:
        raise NotImplementedError("it chose no feature at all: loosen what it asks for")
    step.give(step.add("Gather", step.numbers(), chosen.astype(np.int64), axis=1))


def _some_missing(selector: Any) -> bool:
    """Say whether the standard exporter has none."""
    return isinstance(selector, feature_selection.SequentialFeatureSelector)


CONVERTERS = tuple(step_only(kind, _count, _convert, "the chosen columns", mends=_some_missing) for kind in _KINDS)

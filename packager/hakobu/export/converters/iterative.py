"""IterativeImputer: gaps filled round by round by linear regressions on the other columns, in double."""

from typing import Any

import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes the import below possible
from sklearn.impute import IterativeImputer

from hakobu.export.converters.linear import is_linear, value_of
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, gives


def _checked(imputer: Any) -> Any:
    if not np.isnan(imputer.missing_values):
        raise NotImplementedError("missing_values must be NaN: turn yours into it before")
    if imputer.sample_posterior:
        raise NotImplementedError("sample_posterior=True draws by chance: leave it False")
    if imputer.keep_empty_features and imputer._is_empty_feature.any():
        raise NotImplementedError(
            "a column that was empty in training stays: take it out, or leave keep_empty_features"
        )
    for entry in imputer.imputation_sequence_:
        if not is_linear(entry.estimator):
            kind = type(entry.estimator).__name__
            raise NotImplementedError(f"{kind} inside it has no converter here: use BayesianRidge or Ridge")
    return imputer


def _convert(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    imputer = _checked(step.estimator)
    kept = np.flatnonzero(~imputer._is_empty_feature).astype(np.int64)
    given = step.numbers()
    gaps = step.add("IsNaN", given)
    own, lacking = step.add("Gather", given, kept, axis=1), step.add("Gather", gaps, kept, axis=1)
    starts = np.asarray(imputer.initial_imputer_.statistics_, dtype=np.float64)[kept]
    first = step.add("Where", lacking, starts[None, :], own)
    columns = [step.column(first, place) for place in range(len(kept))]
    for entry in imputer.imputation_sequence_:
        place = int(entry.feat_idx)
        others = step.side_by_side([columns[other] for other in entry.neighbor_feat_idx])
        found = value_of(step, entry.estimator, others)
        low, high = float(imputer._min_value[place]), float(imputer._max_value[place])
        found = step.add("Min", step.add("Max", found, low), high)
        columns[place] = step.add("Where", step.column(lacking, place), found, columns[place])
    filled = step.side_by_side(columns)
    # scikit-learn does not begin where it is given nothing at all.
    nothing = step.add("ReduceMin", step.add("Cast", lacking, to=7), keepdims=1)
    parts = [step.add("Where", step.add("Cast", nothing, to=9), first, filled)]
    if imputer.add_indicator:
        shown = np.asarray(imputer.indicator_.features_, dtype=np.int64)
        parts += [step.double(step.add("Gather", gaps, shown, axis=1))] if len(shown) else []
    step.give(step.side_by_side(parts))


def _columns(imputer: Any) -> int:
    kept = int(np.count_nonzero(~imputer._is_empty_feature))
    return kept + (len(imputer.indicator_.features_) if imputer.add_indicator else 0)


CONVERTERS = (Converter(IterativeImputer, gives(_columns), _convert, "rounds computed in double"),)

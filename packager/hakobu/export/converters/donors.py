"""KNNImputer: gaps filled from the training rows that are nearest in what both have, in double."""

from typing import Any

import numpy as np
from sklearn.impute import KNNImputer

from hakobu.export.converters.neighbours import weighed
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, gives


def _distances(step: Step, imputer: Any, given: str, gaps: str) -> str:
    """Return the distances to all training rows by what both have, NaN where that is nothing, (n, points)."""
    known = np.asarray(imputer._fit_X, dtype=np.float64)
    lacking = np.isnan(known)
    filled, there = np.where(lacking, 0.0, known), (~lacking).astype(np.float64)
    own = step.add("Where", gaps, 0.0, given)
    missing, present = step.double(gaps), step.double(step.add("Not", gaps))
    found = step.add("Mul", step.add("MatMul", own, filled.T), -2.0)
    found = step.add("Add", found, step.sum_of(step.add("Mul", own, own)))
    found = step.add("Max", step.add("Add", found, np.sum(filled**2, axis=1)[None, :]), 0.0)
    found = step.add("Sub", found, step.add("MatMul", missing, (filled**2).T))
    found = step.add("Sub", found, step.add("MatMul", step.add("Mul", own, own), lacking.T.astype(np.float64)))
    shared = step.add("MatMul", present, there.T)
    found = step.add("Div", step.add("Max", found, 0.0), step.add("Max", shared, 1.0))
    found = step.add("Sqrt", step.add("Mul", found, float(known.shape[1])))
    return step.add("Where", step.add("Equal", shared, 0.0), np.nan, found)


def _filled(step: Step, imputer: Any, far: str, column: int) -> str:
    """Return what fills a gap in `column`, (n, 1)."""
    known = np.asarray(imputer._fit_X[:, column], dtype=np.float64)
    donors = np.flatnonzero(~np.isnan(known)).astype(np.int64)
    count = min(int(imputer.n_neighbors), len(donors))
    measured = step.add("Gather", far, donors, axis=1)
    strange = step.add("IsNaN", measured)
    ordered = step.add("Where", strange, np.inf, measured)
    names = [step.add("Identity", ordered) + end for end in ("_near", "_place")]
    step.put("TopK", [ordered, np.array([count], dtype=np.int64)], names, axis=1, largest=0, sorted=1)
    nowhere = step.add("IsInf", names[0])
    weights = step.add("Where", nowhere, 0.0, weighed(step, imputer, names[0]))
    values = step.add("Gather", known[donors], names[1])
    total = step.sum_of(weights)
    mean = step.add("Div", step.sum_of(step.add("Mul", values, weights)), total)
    return step.add("Where", step.add("Equal", total, 0.0), float(np.nanmean(known)), mean)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    imputer = step.estimator
    if not np.isnan(imputer.missing_values):
        raise NotImplementedError("missing_values must be NaN: turn yours into it before")
    given = step.numbers()
    gaps = step.add("IsNaN", given)
    far = _distances(step, imputer, given, gaps)
    parts = []
    for column in range(imputer.n_features_in_):
        own = step.column(given, column)
        if imputer._valid_mask[column]:
            parts.append(step.add("Where", step.column(gaps, column), _filled(step, imputer, far, column), own))
        elif imputer.keep_empty_features:
            parts.append(step.double(step.add("And", step.column(gaps, column), np.array(False))))
    if imputer.add_indicator:
        shown = np.asarray(imputer.indicator_.features_, dtype=np.int64)
        parts += [step.double(step.add("Gather", gaps, shown, axis=1))] if len(shown) else []
    step.give(step.side_by_side(parts))


def _columns(imputer: Any) -> int:
    kept = imputer.n_features_in_ if imputer.keep_empty_features else int(np.count_nonzero(imputer._valid_mask))
    return kept + (len(imputer.indicator_.features_) if imputer.add_indicator else 0)


CONVERTERS = (Converter(KNNImputer, gives(_columns), _convert, "distances in double"),)

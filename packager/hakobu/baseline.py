"""What training saw of each input and output: ranges, categories, bins, counts, and how windows of time strayed."""

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hakobu.project import Project
from hakobu.settings import FeatureTable
from hakobu.train import Trained
from hakobu_runtime.format.drift import usual_drift
from hakobu_runtime.format.feature import Baseline, Categories, Feature, Input, Kind, Missing, Range, Usual
from hakobu_runtime.format.histogram import Bins, CategoryBins, NumberBins
from hakobu_runtime.format.manifest import Classification, ClassLabel, Regression
from hakobu_runtime.format.window import Span, truncate
from hakobu_runtime.limits.derive import lengths_of
from hakobu_runtime.model import Predicted
from hakobu_runtime.scorer.scores import score_of

TOP = 50
"""How many of the commonest categories get a slot of their own."""

_SPIKE = 0.1
"""A value that holds this share of the rows gets a bin of its own."""


def learn_features(trained: Trained, times: NDArray[np.datetime64] | None, project: Project) -> tuple[Feature, ...]:
    """Return what the training rows say of each input; `times`, shape (training rows,), places them in windows."""
    return tuple(_learn(wish, project.table_of(wish), trained, times, project.spans) for wish in project.inputs)


def _learn(
    wish: Input, table: FeatureTable, trained: Trained, times: NDArray[np.datetime64] | None, spans: Sequence[Span]
) -> Feature:
    values = trained.X_train[wish.name].to_numpy()
    missing: str | float = "" if wish.reads_text else nan
    if wish.is_category:
        common = pd.Series(values[values != ""]).value_counts()
        known = sorted(common.index)
        top = sorted(common.sort_index().sort_values(ascending=False, kind="stable").index[:TOP])
        bins: Bins = CategoryBins(tuple(top))
        categories = Categories(tuple(known), _accepts(trained, wish.name, "\u2047 never seen \u2047"))
        limits, gap = None, bool((values == "").any())
    else:
        values = lengths_of(values) if wish.kind is Kind.TEXT else values
        present = values[np.isfinite(values)]
        bins = NumberBins(edges_of(present, whole=wish.kind is not Kind.NUMBER))
        limits, categories = _range(present, wish, table), None
        gap = bool(np.isnan(values).any())
    if gap:
        rule = Missing.EXPECTED
    else:
        rule = Missing.UNEXPECTED if _accepts(trained, wish.name, missing) else Missing.REFUSED
    return Feature(
        name=wish.name,
        kind=wish.kind,
        column=wish.column,
        part=wish.part,
        format=wish.format,
        policy=table.policy,
        missing=rule,
        range=limits,
        categories=categories,
        baseline=baseline_of(bins, values, times, spans),
        unit="" if wish.part else "characters" if wish.kind is Kind.TEXT else table.unit,
        description=table.description,
    )


def _range(present: NDArray[np.floating], wish: Input, table: FeatureTable) -> Range:
    if table.range is not None and wish.part is None:
        return Range(*table.range, learned=False)
    return Range(_decimal(present.min()), _decimal(present.max()))


def _decimal(value: np.floating) -> float:
    """Return the shortest decimal that reads back as this number in its own width: 100.04, not 100.04000091552734."""
    return float(str(value))


def edges_of(present: NDArray[np.floating], *, whole: bool) -> tuple[float, ...]:
    """Return the edges of decile bins over `present`, shape (n,), finite; frequent values get bins of their own.

    The last edge lies just above the largest value, so that the bins hold every value seen.
    """
    ordered = np.sort(present)
    deciles = ordered[(np.arange(1, 10) * len(ordered)) // 10]
    distinct, counts = np.unique(ordered, return_counts=True)
    spikes = distinct[counts >= _SPIKE * len(ordered)]
    starts = [ordered[0], *deciles, *spikes]
    ends = [_above(value, whole=whole) for value in (*spikes, ordered[-1])]
    edges = sorted({_decimal(edge) for edge in (*starts, *ends)})
    return tuple(edge for edge in edges if edge <= _decimal(_above(ordered[-1], whole=whole)))


def _above(value: np.floating, *, whole: bool) -> np.floating:
    """Return the next value up: the next whole number where its dtype still tells it apart, else the next float."""
    after = np.nextafter(value, value.dtype.type(np.inf))
    return max(after, value + value.dtype.type(1)) if whole else after


def baseline_of(
    bins: Bins, values: NDArray[Any], times: NDArray[np.datetime64] | None, spans: Sequence[Span]
) -> Baseline:
    """Count `values`, shape (n,), over `bins`, whole and by window of time."""
    counts = bins.count(values)
    usual: dict[Span, Usual] = {}
    if times is not None:
        slots, known = bins.slots(values), ~np.isnat(times)
        for span in spans:
            starts, place = np.unique(truncate(times[known], span), return_inverse=True)
            flat = np.bincount(place * bins.size + slots[known], minlength=len(starts) * bins.size)
            found = usual_drift(counts, list(flat.reshape(len(starts), bins.size).astype(np.int64)))
            if found is not None:
                usual[span] = found
    return Baseline(bins, tuple(counts.tolist()), usual)


def learn_outputs(
    predicted: Predicted, classes: tuple[ClassLabel, ...], times: NDArray[np.datetime64] | None, spans: Sequence[Span]
) -> Classification | Regression:
    """Return what the hold-out says of the outputs: predictions on training rows would flatter the model."""
    score = score_of(predicted)
    scores = None
    if score is not None:
        scores = baseline_of(NumberBins(edges_of(score, whole=False)), score, times, spans)
    if predicted.codes is None:
        if scores is None:
            raise AssertionError("a regression always has values")
        return Regression(scores)
    names = np.array([str(label) for label in classes], dtype=object)
    counted = baseline_of(CategoryBins(tuple(names)), names[predicted.codes], times, spans)
    return Classification(classes, counted, scores)


def _accepts(trained: Trained, name: str, value: object) -> bool:
    """Say whether the source model can score a row whose feature `name` holds `value`."""
    row = trained.X_train.iloc[[0]].copy()
    row[name] = pd.Series([value], index=row.index, dtype=row[name].dtype)
    estimator = trained.estimator
    try:
        found = np.asarray(estimator.predict(row))
        odds = np.asarray(estimator.predict_proba(row)) if hasattr(estimator, "predict_proba") else found
    except ValueError:  # scikit-learn's word for "not such a value"
        return False
    # A model of another library may give NaN instead of refusing.
    return all(bool(np.isfinite(part).all()) for part in (found, odds) if part.dtype.kind == "f")

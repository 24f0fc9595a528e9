"""Scalers and other arithmetic on whole rows, rounded where scikit-learn rounds."""

from typing import Any

import numpy as np
from sklearn.preprocessing import (
    Binarizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    RobustScaler,
)

from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, as_many, gives


def _convert_robust(scope: Any, operator: Any, container: Any) -> None:
    step, scaler = Step(scope, operator, container), operator.raw_operator
    found = step.numbers()
    if scaler.with_centering:
        found = step.stored(step.add("Sub", found, scaler.center_.astype(np.float64)))
    if scaler.with_scaling:
        found = step.add("Div", found, scaler.scale_.astype(np.float64))
    step.give(found)


def _convert_min_max(scope: Any, operator: Any, container: Any) -> None:
    step, scaler = Step(scope, operator, container), operator.raw_operator
    scaled = step.stored(step.add("Mul", step.numbers(), scaler.scale_.astype(np.float64)))
    moved = step.add("Add", scaled, scaler.min_.astype(np.float64))
    step.give(_clipped(step, moved, *scaler.feature_range) if scaler.clip else moved)


def _convert_max_abs(scope: Any, operator: Any, container: Any) -> None:
    step, scaler = Step(scope, operator, container), operator.raw_operator
    found = step.add("Div", step.numbers(), scaler.scale_.astype(np.float64))
    step.give(_clipped(step, found, -1.0, 1.0) if _clips(scaler) else found)


def _clipped(step: Step, value: str, low: float, high: float) -> str:
    """Keep numbers between two ends, and missing ones missing."""
    above = step.add("Where", step.add("Less", value, float(low)), float(low), value)
    return step.add("Where", step.add("Greater", above, float(high)), float(high), above)


def _convert_normalizer(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    value, rows = step.numbers(), {"keepdims": 1}
    axis = np.array([1], dtype=np.int64)
    if operator.raw_operator.norm == "l2":
        # In float32 the squares of large numbers are endless, and their row becomes zeros.
        squares = step.stored(step.add("ReduceSum", step.add("Mul", value, value), axis, **rows))
        norm = step.add("Sqrt", squares)
    else:
        kind = "ReduceSum" if operator.raw_operator.norm == "l1" else "ReduceMax"
        norm = step.stored(step.add(kind, step.add("Abs", value), axis, **rows))
    # scikit-learn leaves a row alone whose norm is nearly zero.
    tiny = step.add("Less", norm, float(10 * np.finfo(step.dtype).eps))
    step.give(step.add("Div", value, step.add("Where", tiny, 1.0, norm)))


def _convert_binarizer(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    step.give(step.add("Greater", step.numbers(), step.held(operator.raw_operator.threshold)))


def _convert_polynomial(scope: Any, operator: Any, container: Any) -> None:
    step, powers = Step(scope, operator, container), np.asarray(operator.raw_operator.powers_)
    degree, features = int(powers.sum(axis=1).max(initial=1)), powers.shape[1]
    # Each product has as many factors as the highest; a column of ones fills up.
    factors = np.full((len(powers), max(degree, 1)), features)
    for row, power in zip(factors, powers, strict=True):
        row[: power.sum()] = np.repeat(np.arange(features), power)
    matrix = step.add("Pad", step.numbers(), np.array([0, 0, 0, 1]), 1.0)
    found = step.add("Gather", matrix, factors[:, 0], axis=1)
    for factor in factors.T[1:]:
        found = step.add("Mul", found, step.add("Gather", matrix, factor, axis=1))
    step.give(found)


def _clips(scaler: Any) -> bool:
    return bool(getattr(scaler, "clip", False))


def _trained_on_doubles(scaler: Any) -> bool:
    found = scaler.center_ if isinstance(scaler, RobustScaler) else scaler.scale_
    return found is not None and found.dtype == np.float64


def _never(found: Any) -> bool:
    return False


CONVERTERS: tuple[Converter, ...] = (
    Converter(RobustScaler, gives(as_many), _convert_robust, "scaled in double", mends=_trained_on_doubles),
    Converter(MinMaxScaler, gives(as_many), _convert_min_max, "scaled in double", mends=_trained_on_doubles),
    Converter(MaxAbsScaler, gives(as_many), _convert_max_abs, "clipped as in training", mends=_clips),
    Converter(Normalizer, gives(as_many), _convert_normalizer, "rows of almost zeros left alone, signs heeded"),
    Converter(
        Binarizer,
        gives(as_many),
        _convert_binarizer,
        "threshold compared in double",
        mends=lambda found: isinstance(found.threshold, np.generic),
    ),
    Converter(
        PolynomialFeatures,
        gives(lambda polynomial: polynomial.n_output_features_),
        _convert_polynomial,
        "products computed in double",
        mends=_never,
    ),
)

"""SplineTransformer: B-splines by the recursion of Cox and de Boor, in double."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import SplineTransformer

from hakobu.export.converters.edges import count_at_or_below
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, gives


@dataclass(frozen=True, slots=True)
class _Beyond:
    """What the splines of each feature are outside of the knots: a value at the boundary, and a slope."""

    low: NDArray[np.float64]
    """Shape (1, features): below it."""
    high: NDArray[np.float64]
    low_lines: tuple[NDArray[np.float64], NDArray[np.float64]]
    """Values and slopes, each of shape (features, splines)."""
    high_lines: tuple[NDArray[np.float64], NDArray[np.float64]]


def _convert(scope: Any, operator: Any, container: Any) -> None:
    step, transformer = Step(scope, operator, container), operator.raw_operator
    knots = np.stack([spline.t for spline in transformer.bsplines_])
    degree = int(transformer.degree)
    if transformer.extrapolation == "error":
        raise NotImplementedError('extrapolation="error" stops at a number beyond the knots: use "constant"')
    if not np.isfinite(knots).all():
        raise NotImplementedError("a column was empty in training, and has no knots: leave it out")
    value = step.numbers()
    if transformer.extrapolation == "periodic":
        found = _splines(step, _wrapped(step, value, knots[:, degree], knots[:, -degree - 1]), knots, degree)
        found = step.add("MatMul", found, transformer.bsplines_[0].c)
    else:
        found = _splines(step, value, knots, degree)
    if transformer.extrapolation in ("constant", "linear"):
        found = _extrapolated(step, value, found, _beyond(transformer))
    # Where training had gaps, a gap is none of the splines; elsewhere scikit-learn refuses it.
    found = step.add("Where", step.add("IsNaN", step.widen(value)), 0.0, found)
    count, width = transformer.bsplines_[0].c.shape[1], len(knots)
    if not transformer.include_bias:
        found = step.add("Gather", found, np.arange(count - 1), axis=2)
    step.give(step.reshape(found, 0, width * (count - (not transformer.include_bias))))


def _splines(step: Step, value: str, knots: NDArray[np.float64], degree: int) -> str:
    """Give all B-splines of each feature, shape (n, features, splines); beyond the knots they go on as they are."""
    inner = knots[:, degree + 1 : -degree - 1]
    interval = step.widen(count_at_or_below(step, value, list(inner)))
    here = np.arange(knots.shape[1] - 1) - degree
    found = step.double(step.add("Equal", interval, here))
    wide = step.widen(value)
    for level in range(1, degree + 1):
        width = knots[:, level:] - knots[:, :-level]
        # Where knots are equal there is nothing between them.
        share = step.add("Div", found, np.where(width > 0, width, np.inf))
        last = knots.shape[1] - level - 1
        rising = step.add("Sub", wide, knots[:, :last])
        falling = step.add("Sub", knots[:, level + 1 :], wide)
        left, right = (step.add("Gather", share, np.arange(last) + side, axis=2) for side in (0, 1))
        found = step.add("Add", step.add("Mul", left, rising), step.add("Mul", right, falling))
    return found


def _wrapped(step: Step, value: str, low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    """Move numbers by whole periods to between the ends, as Python's % does."""
    period = np.where(high > low, high - low, 1.0)
    rest = step.add("Mod", step.add("Sub", value, low), period, fmod=1)
    rest = step.add("Where", step.add("Less", rest, 0.0), step.add("Add", rest, period), rest)
    # A column of one value has no period; scikit-learn then takes 0 for every number.
    return step.add("Where", high > low, step.add("Add", rest, low), 0.0)


def _extrapolated(step: Step, value: str, splines: str, beyond: _Beyond) -> str:
    wide = step.widen(value)
    found = splines
    for end, side, (values, slopes) in (
        (beyond.low, "Less", beyond.low_lines),
        (beyond.high, "Greater", beyond.high_lines),
    ):
        outside = step.add(side, wide, end.T)
        line = step.add("Add", step.add("Mul", step.add("Sub", wide, end.T), slopes), values)
        found = step.add("Where", outside, line, found)
    return found


def _beyond(transformer: Any) -> _Beyond:
    linear, degree = transformer.extrapolation == "linear", int(transformer.degree)
    count = transformer.bsplines_[0].c.shape[1]
    ends, lines = [], []
    for spline in transformer.bsplines_:
        low, high = spline.t[degree], spline.t[-degree - 1]
        if linear and degree <= 1:
            # scikit-learn keeps the raised degree for the features that follow, ends and all.
            degree += 1
        first, last = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
        first[:degree] = True
        last[-degree:] = True  # of degree 0 all, as in scikit-learn
        slopes = (spline(low, nu=1), spline(high, nu=1)) if linear else (np.zeros(count), np.zeros(count))
        ends.append((low, high))
        below = np.where(first, spline(low), 0), np.where(first, slopes[0], 0)
        above = np.where(last, spline(high), 0), np.where(last, slopes[1], 0)
        lines.append((*below, *above))
    low_values, low_slopes, high_values, high_slopes = (np.stack(part) for part in zip(*lines, strict=True))
    bounds = np.array(ends, dtype=np.float64)
    return _Beyond(bounds[None, :, 0], bounds[None, :, 1], (low_values, low_slopes), (high_values, high_slopes))


CONVERTERS: tuple[Converter, ...] = (
    Converter(
        SplineTransformer,
        gives(lambda transformer: transformer.n_features_out_),
        _convert,
        "B-splines computed in double",
    ),
)

"""QuantileTransformer, to uniform and normal numbers, searched and interpolated in double."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import QuantileTransformer

from hakobu.export.converters.edges import count_at_or_below
from hakobu.export.converters.normal import normal_quantile
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, as_many, gives

NEAR = 1e-7
"""How near to an end a number is taken for the end, and how near to 0 and 1 a chance may be, before it is normal."""


def _convert(scope: Any, operator: Any, container: Any) -> None:
    step, transformer = Step(scope, operator, container), operator.raw_operator
    quantiles = np.asarray(transformer.quantiles_, dtype=np.float64)
    value = step.numbers()
    normal = transformer.output_distribution == "normal"
    found = step.stored(_interpolated(step, value, quantiles, transformer.references_))
    at_low, at_high = (_near_ends if normal else _at_ends)(step, value, quantiles)
    found = step.add("Where", at_low, 0.0, step.add("Where", at_high, 1.0, found))
    if normal:
        end = NEAR - np.spacing(1)
        found = step.add("Max", step.add("Min", found, 1 - end), end)
        found = normal_quantile(step, found)
    step.give(step.add("Where", step.add("IsNaN", value), value, found))


def _at_ends(step: Step, value: str, quantiles: NDArray[np.float64]) -> tuple[str, str]:
    return step.add("Equal", value, quantiles[:1]), step.add("Equal", value, quantiles[-1:])


def _near_ends(step: Step, value: str, quantiles: NDArray[np.float64]) -> tuple[str, str]:
    # scikit-learn moves the number in the type of the data, where large ones do not move at all.
    lowered, raised = step.stored(step.add("Sub", value, _near(step))), step.stored(step.add("Add", value, _near(step)))
    return step.add("Less", lowered, quantiles[:1]), step.add("Greater", raised, quantiles[-1:])


def _near(step: Step) -> float:
    return float(step.dtype(NEAR))


def _interpolated(step: Step, value: str, quantiles: NDArray[np.float64], references: NDArray[np.float64]) -> str:
    """Give the mean of interpolating from below and from above, which differ where quantiles are equal."""
    count, features = quantiles.shape
    reached = count_at_or_below(step, value, list(quantiles.T))
    place = step.add("Max", step.add("Sub", reached, np.array(1)), np.array(0))
    row = step.add("Add", place, np.arange(features) * count)
    # Below the first quantile everything is like the first.
    value = step.add("Max", value, quantiles[:1])
    parts = step.add("Gather", _segments(quantiles, references), row, axis=0)
    low, high, slope, low_reference, high_reference, mean = (
        step.add("Gather", parts, np.array(part), axis=2) for part in range(6)
    )
    up = step.add("Add", step.add("Mul", slope, step.add("Sub", value, low)), low_reference)
    down = step.add("Sub", step.add("Mul", slope, step.add("Sub", high, value)), high_reference)
    between = step.add("Mul", step.add("Sub", up, down), 0.5)
    return step.add("Where", step.add("Equal", value, low), mean, between)


def _segments(quantiles: NDArray[np.float64], references: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, for each quantile of each feature: itself, the next, the slope between, both references, their mean.

    The mean is over all quantiles that are equal. Shape (features * quantiles, 6).
    """
    found = []
    for column in quantiles.T:
        high, above = np.append(column[1:], column[-1]), np.append(references[1:], references[-1])
        rise, run = above - references, high - column
        slope = np.divide(rise, run, out=np.zeros_like(run), where=run > 0)
        first = references[np.searchsorted(column, column, side="left")]
        found.append(np.stack([column, high, slope, references, above, 0.5 * (references + first)], axis=1))
    return np.concatenate(found)


CONVERTERS: tuple[Converter, ...] = (
    Converter(QuantileTransformer, gives(as_many), _convert, "quantiles searched in double"),
)

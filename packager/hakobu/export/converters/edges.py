"""A search among sorted edges, in double: how many of them lie at or below each number."""

from collections.abc import Sequence
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu.export.converters.step import Step

FEW = 64
"""Up to so many edges are all compared; of more, first every so-manieth, then those between."""


def count_at_or_below(step: Step, matrix: str, edges: Sequence[NDArray[Any]]) -> str:
    """Count, for the doubles in `matrix` (n, features), the `edges` of their feature that are not above: (n, features).

    The edges are sorted; the counts are int64. NaN has none below it.
    """
    most = max(1, *(len(found) for found in edges))
    value = step.widen(matrix)
    if most <= FEW:
        return _count(step, value, _padded(edges, most))
    wide = isqrt(most) + 1
    blocks = -(-most // wide)
    table = _padded(edges, blocks * wide).reshape(len(edges), blocks, wide)
    heads = _count(step, value, np.ascontiguousarray(table[:, :, 0]))
    block = step.add("Max", step.add("Sub", heads, np.array(1)), np.array(0))
    row = step.add("Add", block, np.arange(len(edges)) * blocks)
    within = _count(step, value, step.add("Gather", table.reshape(-1, wide), row, axis=0))
    return step.add("Add", step.add("Mul", block, np.array(wide)), within)


def _padded(edges: Sequence[NDArray[Any]], wide: int) -> NDArray[np.float64]:
    """Return the edges of each feature in a row, filled up with infinity, which is above everything."""
    table = np.full((len(edges), wide), np.inf)
    for row, found in zip(table, edges, strict=True):
        row[: len(found)] = found
    return table


def _count(step: Step, value: str, edges: str | NDArray[np.float64]) -> str:
    return step.sum_last(step.cast(step.add("GreaterOrEqual", value, edges), np.int64))

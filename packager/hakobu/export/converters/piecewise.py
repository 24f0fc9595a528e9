"""Straight lines between known points, as numpy.interp draws them; a tree finds between which."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu.export.converters.groves import Wood, leaf_values
from hakobu.export.converters.writer import Writer


def interpolated(writer: Writer, given: str, places: NDArray[Any], values: NDArray[Any]) -> str:
    """Return numpy.interp of the doubles `given` (n, 1) between `places`, each above the last, and `values` at them."""
    x, y = np.asarray(places, dtype=np.float64), np.asarray(values, dtype=np.float64)
    clipped = writer.add("Min", writer.add("Max", given, float(x[0])), float(x[-1]))
    parts = np.column_stack([x, y, [*(np.diff(y) / np.diff(x)), 0.0]])
    found = leaf_values(writer, [_search(x, parts)], clipped)
    start, height, slope = (_third(writer, found, place) for place in range(3))
    return writer.add("Add", writer.add("Mul", slope, writer.add("Sub", clipped, start)), height)


def _third(writer: Writer, found: str, place: int) -> str:
    """Return one of the numbers in `found` (n, 1, 3) as (n, 1)."""
    return writer.add("Gather", found, np.array(place, dtype=np.int64), axis=2)


def _search(x: NDArray[np.float64], weights: NDArray[np.float64]) -> Wood:
    """Return the tree that leads a number to the last of `x` that is not above it."""
    nodes: list[tuple[str, float, int, int]] = []
    leaves: dict[int, int] = {}

    def grow(first: int, last: int) -> int:
        place = len(nodes)
        nodes.append(("LEAF", 0.0, 0, 0))
        if first == last:
            leaves[place] = first
            return place
        middle = (first + last + 1) // 2
        nodes[place] = ("BRANCH_LT", float(x[middle]), grow(first, middle - 1), grow(middle, last))
        return place

    grow(0, len(x) - 1)
    modes, values, yes, no = zip(*nodes, strict=True)
    nothing = np.zeros(len(nodes), dtype=np.int64)
    return Wood(
        features=nothing,
        modes=modes,
        values=np.array(values),
        yes=np.array(yes, dtype=np.int64),
        no=np.array(no, dtype=np.int64),
        missing=nothing,
        leaves=np.array(list(leaves), dtype=np.int64),
        weights=weights[list(leaves.values())],
    )

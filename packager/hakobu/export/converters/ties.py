"""Training rows that lie equally far from a new one: scikit-learn takes them in the order of its search.

A nearest-neighbour search keeps the first of equally far rows that it comes by, and drops them again as its heap
happens to lie, which no graph without loops can follow. So a model for which that can change what comes out is refused.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROWS = 512
_FAR = 2.0**24 + 1
_LOOKED_AT = 64


def refuse_ties(model: Any, count: int, outcomes: NDArray[Any]) -> None:
    """Raise NotImplementedError where rows tie for the last of `count` places and differ in their `outcomes`.

    `model` is a fitted search with kneighbors(); `outcomes` (training rows,) says what each of its rows stands for.
    """
    points = np.asarray(model._fit_X, dtype=np.float64)
    if count >= len(points):
        return
    queries = _queries(points)
    far = model.kneighbors(queries, n_neighbors=count + 1)[0]
    gap = _rounding(model, queries, points)
    tied = np.flatnonzero(far[:, count] ** 2 - far[:, count - 1] ** 2 <= gap)
    for row in tied[:_LOOKED_AT]:
        all_far, places = (found[0] for found in model.kneighbors(queries[row : row + 1], n_neighbors=len(points)))
        same = np.abs(all_far**2 - far[row, count - 1] ** 2) <= gap[row]
        if len(np.unique(outcomes[places[same]])) > 1:
            raise NotImplementedError(
                f"its training rows can lie equally far from a new one and differ in what they say, and "
                f"{type(model).__name__} then takes them in the order of its search"
            )


def _rounding(model: Any, queries: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what squared distances may be off by: nothing, but for those that come from a matrix product."""
    if model._fit_method != "brute":
        return np.zeros(len(queries))
    lengths = np.sum(queries**2, axis=1) + np.max(np.sum(points**2, axis=1))
    gap: NDArray[np.float64] = 8 * np.finfo(np.float64).eps * lengths
    return gap


def _queries(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows of training, rows half-way between two, cells of many rows, and rows with one cell far off."""
    rng = np.random.default_rng(0)
    size, width = points.shape

    def some() -> NDArray[np.float64]:
        return points[rng.integers(0, size, _ROWS)]

    mixed = np.take_along_axis(points, rng.integers(0, size, (_ROWS, width)), axis=0)
    off = np.concatenate([some(), some()])
    off[np.arange(len(off)), rng.integers(0, width, len(off))] = rng.choice([_FAR, -_FAR, 1e3, -1e3], len(off))
    made = np.concatenate([some(), some() / 2 + some() / 2, mixed, off])
    return made.astype(np.float32).astype(np.float64)

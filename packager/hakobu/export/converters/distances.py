"""How far each row lies from known points, in double, as scikit-learn measures it: doubles (rows, points)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu.export.converters.step import Step

Points = NDArray[np.float64]
"""Shape (points, features)."""


def expanded(step: Step, given: str, points: Points) -> str:
    """Return squared distances by |x|² - 2xy + |y|², as a matrix product finds them, none below 0."""
    found = step.add("Mul", step.add("MatMul", given, points.T), -2.0)
    squares = step.sum_of(step.add("Mul", given, given))
    found = step.add("Add", step.add("Add", found, squares), np.einsum("ij,ij->i", points, points)[None, :])
    return step.add("Max", found, 0.0)


def squared(step: Step, given: str, points: Points) -> str:
    """Return squared distances, added up feature by feature, as the loops of trees and of cdist do."""
    return _feature_by_feature(step, given, points, lambda found: step.add("Mul", found, found), "Add")


def manhattan(step: Step, given: str, points: Points) -> str:
    """Return sums of absolute differences."""
    return _feature_by_feature(step, given, points, lambda found: step.add("Abs", found), "Add")


def chebyshev(step: Step, given: str, points: Points) -> str:
    """Return the largest absolute differences."""
    return _feature_by_feature(step, given, points, lambda found: step.add("Abs", found), "Max")


def powers(step: Step, given: str, points: Points, power: float) -> str:
    """Return sums of absolute differences to the `power`, whose root is Minkowski's distance."""
    return _feature_by_feature(
        step, given, points, lambda found: step.add("Pow", step.add("Abs", found), float(power)), "Add"
    )


def chi_squared(step: Step, given: str, points: Points) -> str:
    """Return sums of (x - y)² / (x + y), where both are nothing 0."""
    found = ""
    for place in range(points.shape[1]):
        column, known = step.column(given, place), points[:, place][None, :]
        gap, both = step.add("Sub", column, known), step.add("Add", column, known)
        nothing = step.add("Equal", both, 0.0)
        part = step.add("Div", step.add("Mul", gap, gap), step.add("Where", nothing, 1.0, both))
        part = step.add("Where", nothing, 0.0, part)
        found = step.add("Add", found, part) if found else part
    return found


def cosines(step: Step, given: str, points: Points) -> str:
    """Return the cosines of the angles between rows and points, 0 where one is nothing."""
    lengths = np.sqrt(np.einsum("ij,ij->i", points, points))
    known = points / np.where(lengths == 0, 1.0, lengths)[:, None]
    length = step.add("Sqrt", step.sum_of(step.add("Mul", given, given)))
    length = step.add("Where", step.add("Equal", length, 0.0), 1.0, length)
    return step.add("MatMul", step.add("Div", given, length), known.T)


def _feature_by_feature(step: Step, given: str, points: Points, measured: Callable[[str], str], joined: str) -> str:
    """Return what `measured` makes of the differences in each feature, `joined`: never a cube of rows and points."""
    found = ""
    for place in range(points.shape[1]):
        part = measured(step.add("Sub", step.column(given, place), points[:, place][None, :]))
        found = step.add(joined, found, part) if found else part
    return found


def points_of(matrix: Any) -> Points:
    """Return known points as doubles; raise NotImplementedError where they are sparse."""
    if hasattr(matrix, "toarray"):
        raise NotImplementedError("it was fitted on a sparse matrix: fit it on a dense one")
    return np.ascontiguousarray(matrix, dtype=np.float64)

"""Parity: what onnxruntime gives for each row, held against what the trained model gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hakobu_runtime.format.golden import Tolerance
from hakobu_runtime.format.manifest import ClassLabel
from hakobu_runtime.model import Predicted, codes_of

SPREAD = 0.01
"""How far an exported regression may lie from the trained one, in standard deviations of what that predicts.

A tolerance relative to the value forgives anything where the values are large and alike, like years.
"""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far the exported model lies from the trained one over some rows."""

    rows: int
    labels_changed: int | None
    """Rows whose class is another one; None of a regression."""
    compares_numbers: bool
    """Whether both give probabilities or values."""
    beyond: int
    """Numbers beyond the tolerance, NaN where the other has none being one."""
    absolute: float
    """The largest difference."""
    relative: float
    """The largest difference in proportion to the number, of numbers above the absolute tolerance."""
    exact: bool
    """Whether every class is the same, and every number the float32 nearest to the trained model's."""
    spread: float
    """The standard deviation of what the trained model gives; 0 where there is nothing to compare."""

    @property
    def keeps_spread(self) -> bool:
        """Whether the values of a regression differ by little beside what sets them apart."""
        return self.labels_changed is not None or self.absolute <= SPREAD * self.spread

    @property
    def agrees(self) -> bool:
        """Whether no class changed and no number lies beyond the tolerance."""
        return not self.labels_changed and self.beyond == 0 and self.keeps_spread

    def __add__(self, other: "Parity") -> "Parity":
        """Return the parity over the rows of both."""
        changed = None
        if self.labels_changed is not None and other.labels_changed is not None:
            changed = self.labels_changed + other.labels_changed
        return Parity(
            self.rows + other.rows,
            changed,
            self.compares_numbers and other.compares_numbers,
            self.beyond + other.beyond,
            max(self.absolute, other.absolute),
            max(self.relative, other.relative),
            self.exact and other.exact,
            max(self.spread, other.spread),
        )


def compare(
    estimator: Any, frame: pd.DataFrame, predicted: Predicted, classes: Sequence[ClassLabel], tolerance: Tolerance
) -> Parity:
    """Hold what onnxruntime gave for every row of `frame` against the trained `estimator`.

    Raises ValueError when the estimator cannot score the rows.
    """
    changed = None
    if predicted.codes is not None:
        codes = codes_of(whole(estimator.predict(frame)), classes)
        changed = int(np.count_nonzero(predicted.codes != codes))
    found, expected = _numbers(estimator, frame, predicted)
    if found is None or expected is None:
        return Parity(len(frame), changed, False, 0, 0.0, 0.0, not changed, 0.0)
    beyond, absolute = deviation(found.astype(np.float64), expected, tolerance)
    # Of numbers near nothing, the ratio tells nothing.
    large = np.isfinite(expected) & np.isfinite(found) & (np.abs(expected) > tolerance.absolute)
    relative = np.abs(found[large] - expected[large]) / np.abs(expected[large])
    with np.errstate(over="ignore"):
        same = np.array_equal(found.astype(np.float32), expected.astype(np.float32), equal_nan=True)
    return Parity(
        rows=len(frame),
        labels_changed=changed,
        compares_numbers=True,
        beyond=beyond,
        absolute=absolute,
        relative=float(np.max(relative, initial=0.0)),
        exact=not changed and same,
        spread=float(np.std(expected)) if len(expected) else 0.0,
    )


def _numbers(
    estimator: Any, frame: pd.DataFrame, predicted: Predicted
) -> tuple[NDArray[Any] | None, NDArray[np.float64] | None]:
    """Return the numbers that onnxruntime gave and those that the trained model gives; None where either has none."""
    if predicted.probabilities is not None and hasattr(estimator, "predict_proba"):
        return predicted.probabilities, np.asarray(estimator.predict_proba(frame), dtype=np.float64)
    if predicted.values is not None:
        return predicted.values, np.asarray(estimator.predict(frame), dtype=np.float64).reshape(len(frame))
    return None, None


def whole(labels: Any) -> NDArray[Any]:
    """Return class labels as an array, whole numbers as integers: some models give the class 1 as 1.0."""
    found = np.asarray(labels)
    found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found  # as CatBoost has it
    if found.dtype.kind == "f" and np.array_equal(found, np.trunc(found)):
        return found.astype(np.int64)
    return found


def deviation(found: NDArray[np.float64], expected: NDArray[np.float64], tolerance: Tolerance) -> tuple[int, float]:
    """Return how many numbers lie beyond the tolerance, NaN being one, and the largest difference."""
    difference = np.abs(found - expected)
    allowed = tolerance.absolute + tolerance.relative * np.abs(expected)
    return int(np.count_nonzero(~(difference <= allowed))), float(np.max(difference, initial=0.0))

"""The gate of calibration: of the rows to which the model gives 30%, about 30% should be so.

M. P. Naeini, G. Cooper and M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hakobu.gates.judge import judge
from hakobu_runtime.format.validation import Gate, Outcome, Stage

_BINS = 10


@dataclass(frozen=True, slots=True)
class Calibration:
    """For bins of as many rows each: what the model gave, and how often it was so."""

    given: tuple[float, ...]
    found: tuple[float, ...]
    rows: tuple[int, ...]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of the two over all rows."""
        apart = np.abs(np.array(self.given) - np.array(self.found))
        return float(np.average(apart, weights=self.rows))


def calibration_of(probabilities: NDArray[np.floating], codes: NDArray[np.int64]) -> Calibration | None:
    """Return how `probabilities`, shape (rows, classes), fit the true classes `codes`; None with under 50 rows.

    Of two classes the last one's probability is held against how often it was the class; of more, the largest one's
    against how often that class was right.
    """
    if len(codes) < 5 * _BINS:
        return None
    binary = probabilities.shape[1] == 2
    given = probabilities[:, 1] if binary else probabilities.max(axis=1)
    right = codes == (1 if binary else probabilities.argmax(axis=1))
    parts = np.array_split(np.argsort(given, kind="stable"), _BINS)
    return Calibration(
        tuple(float(given[part].mean()) for part in parts),
        tuple(float(right[part].mean()) for part in parts),
        tuple(len(part) for part in parts),
    )


def calibration_gates(found: Calibration | None, limit: float | None) -> Iterator[Gate]:
    """Judge the calibration error, where a limit is set."""
    if limit is None:
        return
    name, rule = "calibration", "expected calibration error on the hold-out"
    if found is None:
        words = "the model gives no probabilities, or the hold-out has fewer than 50 rows"
        yield Gate(Stage.MODEL, name, rule, "none", f"<= {limit:.4g}", Outcome.NOT_JUDGED, words)
        return
    yield judge(
        Stage.MODEL, name, rule, found.error, f"<= {limit:.4g}", passed=found.error <= limit,
        remedy="wrap the last step into CalibratedClassifierCV, leave class_weight out, or raise [gates] calibration",
    )  # fmt: skip

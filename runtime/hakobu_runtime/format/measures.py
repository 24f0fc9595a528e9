"""How good predictions were, from counts of outcomes alone, and between which bounds that is known."""

from dataclasses import dataclass
from math import erfc, inf, nan, sqrt

import numpy as np

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.histogram import Counts, NumberBins
from hakobu_runtime.format.outcome import SCORE_EDGES, OutcomeCounts

SURE = 1.959963984540054
"""How many standard errors an interval of 95 % reaches to each side."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure with the bounds between which it lies with 95 % confidence."""

    value: float
    low: float
    high: float
    error: float
    """The standard error."""


@dataclass(frozen=True, slots=True)
class Tenth:
    """The rows whose probability lay in one tenth of 0 to 1: what was expected of them, and what came."""

    low: float
    rows: int
    so: float
    """The share of them of which it came true; NaN without rows."""


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """Return the bounds of a share by E. B. Wilson's score interval of 95 % (J. Am. Stat. Assoc. 22, 1927)."""
    share, k = hits / rows, SURE * SURE / rows
    middle = (share + k / 2) / (1 + k)
    reach = SURE / (1 + k) * sqrt(share * (1 - share) / rows + k / (4 * rows))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def accuracy(counts: OutcomeCounts) -> Measured | None:
    """Return the share of right classes, with Wilson's bounds; None where nothing was joined, or of a regression."""
    if not counts.confusion:
        return None
    hits = sum(many for truth, code, many in counts.confusion if truth == code)
    share = hits / counts.rows
    smoothed = (hits + 2) / (counts.rows + 4)  # Agresti and Coull: never an error of nought where all were right
    return Measured(share, *wilson(hits, counts.rows), sqrt(smoothed * (1 - smoothed) / counts.rows))


def auc(counts: OutcomeCounts) -> Measured | None:
    """Return the area under the ROC curve of the binned probabilities; None where one of the two sides has no row.

    Rows in one bin count as tied. The standard error is that of E. DeLong, D. DeLong and D. Clarke-Pearson (Biometrics
    44, 1988), which needs no more than the counts; the bounds are 1.96 of it to each side.
    """
    no, yes = np.array(counts.not_so, dtype=np.float64), np.array(counts.so, dtype=np.float64)
    if not no.sum() or not yes.sum():
        return None
    below = (np.cumsum(no) - no / 2) / no.sum()
    above = 1 - (np.cumsum(yes) - yes / 2) / yes.sum()
    value = float(below @ yes / yes.sum())
    spreads = ((below - value) ** 2 @ yes / yes.sum(), (above - value) ** 2 @ no / no.sum())
    error = sqrt(sum(spread / max(side.sum() - 1, 1) for spread, side in zip(spreads, (yes, no), strict=True)))
    return Measured(value, max(0.0, value - SURE * error), min(1.0, value + SURE * error), error)


def brier(counts: OutcomeCounts, unit: int) -> float | None:
    """Return the mean squared distance of the probability from what came true; None without probabilities."""
    return mean_square(counts, unit) if counts.so else None


def mean_square(counts: OutcomeCounts, unit: int) -> float:
    """Return the mean squared error, in the target's own unit squared."""
    return counts.squares / counts.rows * 4.0**unit


def mean_absolute(counts: OutcomeCounts, unit: int) -> Measured:
    """Return the mean absolute error in the target's own unit; its variance comes from the squares."""
    mean = counts.absolute / counts.rows
    variance = max(0.0, counts.squares / counts.rows - mean * mean)
    error = sqrt(variance / max(counts.rows - 1, 1))
    scale = 2.0**unit
    return Measured(mean * scale, max(0.0, mean - SURE * error) * scale, (mean + SURE * error) * scale, error * scale)


def bias(counts: OutcomeCounts, unit: int) -> float:
    """Return the mean of prediction less truth, in the target's own unit."""
    return counts.error / counts.rows * 2.0**unit


def calibration(counts: OutcomeCounts) -> tuple[Tenth, ...]:
    """Return what came of the probabilities of each tenth; () without probabilities."""
    if not counts.so:
        return ()
    starts = np.array([0.0, *SCORE_EDGES])
    tenths = np.minimum((starts * 10 + 1e-9).astype(np.int64), 9)
    no, yes = (np.bincount(tenths, weights=side, minlength=10) for side in (counts.not_so, counts.so))
    rows = (no + yes).astype(np.int64).tolist()
    return tuple(Tenth(place / 10, many, float(yes[place] / many) if many else nan) for place, many in enumerate(rows))


def expected_accuracy(bins: NumberBins, counts: Counts, classes: int) -> Measured | None:
    """Return how many rows a calibrated model expects to get right, from the histogram of its scores alone.

    A row is right with its largest probability. Of that the histogram knows the bin: the bounds are as if all rows lay
    at the worse, or at the better end of theirs, the value as if in the middle. None without rows.
    """
    if not bins.edges[0] >= 0 or not bins.edges[-1] <= 1.001:
        raise FormatError("scores outside of 0 to 1 are no probabilities")
    edges = np.clip(np.array([0.0 if classes == 2 else 1 / classes, *bins.edges, 1.0]), 0.0, 1.0)
    many = counts[: len(edges) - 1].astype(np.float64)
    if not many.sum():
        return None
    ends = [np.maximum(side, 1 - side) if classes == 2 else side for side in (edges[:-1], edges[1:])]
    middle = (edges[:-1] + edges[1:]) / 2
    likely = np.maximum(middle, 1 - middle) if classes == 2 else middle
    worst = np.minimum(*ends)
    if classes == 2:
        worst = np.where((edges[:-1] < 0.5) & (edges[1:] > 0.5), 0.5, worst)
    low, value, high = (float(side @ many / many.sum()) for side in (worst, likely, np.maximum(*ends)))
    return Measured(value, low, high, 0.0)


def falls_by_chance(fall: float, error: float) -> float:
    """Return the probability that a measure falls so far, or further, when nothing has changed (one-sided, normal)."""
    if error <= 0:
        return 1.0 if fall <= 0 else 0.0
    if error == inf:
        return 1.0
    return erfc(fall / error / sqrt(2)) / 2

"""How sure a measure on the hold-out is: the bootstrap, which draws the hold-out's rows again and again.

B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 (percentile intervals) and 8.4
(whole groups are drawn where the rows of a group are alike).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context

from hakobu.gates.answers import Rows
from hakobu.gates.evidence import Interval

CONFIDENCE = 0.95
_MOST_DRAWS, _FEWEST_DRAWS, _WORK = 100, 60, 2_000_000
"""100 draws where the hold-out is small, fewer where each takes long: of many rows, every draw says much the same."""
_FEWEST_KNOWN = 0.9
"""The share of the draws that must have a measure: a rare class may be missing from some."""

Measure = Callable[[Rows], float]
"""Returns a measure over the rows at these places; NaN where there is none."""


def draws(rows: int, groups: NDArray[np.object_] | None, seed: int) -> Iterator[Rows]:
    """Yield samples of the places 0..rows-1 with replacement; whole groups together where `groups` names them."""
    rng = np.random.default_rng(seed)
    count = int(np.clip(_WORK // max(rows, 1), _FEWEST_DRAWS, _MOST_DRAWS))
    if groups is None:
        for _ in range(count):
            yield rng.integers(0, rows, rows)
        return
    _, inverse = np.unique(groups.astype(str), return_inverse=True)
    members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
    for _ in range(count):
        yield np.concatenate([members[place] for place in rng.integers(0, len(members), len(members))])


@dataclass(frozen=True, slots=True)
class Drawn:
    """A measure over all rows, and over each of the draws, which are the same ones for every measure."""

    value: float
    draws: NDArray[np.float64]

    def __sub__(self, other: "Drawn") -> "Drawn":
        """Return how much larger the one is than the other, on the same rows each time."""
        return Drawn(self.value - other.value, self.draws - other.draws)

    def interval(self) -> Interval:
        """Return the measure with the bounds between which 95% of its draws lie.

        The bounds are NaN where the measure is, or where too many draws have none.
        """
        known = self.draws[~np.isnan(self.draws)]
        if np.isnan(self.value) or len(known) < _FEWEST_KNOWN * len(self.draws):
            return Interval(self.value, float("nan"), float("nan"))
        low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return Interval(self.value, float(low), float(high))


def drawn(measure: Measure, rows: int, groups: NDArray[np.object_] | None, seed: int) -> Drawn:
    """Return `measure` over all rows and over each draw."""
    value = measure(np.arange(rows))
    if np.isnan(value):
        return Drawn(value, np.full(1, np.nan))
    # The first call has checked what each draw only repeats; it is a third of a scorer's time.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        return Drawn(value, np.array([measure(sample) for sample in draws(rows, groups, seed)]))

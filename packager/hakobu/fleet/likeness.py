"""How probable it is that a device which is like the others shows so much of something.

The share that each device has of it is taken as drawn from a beta distribution, its rows from a binomial one.
"""

from math import exp, lgamma, log

import numpy as np

from hakobu_runtime.format.histogram import Counts

_ALIKE, _MOST_ALIKE = 4.0, 20.0
"""The sum of the parameters of the beta distribution for devices as alike as two, and as many others may show.

20 lets a share of one half vary by 0.11 from device to device, and one of 2 % by 3 %; 4 by 0.22 and by 6 %.
"""

_MOST_ROWS = 2_000
"""As many rows are taken into the sum of the binomial; with devices that differ, more make no difference."""


def chance(hits: int, rows: int, other_hits: Counts, other_rows: Counts) -> float:
    """Return how probable so many hits, or more, are in a device that is like the others.

    `other_hits` of `other_rows` are those of two devices or more, shape (n,).
    """
    share = (float(other_hits.sum()) + 0.5) / (float(other_rows.sum()) + 1.0)
    alike = _alike(other_hits, other_rows)
    if rows > _MOST_ROWS:
        hits, rows = hits * _MOST_ROWS // rows, _MOST_ROWS
    return _beta_binomial_sf(hits, rows, share * alike, (1 - share) * alike)


def _alike(hits: Counts, rows: Counts) -> float:
    """Return how alike devices are: the sum of the parameters of the beta distribution that their shares come from."""
    many = len(rows)
    most = min(_MOST_ALIKE, _ALIKE + 2.0 * (many - 2))
    whole, share = float(rows.sum()), float(hits.sum() / rows.sum())
    if share in (0.0, 1.0):
        return most
    spread = float((rows * (hits / rows - share) ** 2).sum())
    by_chance, apart = share * (1 - share) * (many - 1), whole - float((rows.astype(np.float64) ** 2).sum()) / whole
    correlation = (spread - by_chance) / (share * (1 - share) * (apart - (many - 1)))
    if correlation <= 1 / (1 + most):
        return most
    return max(1 / correlation - 1, 1e-3)


def _beta_binomial_sf(hits: int, rows: int, alpha: float, beta: float) -> float:
    """Return the probability of `hits` or more of `rows`, each a hit by a probability drawn from Beta(alpha, beta)."""
    norm = lgamma(alpha + beta) - lgamma(alpha) - lgamma(beta) - lgamma(rows + alpha + beta) + lgamma(rows + 1)
    term = (
        norm + lgamma(hits + alpha) + lgamma(rows - hits + beta) - lgamma(hits + 1) - lgamma(rows - hits + 1)
    )  # the logarithm of the probability of exactly so many; each next one follows from it
    total = 0.0
    for count in range(hits, rows + 1):
        total += exp(term)
        if count < rows:
            term += log((count + alpha) / (count + 1)) - log((rows - count - 1 + beta) / (rows - count))
    return min(total, 1.0)

"""From values to places: scales, their ticks, and numbers as a person writes them."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, isfinite, log10

_NARROW, _LEAST = 1e-9, 1e-30
"""Values that lie closer together than this, as a share of their size or in all, are drawn as one."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps `low`..`high` to the places `start`..`end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of `value`; beyond the ends it goes on."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def within(self, value: float) -> float:
        """Return the place of `value`, or the end that is nearer to it."""
        return self(min(max(value, self.low), self.high))


def spanning(values: Iterable[float], margin: float = 0.05) -> tuple[float, float]:
    """Return the span of the finite ones of `values` with some air at both ends; never one too narrow to be cut up."""
    known = [float(value) for value in values if isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    size = max(abs(low), abs(high))
    if high - low <= max(size * _NARROW, _LEAST):
        air = size * 0.1 if size > _LEAST else 0.5
    else:
        air = (high - low) * margin
    return low - air, high + air


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers within `low`..`high`, `most` of them or fewer, evenly apart by 1, 2 or 5 times a ten."""
    ten = 10.0 ** floor(log10((high - low) / max(most - 1, 1)))
    step = next(ten * by for by in (1, 2, 5, 10, 20, 50) if len(_multiples(low, high, ten * by)) <= most)
    digits = 2 - floor(log10(step))
    return [round(place * step, digits) + 0.0 for place in _multiples(low, high, step)]


def _multiples(low: float, high: float, step: float) -> range:
    """Return which multiples of `step` lie within `low`..`high`, or a hair outside."""
    return range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)


def tick_texts(values: list[float]) -> list[str]:
    """Return `values` with as many decimals as tell them apart."""
    step = min((abs(b - a) for a, b in pairwise(values)), default=1.0)
    return [short(value, step) for value in values]


def short(value: float, step: float) -> str:
    """Return `value` as exactly as `step` is: 12,500, 0.25, 3.4M, 2e-07."""
    size = max(abs(value), step)
    if size >= 1e15 or step < 1e-5:
        return f"{value:.{floor(log10(size)) - floor(log10(step)) + 1}g}"
    if step >= 1e6:
        return f"{value / 1e6:,.{_decimals(step / 1e6)}f}M"
    if step >= 1e4:
        return f"{value / 1e3:,.{_decimals(step / 1e3)}f}k"
    return f"{value:,.{_decimals(step)}f}"


def _decimals(step: float) -> int:
    return max(0, -floor(log10(step) + 1e-9))


def figure_of(value: float) -> str:
    """Return a measured number with four significant digits, as the gates tell it."""
    return f"{value:.4g}" if abs(value) < 1e4 or abs(value) >= 1e15 else f"{value:,.0f}"


def with_spread(value: float, spread: float) -> str:
    """Return `value` with as many decimals as its spread leaves meaning in: 0.0512 ± 0.0043."""
    if not (isfinite(value) and isfinite(spread)) or spread <= 0:
        return figure_of(value)
    decimals = min(max(1 - floor(log10(spread)), 0), 12)
    return f"{value:,.{decimals}f} ± {spread:,.{decimals}f}"

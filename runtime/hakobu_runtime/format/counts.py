"""What a device counts in one window: plain sums, so that counts of many places and times add up exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hakobu_runtime.errors import CountError, FormatError
from hakobu_runtime.format.histogram import Counts

LATENCY_EDGES_US = (3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0, 100_000.0, 1_000_000.0)
"""Upper ends of the latency slots, in microseconds a row; one more slot holds anything slower."""


@dataclass(slots=True)
class WindowCounts:
    """The counts of one window; `add` sums another's into it."""

    rows: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    features: dict[str, Counts] = field(default_factory=dict)
    """For each feature, over the slots of its bins."""
    outputs: dict[str, Counts] = field(default_factory=dict)
    """For `labels` and `scores`, over the slots of their bins."""
    breaches: dict[str, dict[str, int]] = field(default_factory=dict)
    latency: Counts = field(default_factory=lambda: np.zeros(len(LATENCY_EDGES_US) + 1, dtype=np.int64))

    def add(self, other: WindowCounts) -> None:
        """Sum the counts of `other` into these; raise FormatError, and then these are spoilt, where they cannot be.

        That is: counts over other slots, or a sum beyond int64, which would come out negative without a word.
        """
        self.rows += other.rows
        self.latency = _sum("latency", self.latency, other.latency)
        _add_numbers(self.verdicts, other.verdicts)
        _add_arrays(self.features, other.features)
        _add_arrays(self.outputs, other.outputs)
        for name, rules in other.breaches.items():
            _add_numbers(self.breaches.setdefault(name, {}), rules)


def _add_numbers(into: dict[str, int], more: Mapping[str, int]) -> None:
    for key, count in more.items():
        into[key] = into.get(key, 0) + count


def _add_arrays(into: dict[str, Counts], more: Mapping[str, Counts]) -> None:
    for key, counts in more.items():
        into[key] = _sum(key, into[key], counts) if key in into else counts.copy()


def _sum(name: str, one: Counts, other: Counts) -> Counts:
    if one.shape != other.shape:
        raise FormatError(f"{name}: {other.size} counts cannot be added to {one.size}")
    found = one + other
    if (found < one).any():  # counts are never negative, so a smaller sum has wrapped
        raise CountError(f"{name}: the sum of the counts passes 2^63 - 1")
    return found

"""Bins fixed at build time, and exact int64 counts over them, which merge by addition."""

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import Value

Counts = NDArray[np.int64]
"""int64 counts, one a slot of the bins they were counted on."""


class NumberBins(Value, frozen=True, tag="numbers", tag_field="of"):
    """Half-open bins `[edge, next edge)` over numbers.

    The slots are: below the first edge, each bin, at or above the last edge, missing, not a value.
    """

    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.edges) < 2 or not all(map(isfinite, self.edges)):
            raise FormatError(f"bins need two or more finite edges, not {self.edges}")
        if not all(low < high for low, high in pairwise(self.edges)):
            raise FormatError(f"bin edges must rise, unlike {self.edges}")

    @property
    def size(self) -> int:
        """The number of slots."""
        return len(self.edges) + 3

    @property
    def missing(self) -> int:
        """The slot that counts missing values."""
        return len(self.edges) + 1

    @property
    def invalid(self) -> int:
        """The slot that counts cells that hold no number."""
        return len(self.edges) + 2

    def labels(self) -> tuple[str, ...]:
        """Name each slot, in order, in words for a person."""
        texts = [number_text(edge) for edge in self.edges]
        inner = (low if low == high else f"{low} to {high}" for low, high in pairwise(texts))
        # The last edge of learned bins is the next number after the largest: 6 after the whole number 5, but 60.8 as it
        # is written after 60.8. So "above 6" would be wrong, and "60.8 or more" too.
        top = f"{texts[-1]} or more" if self.edges[-1].is_integer() else f"above {texts[-1]}"
        return (f"below {texts[0]}", *inner, top, "missing", "not a value")

    def slots(self, values: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the slot of each of `values`, shape (n,), compared in their own dtype; NaN is missing."""
        found = np.searchsorted(self._edges_as(values.dtype), values, side="right")
        found[np.isnan(values)] = self.missing
        return found

    def count(self, values: NDArray[np.floating], invalid: int = 0) -> Counts:
        """Count `values`, shape (n,), NaN as missing, of which `invalid` NaNs stand for cells that hold no number."""
        missing = int(np.count_nonzero(np.isnan(values)))
        if not 0 <= invalid <= missing:
            raise FormatError(f"{invalid} cells hold no number, but only {missing} are NaN")
        below = [int(np.count_nonzero(values < edge)) for edge in self._edges_as(values.dtype)]
        inner = np.diff(np.array([0, *below, values.size - missing], dtype=np.int64))
        return np.concatenate([inner, np.array([missing - invalid, invalid], dtype=np.int64)])

    def _edges_as(self, dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
        with np.errstate(over="ignore"):  # an edge beyond float32 is endless there, which is what comparing needs
            return np.asarray(self.edges, dtype=dtype)


class CategoryBins(Value, frozen=True, tag="categories", tag_field="of"):
    """One slot for each of the commonest categories, then: any other, missing."""

    categories: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.categories or len(set(self.categories)) != len(self.categories):
            raise FormatError("category bins need one or more distinct categories")
        if "" in self.categories:
            raise FormatError("the empty text means missing and cannot be a category")

    @property
    def size(self) -> int:
        """The number of slots."""
        return len(self.categories) + 2

    @property
    def other(self) -> int:
        """The slot that counts any other category."""
        return len(self.categories)

    @property
    def missing(self) -> int:
        """The slot that counts missing values."""
        return len(self.categories) + 1

    def labels(self) -> tuple[str, ...]:
        """Name each slot, in order, in words for a person."""
        return (*self.categories, "other", "missing")

    def slots(self, values: NDArray[np.object_]) -> NDArray[np.int64]:
        """Return the slot of each text in `values`, shape (n,); the empty text is missing."""
        index = {category: slot for slot, category in enumerate(self.categories)}
        index[""] = self.missing
        other = self.other
        return np.fromiter((index.get(value, other) for value in values), dtype=np.int64, count=len(values))

    def count(self, values: NDArray[np.object_]) -> Counts:
        """Count the texts in `values`, shape (n,)."""
        return np.bincount(self.slots(values), minlength=self.size).astype(np.int64)


Bins = NumberBins | CategoryBins


def number_text(edge: float) -> str:
    """Return an edge for a person: 6 significant digits, but each digit of a large number, like a time in seconds."""
    return f"{edge:.0f}" if 1e6 <= abs(edge) < 1e15 else f"{edge:.6g}"


def as_counts(values: Sequence[int], bins: Bins) -> Counts:
    """Return `values` as counts over `bins`; raise FormatError where they cannot be that."""
    if len(values) != bins.size:
        raise FormatError(f"{len(values)} counts for {bins.size} slots")
    if any(value < 0 or value >= 2**63 for value in values):
        raise FormatError("a count must lie between 0 and 2^63 - 1")
    return np.array(values, dtype=np.int64)

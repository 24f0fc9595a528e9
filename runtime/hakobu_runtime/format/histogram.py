"""Bins fixed at build time, and exact int64 counts over them, which merge by addition."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import Value

Counts = NDArray[np.int64]
"""int64 counts, one a slot of the bins they were counted on."""

_LANES = 1024
"""How many bytes are added up as eight lanes: 128 a lane, whose sum fits into a byte."""
_WIDE = 8 * _LANES
"""How many columns are counted at once, at most."""
_ANSWERS = 1 << 19
"""How many bytes of answers are kept at once, about: few enough for a processor's cache."""

_TINY = float(np.finfo(np.float32).tiny)
"""What is smaller than this is next to 0, whatever the type of the numbers."""


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
        texts = [edge_text(edge) for edge in self.edges]
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
        alone = _alone(self.edges)
        (counts,) = alone.counts(alone.below(values[np.newaxis]), len(values), np.array([invalid]))
        return counts

    def _edges_as(self, dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
        return _edges(self.edges, dtype)


@lru_cache(maxsize=1024)
def _alone(edges: tuple[float, ...]) -> "BinRows":
    return BinRows([edges])


@lru_cache(maxsize=1024)
def _edges(edges: tuple[float, ...], dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
    with np.errstate(over="ignore"):  # an edge beyond float32 is endless there, which is what comparing needs
        found = np.asarray(edges, dtype=dtype)
    found.flags.writeable = False
    return found


class BinRows:
    """The bins of each row of a matrix, counted at once, which takes half of the time where the rows are short."""

    def __init__(self, edges: Sequence[tuple[float, ...]]) -> None:
        self._edges = edges
        self._most = max(map(len, edges), default=0)
        self._limits: dict[np.dtype[np.floating], NDArray[np.floating]] = {}

    def below(self, values: NDArray[np.floating], *, whole: bool = False) -> Counts:
        """Return how many of each row of `values`, shape (k, n), lie below each of its edges, and how many are NaN.

        The shape is (k, most edges + 1), the NaNs last. What several matrices give may be added up. `whole` says that
        none is NaN, which saves looking.
        """
        limits, (rows, size) = self._limits_as(values.dtype), values.shape
        found = np.zeros((rows, self._most + 1), dtype=np.int64)
        kinds = found[:, : self._most] if whole else found
        # Parts of one width: numpy is four times slower with a narrow one that is left over.
        width = -(-size // max(1, -(-size // _WIDE)))
        height = max(1, _ANSWERS // (max(width, _LANES) * (self._most + 1)))
        for first in range(0, size, max(1, width)):
            for top in range(0, rows, height):
                some = slice(top, top + height)
                kinds[some] += _answers(values[some, first : first + width], limits[some], whole)
        return found

    def counts(self, below: Counts, size: int, invalid: Counts | None = None) -> list[Counts]:
        """Return the counts of each of the k rows over its own bins, from what `below` said of `size` values each.

        `invalid`, shape (k,), says how many of the NaNs stand for cells that hold no number.
        """
        missing, most = below[:, -1], below.shape[1] - 1
        wrong = np.zeros_like(missing) if invalid is None else invalid
        for many, gaps in zip(wrong.tolist(), missing.tolist(), strict=True):
            if not 0 <= many <= gaps:
                raise FormatError(f"{many} cells hold no number, but only {gaps} are NaN")
        counts = np.empty((len(below), most + 3), dtype=np.int64)
        counts[:, 0] = below[:, 0]
        np.subtract(below[:, 1:-1], below[:, :-2], out=counts[:, 1:most])
        counts[:, most] = size - missing - below[:, most - 1]
        counts[:, -2], counts[:, -1] = missing - wrong, wrong
        rows = list(counts)
        for place, known in enumerate(map(len, self._edges)):
            if known < most:  # nothing lies below the NaN that stand in for further edges
                row = np.concatenate([counts[place, : known + 1], counts[place, -2:]])
                row[known] = size - missing[place] - below[place, known - 1]
                rows[place] = row
        return rows

    def _limits_as(self, dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
        """Return the edges as the rows of a matrix, filled up with NaN, below which nothing lies."""
        limits = self._limits.get(dtype)
        if limits is None:
            limits = np.full((len(self._edges), self._most), np.nan, dtype=dtype)
            for row, known in zip(limits, self._edges, strict=True):
                row[: len(known)] = _edges(known, dtype)
            self._limits[dtype] = limits
        return limits


def _answers(values: NDArray[np.floating], limits: NDArray[np.floating], whole: bool) -> Counts:
    """Return how many of each row of `values`, shape (k, n), lie below each of its `limits`, shape (k, m), or are NaN.

    The shape is (k, m + 1), or (k, m) where `whole` says that none is NaN. Eight answers, a byte each, are added up at
    once: of up to 255 numbers of eight bytes, no byte carries over.
    """
    (rows, size), most = values.shape, limits.shape[1]
    kinds, wide = most + (not whole), -(-size // _LANES)
    answers = np.empty((rows, kinds, wide * _LANES), dtype=np.bool_)
    answers[:, :, size:] = False
    np.less(values[:, np.newaxis], limits[:, :, np.newaxis], out=answers[:, :most, :size])
    if not whole:
        # Not isnan: numpy 2.4.6 leaves places unwritten where the answers of 16 or more values lie apart.
        np.not_equal(values, values, out=answers[:, -1, :size])
    lanes = np.add.reduce(answers.view(np.uint64).reshape(rows, kinds, wide, _LANES // 8), axis=3)
    found: Counts = np.add.reduce(lanes.view(np.uint8).reshape(rows, kinds, -1), axis=2, dtype=np.int64)
    return found


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


def edge_text(edge: float) -> str:
    """Return an edge for a person: the next number after 0, where the bin of 0 alone ends, is 0 as well."""
    return "0" if abs(edge) < _TINY else number_text(edge)


def number_text(number: float) -> str:
    """Return a number for a person: 6 significant digits, but each digit of a large one, like a time in seconds."""
    return f"{number:.0f}" if 1e6 <= abs(number) < 1e15 else f"{number:.6g}"


def as_counts(values: Sequence[int], bins: Bins) -> Counts:
    """Return `values` as counts over `bins`; raise FormatError where they cannot be that."""
    if len(values) != bins.size:
        raise FormatError(f"{len(values)} counts for {bins.size} slots")
    if any(value < 0 or value >= 2**63 for value in values):
        raise FormatError("a count must lie between 0 and 2^63 - 1")
    return np.array(values, dtype=np.int64)

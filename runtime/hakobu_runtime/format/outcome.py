"""What became of predictions, counted: how often which class was right, how far the numbers were off.

Everything is a whole number, so that counts can be added, taken back when a label is corrected, and merged over devices
in any order with the same result to the last digit. Errors are counted in units of a power of two, a millionth of what
they are measured against.
"""

from itertools import pairwise
from math import ceil, log2
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import CountError, FormatError
from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.histogram import NumberBins
from hakobu_runtime.format.manifest import Classification, Manifest, Metric
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Window

SCHEMA: Final = "hakobu.outcome/1"

_TAIL = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005)
SCORE_EDGES: Final = (*_TAIL, *(place / 100 for place in range(1, 100)), *(1 - edge for edge in reversed(_TAIL)))
"""Where the bins of probabilities meet: every hundredth, and finer where rare classes lie."""

SLOTS: Final = len(SCORE_EDGES) + 1

_BITS = 20
FARTHEST: Final = 1 << 30
"""How many units a number may be off: a thousand times the spread of all predictions, and then it is no label of it."""

_LARGEST = 2**63 - 1
_LAST_CLASS = 2**32 - 1


class Subject(Value, frozen=True):
    """What of a model is needed to hold labels against its predictions, and to judge what comes of it."""

    model: ModelName
    target: str
    """The column that a label stands in."""
    classes: tuple[str, ...]
    """As they are written out; none for a regression."""
    probable: bool
    """Whether the model gives probabilities."""
    unit: int
    """Errors are counted in units of two to the power of this."""
    metrics: dict[str, Metric]
    holdout_rows: int

    @classmethod
    def of(cls, manifest: Manifest, digest: str) -> "Subject":
        """Return what is needed of the model that `manifest` describes."""
        outputs, unit = manifest.outputs, -_BITS
        classes: tuple[str, ...] = ()
        if isinstance(outputs, Classification):
            classes = tuple(str(label).lower() if isinstance(label, bool) else str(label) for label in outputs.classes)
        elif isinstance(outputs.scores.bins, NumberBins):
            edges = outputs.scores.bins.edges
            unit = ceil(log2(edges[-1] - edges[0])) - _BITS
        return cls(
            ModelName(manifest.name, manifest.version, digest),
            manifest.target,
            classes,
            manifest.tensors.probabilities is not None,
            unit,
            manifest.metrics,
            manifest.provenance.holdout_rows,
        )


class OutcomeCounts(Value, frozen=True):
    """The sums over some rows of one model whose true values are known."""

    rows: int = 0
    confusion: tuple[tuple[int, int, int], ...] = ()
    """True class, predicted class, rows: the pairs that there are, in order; of a classification."""
    not_so: tuple[int, ...] = ()
    """Rows by probability, of those of which it did not come true; where there are probabilities.

    Of two classes it is the last one's probability, of more the largest one's.
    """
    so: tuple[int, ...] = ()
    """The same of those of which it came true."""
    error: int = 0
    """The sum of prediction less truth, in units; of probabilities the truth is 0 or 1."""
    absolute: int = 0
    squares: int = 0
    """In units squared; beyond 64 bits where errors are large."""

    def __post_init__(self) -> None:
        parts = [many for *_, many in self.confusion], [*self.not_so, *self.so]
        counts = [self.rows, *parts[0], *parts[1]]
        if not all(0 <= count <= _LARGEST for count in counts):
            raise CountError("a count of outcomes must lie between 0 and 2^63 - 1")
        if any(part and sum(part) != self.rows for part in parts):
            raise CountError(f"the parts of {self.rows} outcomes do not add up to them")
        if {len(self.not_so), len(self.so)} not in ({0}, {SLOTS}):
            raise FormatError(f"outcomes are counted over {SLOTS} slots of probability")
        pairs = [pair for *pair, _ in self.confusion]
        if pairs != sorted(pairs) or any(first == second for first, second in pairwise(pairs)):
            raise FormatError("the pairs of classes must be in order, each once")
        if not abs(self.error) <= self.absolute <= self.rows * FARTHEST or self.squares < 0:
            raise CountError("the sums of errors contradict each other")
        if self.absolute**2 > self.rows * self.squares:  # Cauchy and Schwarz
            raise CountError("the sum of squared errors is smaller than the errors allow")

    def plus(self, other: "OutcomeCounts") -> "OutcomeCounts":
        """Return the counts of both; raise FormatError where they are not of the same kind."""
        return _summed(self, other, 1)

    def minus(self, other: "OutcomeCounts") -> "OutcomeCounts":
        """Return these counts without `other`, which is part of them; raise FormatError when it cannot be."""
        return _summed(self, other, -1)


class Outcome(Value, frozen=True):
    """State, as a tally is: of two of one device, model, epoch and window, the one with the higher revision holds."""

    schema: Literal["hakobu.outcome/1"]
    device: str
    model: ModelName
    window: Window
    revision: int
    epoch: str
    """Which beginning of the counts this is: a device that lost its predictions starts another, which adds to this."""
    unit: int
    """Errors are in units of two to the power of this, of which all devices make the same of one model."""
    counts: OutcomeCounts

    def __post_init__(self) -> None:
        if not 0 <= self.revision <= _LARGEST:
            raise FormatError("a revision must lie between 0 and 2^63 - 1")
        if not -1100 <= self.unit <= 1024:
            raise FormatError(f"two to the power of {self.unit} is no unit of errors")


def check_possible(outcome: Outcome) -> None:
    """Raise FormatError where counts, sound by themselves, are none that any model's labels can have come to."""
    counts = outcome.counts
    if any(not 0 <= place <= _LAST_CLASS for truth, code, _ in counts.confusion for place in (truth, code)):
        raise FormatError("a class has a place that none has")
    if any(many < 1 for *_, many in counts.confusion):
        raise FormatError("a pair of classes is counted that no row has")
    if counts.so and not counts.confusion:
        raise FormatError("probabilities are counted, and no classes")
    if not counts.absolute <= counts.squares <= counts.absolute * FARTHEST:
        raise FormatError("the sum of squared errors contradicts that of the errors")
    if not counts.confusion:
        return
    if outcome.unit != -_BITS:
        raise FormatError(f"errors of probabilities are counted in units of 2^{-_BITS}, not of 2^{outcome.unit}")
    if counts.absolute > (counts.rows << _BITS if counts.so else 0):
        raise FormatError("a probability is further from the truth than it can be")


def counts_of(
    subject: Subject, codes: NDArray[np.integer], scores: NDArray[np.floating], truths: NDArray[np.float64]
) -> OutcomeCounts:
    """Count n rows: the predicted classes, the probabilities or values, and the true classes or values, each (n,).

    Of a classification `truths` are places among the classes; of one without probabilities `scores` say nothing.
    """
    rows = len(truths)
    if rows == 0:
        return OutcomeCounts()
    if not subject.classes:
        return OutcomeCounts(rows, (), (), (), *_errors(subject, scores, truths))
    right = truths == (1 if len(subject.classes) == 2 else codes)
    confusion = _confusion(truths.astype(np.int64), codes.astype(np.int64))
    if not subject.probable:
        return OutcomeCounts(rows, confusion)
    slots = np.searchsorted(np.array(SCORE_EDGES, dtype=scores.dtype), scores, side="right")
    not_so, so = (tuple(np.bincount(slots[side], minlength=SLOTS).tolist()) for side in (~right, right))
    return OutcomeCounts(rows, confusion, not_so, so, *_errors(subject, scores, right.astype(np.float64)))


def distances(subject: Subject, values: NDArray[np.floating], truths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return prediction less truth in whole units of the subject, shape (n,)."""
    found: NDArray[np.float64] = np.rint((values.astype(np.float64) - truths) * 2.0**-subject.unit)
    return found


def _errors(subject: Subject, values: NDArray[np.floating], truths: NDArray[np.float64]) -> tuple[int, int, int]:
    units = [int(unit) for unit in distances(subject, values, truths).tolist()]  # Python's own, which never overflow
    return sum(units), sum(map(abs, units)), sum(unit * unit for unit in units)


def _confusion(truths: NDArray[np.int64], codes: NDArray[np.int64]) -> tuple[tuple[int, int, int], ...]:
    pairs, many = np.unique(np.stack((truths, codes), axis=1), axis=0, return_counts=True)
    return tuple((*pair, count) for pair, count in zip(pairs.tolist(), many.tolist(), strict=True))


def _summed(one: OutcomeCounts, other: OutcomeCounts, sign: int) -> OutcomeCounts:
    if one.rows and other.rows and _kind(one) != _kind(other):
        raise FormatError("outcomes of different kinds of models cannot be added")
    cells: dict[tuple[int, int], int] = {(truth, code): many for truth, code, many in one.confusion}
    for truth, code, many in other.confusion:
        cells[truth, code] = cells.get((truth, code), 0) + sign * many
    rows = one.rows + sign * other.rows
    return OutcomeCounts(
        rows,
        tuple((*pair, many) for pair, many in sorted(cells.items()) if many),
        _side(one.not_so, other.not_so, sign) if rows else (),
        _side(one.so, other.so, sign) if rows else (),
        one.error + sign * other.error,
        one.absolute + sign * other.absolute,
        one.squares + sign * other.squares,
    )


def _kind(counts: OutcomeCounts) -> tuple[bool, bool]:
    return bool(counts.confusion), bool(counts.so)


def _side(one: tuple[int, ...], other: tuple[int, ...], sign: int) -> tuple[int, ...]:
    ours, theirs = (side or (0,) * max(len(one), len(other)) for side in (one, other))
    return tuple(left + sign * right for left, right in zip(ours, theirs, strict=True))

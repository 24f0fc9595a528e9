"""What was measured of a model beside the gates' verdicts: what the report shows, and a person can judge by."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu.gates.answers import Answers
from hakobu.settings import FeatureTable
from hakobu_runtime.format.feature import Kind, Range
from hakobu_runtime.format.manifest import ClassLabel, Manifest, Provenance
from hakobu_runtime.model import Predicted


@dataclass(frozen=True, slots=True)
class Interval:
    """A measure with the bounds between which it lies with 95% confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Importance:
    """How much worse the main metric gets on the hold-out when a feature's column is shuffled."""

    feature: str
    drop: float
    spread: float
    """The standard deviation of the drop over the shuffles."""


@dataclass(frozen=True, slots=True)
class Dependence:
    """What the model gives on average when a feature is set to each of some values."""

    feature: str
    values: tuple[float | str, ...]
    means: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class GroupMetric:
    """A measure of the model on the rows of one group."""

    column: str
    group: str
    rows: int
    metric: str
    value: float
    """NaN where the rows do not suffice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one input held in the training rows and in the hold-out, counted over the same bars."""

    name: str
    kind: Kind
    table: FeatureTable
    """What `hakobu.toml` says of its column."""
    learned: tuple[int, ...]
    """The training rows in each bar."""
    judged: tuple[int, ...]
    """The rows of the hold-out in each bar."""
    missing: tuple[float, float]
    """The share of the cells that are missing, in training and in the hold-out."""
    shift: float
    """The de-biased PSI of training against hold-out."""
    names: tuple[str, ...] = ()
    """Of a category what each bar counts, the commonest first."""
    categories: int = 0
    """How many different texts training holds, of a category."""
    edges: tuple[float, ...] = ()
    """Of a number, or of the length of a text, the edges of the bars, one more than bars."""
    allowed: Range | None = None
    """None of a category."""
    span: tuple[float, float] = (0.0, 0.0)
    """Of a number the least and the largest value that have a place among the bars."""
    cut: bool = False
    """Whether the first and the last bar hold what lies beyond them too."""


@dataclass(frozen=True, slots=True)
class RangeChange:
    """How what is allowed of an input differs from the champion's: one line of a review."""

    feature: str
    before: str
    """"" where the champion has no such input."""
    after: str
    """"" where the challenger has no such input."""
    share: float
    """The share of today's training rows that lie outside what the champion allows; NaN where that says nothing."""
    added: tuple[str, ...] = ()
    """The categories that only the challenger knows."""
    removed: tuple[str, ...] = ()
    """The categories that only the champion knows."""


@dataclass(frozen=True, slots=True)
class Rival:
    """The champion, scored on the same hold-out with the same runtime."""

    manifest: Manifest
    digest: str
    predicted: Predicted
    metric: str
    challenger: Interval
    champion: Interval
    gain: Interval
    """Challenger minus champion on the same rows, by paired bootstrap."""
    changes: tuple[RangeChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it; what could not be measured is absent."""

    target: NDArray[Any] | None = None
    """The hold-out's true values, shape (rows,)."""
    predicted: Predicted | None = None
    """What the exported model gives for the hold-out."""
    answers: Answers | None = None
    """What the trained pipeline gives for the hold-out."""
    classes: tuple[ClassLabel, ...] = ()
    """The classes in the order of the probabilities."""
    seen: tuple[Seen, ...] = ()
    provenance: Provenance | None = None
    metric: str = ""
    """The main metric."""
    intervals: dict[str, Interval] = field(default_factory=dict)
    """Each metric on the hold-out."""
    folds: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Each metric on each fold of a cross-validation, where one was asked for."""
    importances: tuple[Importance, ...] = ()
    dependences: tuple[Dependence, ...] = ()
    groups: tuple[GroupMetric, ...] = ()
    rival: Rival | None = None
    times: NDArray[np.datetime64] | None = None
    """The times of the hold-out's rows, where the data has them."""
    latency: tuple[float, ...] = ()
    """Seconds that single rows took, one after the other."""

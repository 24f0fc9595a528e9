"""What was measured of a model beside the gates' verdicts: what the report shows, and a person can judge by."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.format.manifest import Manifest
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

"""What became of an estimator on the way to ONNX."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How close the carried model is to its source."""

    EXACT = "exact"
    """Every number is the same float32, every label the same."""
    MATCH = "match"
    """Every label is the same, every number within the tolerance."""
    REFUSED = "refused"
    """It is not carried: the reason says why."""
    WRONG = "silently wrong"
    """It is carried, and gives something else."""
    NO_INFERENCE = "no inference"
    """The source itself answers for no new rows."""
    BROKEN = "not tried"
    """The source could not be fitted or asked: a fault of the bench or ours, or no rows of a table."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict with what it rests on."""

    verdict: Verdict
    reason: str = ""
    rows: int = 0
    """How many rows were compared."""
    differing: int = 0
    largest: float = 0.0
    """The largest difference of a number."""
    repairs: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the carried model is the source."""
        return self.verdict in (Verdict.EXACT, Verdict.MATCH)

"""Until when a builder wants a model to be used: three dates, of which each may be left out."""

from datetime import date
from enum import StrEnum
from typing import Final

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import Value

STALE: Final = "stale"
"""The column that marks the outputs of an old model."""


class Age(StrEnum):
    """What a model's age means for its use."""

    FRESH = "fresh"
    WARNED = "warned"
    """A person is told."""
    MARKED = "marked"
    """Every output is marked."""
    REFUSED = "refused"
    """Nothing is scored any more."""


class BestBefore(Value, frozen=True):
    """From which day on (UTC) a model's use is warned of, marked, and refused."""

    warn: date | None = None
    mark: date | None = None
    refuse: date | None = None

    def __post_init__(self) -> None:
        given = [day for day in (self.warn, self.mark, self.refuse) if day is not None]
        if sorted(given) != given:
            raise FormatError(
                f"the days of best_before must come in order, warn, mark, refuse, unlike {', '.join(map(str, given))}"
            )

    def age(self, today: date) -> tuple[Age, date | None]:
        """Return what holds `today`, and since which day."""
        steps = ((self.refuse, Age.REFUSED), (self.mark, Age.MARKED), (self.warn, Age.WARNED))
        return next(((age, day) for day, age in steps if day is not None and day <= today), (Age.FRESH, None))

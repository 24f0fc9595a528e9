"""A breach: one cell (or row) that its feature does not allow, in words that a clerk understands."""

from enum import IntEnum, StrEnum
from typing import NamedTuple

from hakobu_runtime.format.feature import Policy


class Verdict(IntEnum):
    """What became of a row; the worst of its breaches decides."""

    OK = 0
    WARNED = 1
    CLIPPED = 2
    REJECTED = 3

    @property
    def word(self) -> str:
        """The verdict as it is written out."""
        return self.name.lower()


class Rule(StrEnum):
    """Which rule a cell breaks."""

    BELOW = "below range"
    ABOVE = "above range"
    UNKNOWN = "unknown category"
    TOO_SHORT = "too short"
    TOO_LONG = "too long"
    MISSING = "missing"
    NOT_A_NUMBER = "not a number"
    NOT_FINITE = "not finite"
    NOT_WHOLE = "not a whole number"
    NOT_BOOLEAN = "not true or false"
    NOT_A_DATE = "not a date"
    UNREADABLE = "unreadable row"
    NO_NUMBER = "no number from the model"


class Breach(NamedTuple):  # a frozen dataclass takes four times as long to make
    """One broken rule: where, which, and what was done about it."""

    row: int
    """The row within its block, from 0."""
    name: str
    """The feature, or the column where several features share it; "" for a row that cannot be read."""
    rule: Rule
    value: str
    """The cell as it was read, shortened when long."""
    policy: Policy
    verdict: Verdict
    reason: str
    """One line that says the value, the rule, and the policy."""


def quote(text: str, longest: int = 40) -> str:
    """Return `text` in quotes on one line, shortened when long."""
    flat = text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return f"'{flat}'" if len(flat) <= longest else f"'{flat[:longest]}…'"

"""How dates are written in a column: ISO 8601, or one of a few patterns that people use."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hakobu_runtime.limits.dates import read_moment

_DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
PATTERNS: tuple[str | None, ...] = (None, *(day + time for day in _DAYS for time in _TIMES))
"""None is ISO 8601."""
DIGITS = "%Y%m%d"
TIME_PATTERNS: tuple[str | None, ...] = (*PATTERNS, DIGITS, "%Y-%m", "%Y")
"""What may be tried on a column that is said to hold times."""

_DATE_NAME = re.compile(r"date|day|time|(?<![a-z])(dt|ymd)(?![a-z])")
_SAMPLE = 50
_ENOUGH = 0.9


@dataclass(frozen=True, slots=True)
class Written:
    """How the dates of a column are written."""

    patterns: tuple[str | None, ...]
    """Those that fit all cells; without any such, the one that fits most."""

    @property
    def certain(self) -> bool:
        """Whether no other pattern fits as well."""
        return len(self.patterns) == 1

    @property
    def pattern(self) -> str | None:
        """The first pattern, in `strptime`'s terms; None for ISO 8601."""
        return self.patterns[0]

    def fits(self, text: str) -> bool:
        """Say whether `text` is a date so written."""
        return _reads(text, self.pattern)


def how_written(
    name: str, texts: Sequence[str], *, digits: bool = False, patterns: Sequence[str | None] = PATTERNS
) -> Written | None:
    """Return how the dates `texts` are written; None when most of them are no dates.

    `digits` looks for dates of eight digits alone, and only in a column whose name says date.
    """
    if digits:
        patterns = (DIGITS,) if _DATE_NAME.search(name.lower()) else ()
    sample = texts[:_SAMPLE]
    likely = [pattern for pattern in patterns if _share(sample, pattern) >= _ENOUGH]
    shares = {pattern: _share(texts, pattern) for pattern in likely}
    best = max(shares.values(), default=0.0)
    if best < _ENOUGH:
        return None
    return Written(tuple(pattern for pattern, share in shares.items() if share == best))


def _share(texts: Sequence[str], pattern: str | None) -> float:
    return sum(_reads(text, pattern) for text in texts) / max(len(texts), 1)


def _reads(text: str, pattern: str | None) -> bool:
    if pattern == DIGITS and not (len(text) == 8 and text.isascii() and text.isdigit()):
        return False  # strptime would take 2013111 too
    if pattern is None and text.strip().isdigit():
        return False  # 20130101 is ISO 8601 to Python, and a number to everybody else
    return read_moment(text, pattern) is not None

"""Why a column is left out of the features: what it holds would not help on new rows, or would stop the build."""

import re
from collections import Counter

import numpy as np

from hakobu.scaffold.column import Column
from hakobu.scaffold.infer import Guess, Kind, looks_like_numbers
from hakobu.settings import GatesTable
from hakobu_runtime.format.feature import Part
from hakobu_runtime.limits.breach import quote
from hakobu_runtime.limits.dates import part_of, read_moment

FEW_TEXTS = 50
SHARE_OF_TEXTS = 0.05
MOST_TEXTS = 1000

_TOO_ALIKE = 2
"""A column that differs in so few rows may well be constant in the rows that are trained on."""

_ID_NAME = re.compile(
    r"(?:^|[^a-z])(?:id|ids|uid|uuid|guid|index|idx|key|no|nr|num|number|row|rownum|rownames?|unnamed)$"
)
_CODE_NAME = re.compile(
    r"(?:^|[^a-z])(?:zip|zipcode|postcode|plz|code|codes|id|ids|type|class|category|cat|kind|group)$"
)
_FEW_CODES = 50


def reason_to_leave(column: Column, guess: Guess) -> str:
    """Return why `column`, missing words read as missing, is left out; "" when it can be learned from."""
    counts = column.counts()
    there, rows = sum(counts.values()), len(column)
    if not column.name.strip():
        return "it has no name"
    if any("\ud800" <= letter <= "\udfff" for letter in column.name):
        return "its name is no valid text"
    if there == 0:
        return "empty in every row"
    most, common = max((count, text) for text, count in counts.items())
    if most == there:
        return f"always {quote(common)}" + (f" where it is not missing ({there:,} rows)" if there < rows else "")
    if there - most <= _TOO_ALIKE:
        return f"always {quote(common)} but for {there - most} of {there:,} rows"
    if 1 - there / rows > GatesTable().missing_rate:
        return f"missing in {1 - there / rows:.1%} of the rows"
    if guess.kind is Kind.INTEGER:
        return _counter(column, guess)
    if guess.kind is Kind.CATEGORY:
        return _texts(column, guess)
    return ""


def _counter(column: Column, guess: Guess) -> str:
    """Return why integers are taken for the numbers of the rows; "" when they are not."""
    if guess.bad or guess.numbers is None or len(column.present) < len(column):
        return ""
    numbers = np.array([guess.numbers[text] for text in column.texts])[column.codes]
    low, high = numbers.min(), numbers.max()
    counts_on = len(np.unique(numbers - column.rows)) == 1  # whichever rows have no target
    if (counts_on or high - low == len(numbers) - 1) and "year" not in column.name.lower():
        return f"it counts the rows, from {low:.0f} to {high:.0f}"
    if _ID_NAME.search(_words(column.name)):
        return "different in every row, and named like an id"
    return ""


def _texts(column: Column, guess: Guess) -> str:
    distinct = len(column.present)
    if guess.written is not None and not guess.written.certain:
        patterns = " and ".join(str(pattern) for pattern in guess.written.patterns)
        return (
            f"dates like {quote(column.present[0])}, which {patterns} fit alike; say which with kind, parts and format"
        )
    if distinct <= most_texts(len(column)):
        return ""
    hint = looks_like_numbers(column)
    return f"{distinct:,} different texts in {len(column):,} rows" + (
        f"; {hint}" if hint else " (an id, a name, prose)"
    )


def most_texts(rows: int) -> int:
    """Return how many different texts may be categories in a table of `rows` rows."""
    return min(MOST_TEXTS, max(FEW_TEXTS, int(SHARE_OF_TEXTS * rows)))


def is_code(column: Column) -> bool:
    """Say whether integers look like names of something: few, in a column named like it."""
    return len(column.present) <= _FEW_CODES and bool(_CODE_NAME.search(_words(column.name)))


def _words(name: str) -> str:
    """Return `name` in lower case with its words apart: CustomerID gives customer id."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.partition(":")[0]).lower()


def varying_parts(column: Column, guess: Guess) -> tuple[Part, ...]:
    """Return the parts of a date that differ between rows: month, weekday, hour; the year when none of them does."""
    if guess.kind is not Kind.DATE or guess.written is None:
        return ()
    pattern, counts = guess.written.pattern, column.counts()
    moments = [(moment, count) for text, count in counts.items() if (moment := read_moment(text, pattern))]
    rows = sum(count for _, count in moments)

    def varies(part: Part) -> bool:
        held: Counter[float] = Counter()
        for moment, count in moments:
            held[part_of(moment, part)] += count
        return rows - max(held.values(), default=0) > _TOO_ALIKE

    parts = tuple(part for part in (Part.MONTH, Part.DAY_OF_WEEK, Part.HOUR) if varies(part))
    return parts or tuple(part for part in (Part.YEAR,) if varies(part))

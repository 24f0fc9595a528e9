"""What a column of text holds: numbers, integers, truth, dates, categories, or prose."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hakobu.scaffold.column import Column
from hakobu.scaffold.pattern import Written, how_written
from hakobu_runtime.rows.cells import parse_number


class Kind(StrEnum):
    """What the cells of a column hold, in the words of `hakobu.toml`."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    TEXT = "text"
    DATE = "date"


MISSING_WORDS = frozenset({"na", "n/a", "#n/a", "nan", "null", "none", "-", "?"})
"""What people write for "missing", in lower case."""

_TRUTH = {"true": True, "yes": True, "t": True, "y": True, "false": False, "no": False, "f": False, "n": False}
_MOST_TRUTHS = 64
"""More distinct texts than there are ways to write the words of truth, in any case and with spaces."""
_LARGEST = float(np.finfo(np.float32).max)
_WORDS = 4
"""A name or a code has fewer."""
_FEW = 0.01
"""Below this share, cells that do not fit are mistakes; above it, the column holds something else."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What a column seems to hold."""

    kind: Kind
    bad: tuple[str, ...] = ()
    """The distinct cells that do not fit the kind."""
    missing_words: frozenset[str] = frozenset()
    """The texts in it that must mean "missing" for the kind to hold."""
    written: Written | None = None
    """How a date is written; for a category, what kept it from being a date."""
    numbers: dict[str, float] | None = None
    """The number in each distinct cell that fits, of a number or an integer."""


def infer(column: Column) -> Guess:
    """Return what `column` seems to hold; one without any cell counts as a category."""
    words = frozenset(text for text in column.present if text.strip().lower() in MISSING_WORDS)
    words |= _lone_word(column.without(words))
    rest = column.without(words)
    if not rest.present:
        return Guess(Kind.CATEGORY)
    for look in (_truth, _number, _date):
        guess = look(rest)
        if guess is not None:
            return Guess(guess.kind, guess.bad, words, guess.written, guess.numbers)
    if _is_prose(rest):
        return Guess(Kind.TEXT, missing_words=words)
    return Guess(Kind.CATEGORY, written=how_written(rest.name, rest.present))


def _is_prose(column: Column) -> bool:
    """Say whether most texts are of several words, and most rows hold a text of their own."""
    counts = column.counts()
    several = sum(count for text, count in counts.items() if len(text.split()) >= _WORDS)
    return 2 * several >= sum(counts.values()) and 2 * len(counts) >= sum(counts.values())


def _lone_word(column: Column) -> frozenset[str]:
    """Return the one word that stands again and again among nothing but numbers: it must mean "missing"."""
    counts = column.counts()
    words = [text for text in counts if _finite(text) is None]
    if len(words) != 1 or len(counts) <= 10 or any(map(str.isdigit, words[0])):
        return frozenset()
    return frozenset(words) if 1 < counts[words[0]] < sum(counts.values()) / 2 else frozenset()


def _truth(column: Column) -> Guess | None:
    """Words only: 0 and 1 stay integers, which a file that writes them 0.0 and 1.0 fits as well."""
    if len(column.texts) > _MOST_TRUTHS:
        return None
    words = {text.strip().lower() for text in column.present}
    return Guess(Kind.BOOLEAN) if {_TRUTH.get(word) for word in words} == {True, False} else None


def _number(column: Column) -> Guess | None:
    numbers = {text: number for text in column.present if (number := _finite(text)) is not None}
    bad = _misfits(column, numbers.__contains__)
    if bad is None:
        return None
    written = how_written(column.name, column.present, digits=True) if not bad else None
    if written is not None and written.certain:
        return Guess(Kind.DATE, written=written)
    return Guess(Kind.INTEGER if all(map(_is_whole, numbers)) else Kind.NUMBER, bad, numbers=numbers)


def _date(column: Column) -> Guess | None:
    written = how_written(column.name, column.present)
    if written is None or not written.certain:
        return None
    bad = _misfits(column, written.fits)
    return None if bad is None else Guess(Kind.DATE, bad, written=written)


def _misfits(column: Column, fits: Callable[[str], bool]) -> tuple[str, ...] | None:
    """Return the distinct cells that do not fit; None when they are too many to be mistakes."""
    counts = column.counts()
    bad = [text for text in counts if not fits(text)]
    if sum(counts[text] for text in bad) >= _FEW * sum(counts.values()) and bad:
        return None
    return tuple(sorted(bad, key=column.row_of))


def _finite(text: str) -> float | None:
    number = parse_number(text)
    return number if number is not None and abs(number) <= _LARGEST else None


def _is_whole(text: str) -> bool:
    """Say whether `text` is written as an integer: 5.0 is not, since 5.5 may follow."""
    return text.strip().lstrip("+-").isdigit()


def looks_like_numbers(column: Column) -> str:
    """Return a sentence on what keeps a text column from being numbers; "" when it is no such column."""
    counts = column.counts()
    total = sum(counts.values())
    misfits = [text for text in counts if _finite(text) is None]
    plain = [text for text in misfits if _finite(text.translate(_ORNAMENT)) is None]
    if sum(counts[text] for text in plain) < _FEW * total and len(misfits) > len(plain):
        return f"cells like {misfits[0]!r} are no numbers; write them plainly, with a decimal point and no signs"
    if sum(counts[text] for text in misfits) < total / 2:
        first = min(misfits, key=column.row_of)
        return f"mostly numbers, but row {column.row_of(first)} holds {first!r}"
    return ""


_ORNAMENT = str.maketrans("", "", "$€£¥%,' \u00a0\u202f")

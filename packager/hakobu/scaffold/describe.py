"""What was seen in a column, in a few words for a person."""

from hakobu.scaffold.column import Column
from hakobu.scaffold.infer import Guess, Kind
from hakobu_runtime.limits.breach import quote
from hakobu_runtime.limits.dates import read_moment

_SHOWN = 4
_EXACT = 2**24
"""float32, which models read, tells whole numbers apart up to here."""


def seen(column: Column, guess: Guess) -> str:
    """Return what `column` holds and how much of it is missing: `0.5 to 99, missing 3.1%`."""
    if guess.numbers is not None:
        words = _numbers(column, guess.numbers)
    elif guess.kind is Kind.DATE:
        words = _dates(column, guess)
    elif guess.kind is Kind.TEXT:
        words = _prose(column)
    else:
        words = _texts(column)
    gap = 1 - column.there.mean()
    return words + (f", missing {gap:.1%}" if gap >= 0.0005 else ", missing in a few rows" if gap else "")


def _numbers(column: Column, numbers: dict[str, float]) -> str:
    held = [text for text in column.present if text in numbers]
    low, high = (end(held, key=numbers.__getitem__).strip() for end in (min, max))
    return f"{low} and {high}" if len({numbers[text] for text in held}) == 2 else f"{low} to {high}"


def _dates(column: Column, guess: Guess) -> str:
    pattern = guess.written.pattern if guess.written else None
    moments = [moment.replace(tzinfo=None) for text in column.present if (moment := read_moment(text, pattern))]
    return f"{min(moments)} to {max(moments)}".replace(" 00:00:00", "")


def _texts(column: Column) -> str:
    """Return the commonest texts."""
    counts = column.counts()
    common = sorted(counts, key=lambda text: (-counts[text], text))
    names = ", ".join(quote(text, 20)[1:-1] for text in common[:_SHOWN])
    return f"{len(common)} texts: {names}" + (", …" if len(common) > _SHOWN else "")


def _prose(column: Column) -> str:
    lengths = [len(text) for text in column.present]
    return f"{len(lengths):,} texts of {min(lengths)} to {max(lengths):,} characters"


def too_large(guess: Guess) -> bool:
    """Say whether some integers are so large that a model cannot tell neighbours apart."""
    return guess.kind is Kind.INTEGER and any(abs(number) > _EXACT for number in (guess.numbers or {}).values())

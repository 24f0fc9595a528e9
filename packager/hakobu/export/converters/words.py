"""Where the words of a text are: a vectorizer's token pattern, for Python's `re`, in the terms of RE2.

RE2, with which onnxruntime looks for words, knows letters and word boundaries of ASCII alone, or those of another
edition of Unicode. So what a part of the pattern fits is asked of Python itself, for every character, and written out.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_MOST_REPEATS = 1000
"""RE2 refuses more."""

_FLAGS = re.compile(r"\(\?([aimsu]+)\)")
_CLASS = r"\[\^?\]?(?:[^\]\\]|\\.)*\]"
_ITEM = re.compile(
    rf"(?P<one>{_CLASS}|\\[dDsSwW]|\\[^0-9A-Za-z]|\.|[^\\\[\](){{}}|^$.*+?])"
    r"(?P<times>[*+?]|\{\d+(?:,\d*)?\})?(?P<odd>[?+])?",
    re.DOTALL,
)
_EDGE = r"\b"

Runs = tuple[tuple[int, int], ...]
"""A set of characters: the first and the last code of each run of them, upwards, with a gap between the runs."""


@dataclass(frozen=True, slots=True)
class Words:
    """How RE2 finds the words that a token pattern finds."""

    found: str
    """Its matches, from left to right, are the words, and maybe others."""
    kept: str | None
    """What a match must be as a whole to be a word; None when all of them are."""
    with_blanks: bool
    """Whether a word may hold a blank, as n-grams do."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A set of characters, so many times."""

    letters: Runs
    low: int
    high: int | None

    def text(self) -> str:
        times = f"{{{self.low},{'' if self.high is None else self.high}}}"
        return _class_text(self.letters) + times


def words_of(pattern: str) -> Words:
    """Return how RE2 finds what `pattern` finds; raise NotImplementedError with a sentence where it cannot.

    A pattern may be characters and sets of them, each so many times where only the last one's number varies. That
    Python takes the first way that fits and RE2 the longest makes no difference then.
    """
    flags, body = _flags(pattern)
    starts, ends = body.startswith(_EDGE), body.endswith(_EDGE) and len(body) > len(_EDGE)
    items = _joined(_items(body[len(_EDGE) if starts else 0 : -len(_EDGE) if ends else None], flags, pattern))
    if any(item.low != item.high for item in items[:-1]):
        raise _refusal(pattern, "more than its last part varies in length")
    if sum(item.low for item in items) == 0:
        raise _refusal(pattern, "it fits the empty text")
    if any(max(item.low, item.high or 0) > _MOST_REPEATS for item in items):
        raise _refusal(pattern, f"it counts beyond {_MOST_REPEATS}")
    words = _letters(r"\w", flags)
    whole = "".join(item.text() for item in items)
    blanks = any(_holds(item.letters, ((32, 32),)) for item in items)
    last = items[-1]
    endless = last.letters == words and last.high is None
    if not (starts or ends) or (len(items) == 1 and endless):
        # The first letter of a word that is long enough begins a match, which takes all of it.
        return Words(whole, None, blanks)
    if all(_holds(words, item.letters) for item in items) and starts and (ends or endless):
        # Such a match begins where a run of word letters does, and ends where it ends.
        return Words(_Item(words, 1, None).text(), whole, blanks)
    raise _refusal(pattern, r"\b does not stand on both sides of letters, digits and _")


def _flags(pattern: str) -> tuple[str, str]:
    found = _FLAGS.match(pattern)
    return (found[1], pattern[found.end() :]) if found else ("", pattern)


def _items(body: str, flags: str, pattern: str) -> Iterator[_Item]:
    at = 0
    while at < len(body):
        found = _ITEM.match(body, at)
        if found is None or found["odd"]:
            raise _refusal(pattern, f"{body[at : at + 10]!r} is more than characters and how often they come")
        letters = _letters(found["one"], flags)
        if not letters:
            raise _refusal(pattern, f"no character fits {found['one']!r}")
        yield _Item(letters, *_times(found["times"] or "{1}"))
        at = found.end()
    if not body:
        raise _refusal(pattern, "it fits the empty text")


def _times(text: str) -> tuple[int, int | None]:
    short: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
    if text in short:
        return short[text]
    low, comma, high = text.strip("{}").partition(",")
    return int(low), (int(high) if high else None) if comma else int(low)


def _joined(items: Iterator[_Item]) -> list[_Item]:
    r"""Return the items with equal neighbours joined: \w\w+ is \w two times or more."""
    found: list[_Item] = []
    for item in items:
        if found and found[-1].letters == item.letters:
            before = found.pop()
            high = None if before.high is None or item.high is None else before.high + item.high
            item = _Item(item.letters, before.low + item.low, high)
        found.append(item)
    return found


@lru_cache(maxsize=32)
def _letters(one: str, flags: str) -> Runs:
    """Return every character that a pattern of one character fits, by Python's own account."""
    pattern = f"(?{flags})(?:{one})+" if flags else f"(?:{one})+"
    # Half surrogate pairs, which no text holds, would only widen the runs.
    return tuple(
        (start + found.start(), start + found.end() - 1)
        for start, letters in _every_character()
        for found in re.finditer(pattern, letters)
    )


@lru_cache(maxsize=1)
def _every_character() -> tuple[tuple[int, str], ...]:
    return tuple((low, "".join(map(chr, range(low, end)))) for low, end in ((0, 0xD800), (0xE000, 0x110000)))


def _holds(letters: Runs, others: Runs) -> bool:
    """Say whether all of `others` are among `letters`."""
    starts = [low for low, _ in letters]
    places = (bisect_right(starts, low) - 1 for low, _ in others)
    return all(place >= 0 and high <= letters[place][1] for place, (_, high) in zip(places, others, strict=True))


def _class_text(letters: Runs) -> str:
    runs = (rf"\x{{{low:X}}}-\x{{{high:X}}}" for low, high in letters)
    return f"[{''.join(runs)}]"


def _refusal(pattern: str, reason: str) -> NotImplementedError:
    return NotImplementedError(f"its token_pattern {pattern!r} cannot be carried over: {reason}")

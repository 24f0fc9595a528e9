"""What a bundle allows beside what the champion allowed, as a code review shows it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from math import isnan

from hakobu.gates.evidence import RangeChange

_LISTED = re.compile(r"(?<= categories): .*(?=, else )", re.DOTALL)
"""Some of the categories; which came and went is told apart from this."""

_NAMES = 60

Part = tuple[str, bool]
"""A piece of text, and whether it is what changed."""


@dataclass(frozen=True, slots=True)
class Review:
    """One input whose limits differ."""

    feature: str
    before: tuple[Part, ...]
    after: tuple[Part, ...]
    removed: str
    """The categories that are no longer known."""
    added: str
    """The categories that are known now."""
    note: str


def reviews(changes: Sequence[RangeChange]) -> tuple[Review, ...]:
    """Return `changes` with the words marked that differ."""
    return tuple(_review(change) for change in changes)


def _review(change: RangeChange) -> Review:
    before, after = (_LISTED.sub("", text) for text in (change.before, change.after))
    old, new = (re.findall(r"[^\s]+\s*", text) for text in (before, after))
    pairs = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    if not before or not after:
        note = "no longer an input" if before else "a new input"
    else:
        known = not isnan(change.share) and change.share > 0
        note = f"{change.share:.2%} of today's training rows would have been refused or marked" if known else ""
    return Review(
        feature=change.feature,
        before=tuple(_parts(old, [(kind, a, b) for kind, a, b, _, _ in pairs])) if before != after else (),
        after=tuple(_parts(new, [(kind, a, b) for kind, _, _, a, b in pairs])) if before != after else (),
        removed=_few(change.removed),
        added=_few(change.added),
        note=note,
    )


def _parts(words: list[str], pairs: list[tuple[str, int, int]]) -> Iterator[Part]:
    """Yield the words in pieces; the space behind what changed belongs to what follows."""
    for kind, start, end in pairs:
        if start < end:
            text = "".join(words[start:end])
            yield text.rstrip(), kind != "equal"
            yield text[len(text.rstrip()) :], False


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more

"""What training held beside what the devices hold: a pair of bars for each slot."""

from collections.abc import Sequence

from markupsafe import Markup

from hakobu.hub.words import Words
from hakobu.report.draw.label import cut
from hakobu.report.draw.scale import Scale
from hakobu.report.draw.svg import boxes, element, picture
from hakobu.report.draw.svg import words as text

_WIDTH, _LEFT, _RIGHT = 360.0, 112.0, 46.0
_LINE, _BAR = 25.0, 8.0
_MOST = 24
_LETTERS = 17

Slot = tuple[str, float, float]
"""A name, and the shares of training and of now."""


def chosen(slots: Sequence[Slot]) -> tuple[list[Slot], int]:
    """Return the slots to draw, in their order, and how many are left out: those that hold least."""
    present = [slot for slot in slots if slot[1] or slot[2]]
    if len(present) <= _MOST:
        return present, 0
    kept = sorted(present, key=lambda slot: -max(slot[1], slot[2]))[:_MOST]
    return [slot for slot in present if slot in kept], len(present) - _MOST


def histogram(name: str, slots: Sequence[Slot], words: Words) -> Markup:
    """Draw the shares of `slots`."""
    highest = max((max(slot[1], slot[2]) for slot in slots), default=0.0) or 1.0
    x = Scale(0.0, highest, _LEFT, _WIDTH - _RIGHT)
    names, trained, live = [], [], []
    for place, (label, before, now) in enumerate(slots):
        top = 4 + place * _LINE
        names.append(text(_LEFT - 8, top + 13, cut(label, _LETTERS), anchor="end"))
        names.append(text(x(max(before, now)) + 5, top + 13, words.share(now, 1), "tick ink"))
        trained.append((_LEFT, top, max(x(before) - _LEFT, 0.5 if before else 0), _BAR))
        live.append((_LEFT, top + _BAR + 1, max(x(now) - _LEFT, 0.5 if now else 0), _BAR))
    height = 8 + len(slots) * _LINE
    return picture(
        _WIDTH,
        height,
        words("%(name)s: the share of rows in each slot, in training and now", name=name),
        element("path", d=boxes(box for box in trained if box[2]), class_="f-old"),
        element("path", d=boxes(box for box in live if box[2]), class_="f0"),
        *names,
    )

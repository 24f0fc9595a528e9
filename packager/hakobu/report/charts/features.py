"""Every input of the model: what training held of it, what the hold-out held, and what is allowed."""

from dataclasses import dataclass

from markupsafe import Markup

from hakobu.gates.evidence import Seen
from hakobu.report.draw.label import cut
from hakobu.report.draw.scale import Scale
from hakobu.report.draw.svg import along, boxes, element, picture, words
from hakobu_runtime.format.feature import Kind
from hakobu_runtime.format.histogram import number_text

_WIDTH, _HEIGHT, _FLOOR = 300.0, 146.0, 120.0
_LINE, _LEFT = 15.5, 92.0

Shares = list[float]


@dataclass(frozen=True, slots=True)
class FeatureCard:
    """One input, drawn and in words."""

    name: str
    kind: str
    description: str
    drawing: Markup
    allowed: str
    otherwise: str
    missing: str
    shift: str
    importance: str
    moved: bool
    """Whether the hold-out lies far from training."""


FAR = 0.2
"""The PSI from which the trade speaks of a shift."""


def feature_card(seen: Seen, importance: str) -> FeatureCard:
    """Return `seen` as a card."""
    kind = f"length of {seen.kind}" if seen.kind is Kind.TEXT else seen.kind.value
    unit = f" {seen.table.unit}" if seen.table.unit else ""
    if seen.allowed is not None:
        source = "" if seen.allowed.learned else " (declared)"
        allowed = f"{number_text(seen.allowed.low)} to {number_text(seen.allowed.high)}{unit}{source}"
    else:
        allowed = f"{seen.categories:,} categories"
    learned, judged = seen.missing
    return FeatureCard(
        name=seen.name,
        kind=kind,
        description=seen.table.description,
        drawing=_names(seen) if seen.names else _numbers(seen),
        allowed=allowed,
        otherwise=seen.table.policy.value,
        missing=f"{learned:.1%}, hold-out {judged:.1%}" if learned or judged else "none",
        shift=f"{seen.shift:.2f}",
        importance=importance,
        moved=seen.shift > FAR,
    )


def _shares(counts: tuple[int, ...]) -> Shares:
    whole = sum(counts) or 1
    return [count / whole for count in counts]


def _numbers(seen: Seen) -> Markup:
    """Draw bars of training, the outline of the hold-out, and the allowed range under them."""
    edges, learned, judged = seen.edges, _shares(seen.learned), _shares(seen.judged)
    x = Scale(edges[0], edges[-1], 4, _WIDTH - 4)
    y = Scale(0.0, max(*learned, *judged, 1e-9), _FLOOR, 6)
    places = [x(edge) for edge in edges]
    bars = [
        (left + 0.5, y(share), max(right - left - 1, 0.6), _FLOOR - y(share))
        for left, right, share in zip(places, places[1:], learned, strict=False)
        if share > 0
    ]
    outline = [
        (place, y(share))
        for left, right, share in zip(places, places[1:], judged, strict=False)
        for place in (left, right)
    ]
    parts = [
        element("path", d=boxes(bars), class_="f-old"),
        element("path", d=along([(4, _FLOOR), (_WIDTH - 4, _FLOOR)]), class_="axis"),
        element("path", d=along(outline), class_="line c0 thin"),
    ]
    low, high = seen.span
    if seen.allowed is not None:
        ends = [x.within(seen.allowed.low), x.within(seen.allowed.high)]
        parts.append(element("path", d=boxes([(ends[0], _FLOOR + 3, max(ends[1] - ends[0], 3), 4)]), class_="range"))
    more = ("≤ ", "≥ ") if seen.cut else ("", "")
    parts.append(words(4, _HEIGHT - 6, more[0] + number_text(low)))
    parts.append(words(_WIDTH - 4, _HEIGHT - 6, more[1] + number_text(high), anchor="end"))
    label = f"{seen.name}: training and hold-out from {number_text(low)} to {number_text(high)}"
    return picture(_WIDTH, _HEIGHT, label, *parts)


def _names(seen: Seen) -> Markup:
    """Draw a bar a category, with a mark for its share of the hold-out."""
    learned, judged = _shares(seen.learned), _shares(seen.judged)
    x = Scale(0.0, max(*learned, *judged, 1e-9), _LEFT, _WIDTH - 48)
    parts: list[Markup] = []
    for place, name in enumerate(seen.names):
        top = 3 + place * _LINE
        parts.append(words(_LEFT - 6, top + 9.5, cut(name, 13), anchor="end"))
        parts.append(words(_WIDTH - 4, top + 9.5, f"{learned[place]:.1%}", anchor="end"))
    tops = [4 + place * _LINE for place in range(len(seen.names))]
    bars = [(_LEFT, top, x(share) - _LEFT, 8) for top, share in zip(tops, learned, strict=True) if share > 0]
    marks = "".join(along([(x(share), top - 2), (x(share), top + 10)]) for top, share in zip(tops, judged, strict=True))
    parts.append(element("path", d=boxes(bars), class_="f-old"))
    parts.append(element("path", d=marks, class_="line c0"))
    label = f"{seen.name}: share of each category in training and in the hold-out"
    return picture(_WIDTH, 6 + len(seen.names) * _LINE, label, *parts)

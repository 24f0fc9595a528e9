"""How versions took the place of one another."""

from collections.abc import Sequence
from itertools import pairwise

from hakobu.hub.pages.fleet import Adoption
from hakobu.hub.words import Words
from hakobu.report.draw.axes import Axes, axes
from hakobu.report.draw.figure import Figure
from hakobu.report.draw.svg import Point, along, element

_MOST = 6
_HEIGHT = 232.0
_TICKS = 5


def adoption_figure(adoption: Adoption, words: Words) -> Figure:
    """Draw how many devices ran each version, as areas upon each other, the newest at the bottom."""
    layers = _layers(adoption, words)
    floors = [[0] * len(adoption.days)]
    for _, counts in layers:
        floors.append([under + many for under, many in zip(floors[-1], counts, strict=True)])
    last = len(adoption.days) - 1
    step = max(1, -(-(last + 1) // _TICKS))
    marks = [(float(place), words.short_day(adoption.days[place])) for place in range(last % step, last + 1, step)]
    span, label = (0.0, max(*floors[-1], 1) * 1.04), words("devices")
    frame = axes((0.0, float(last)), span, "", label, x_ticks=marks, height=_HEIGHT)
    areas = []
    for place, (under, over) in enumerate(pairwise(floors)):
        outline = [*_edge(frame, over), *reversed(_edge(frame, under))]
        areas.append(element("path", d=along(outline) + "z", class_=_look(place)))
    told = ", ".join(f"{name}: {words.number(counts[-1])}" for name, counts in layers)
    drawn = frame.drawn(words("devices by version over time; today %(counts)s", counts=told), *areas)
    return Figure(words("Adoption"), drawn, tuple((_look(place), name) for place, (name, _) in enumerate(layers)))


def _layers(adoption: Adoption, words: Words) -> list[tuple[str, Sequence[int]]]:
    """Return the newest versions with their counts, and the others together."""
    found: list[tuple[str, Sequence[int]]] = [
        (version, adoption.counts[version]) for version in adoption.versions[:_MOST]
    ]
    rest = [adoption.counts[version] for version in adoption.versions[_MOST:]]
    if rest:
        found.append((words("older"), [sum(column) for column in zip(*rest, strict=True)]))
    return found


def _edge(frame: Axes, heights: Sequence[int]) -> list[Point]:
    """Return the corners of a line that changes by steps."""
    points = [(0, heights[0])]
    for day, (before, after) in enumerate(pairwise(heights), start=1):
        if after != before:
            points += [(day, before), (day, after)]
    points.append((len(heights) - 1, heights[-1]))
    return [(frame.x(day), frame.y(height)) for day, height in points]


def _look(place: int) -> str:
    return f"area a{min(place, _MOST)}"

"""Charts over time: one place for each window, the newest at the right."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt

from markupsafe import Markup

from hakobu.hub.words import Words
from hakobu.report.draw.axes import Axes, Ticks, axes
from hakobu.report.draw.svg import along, boxes, element
from hakobu_runtime.format.drift import ALARM, Judgement
from hakobu_runtime.format.window import Span, Window

HEIGHT = 220.0
_TICKS = 5
_ROUND = (0.0, 0.02, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_NEAR = 14.0
"""Pixels between ticks, at least."""

Series = Sequence[float | None]
"""A value for each window; None where there is none."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart."""

    name: str
    values: Series
    look: str


def look_of(place: int) -> str:
    """Return the look of the line at a place among several: a colour, and from the fourth on a dash too."""
    return f"c{place % 6}" + (" dashed" if place % 6 >= 3 else "")


def distance_axes(lines: Sequence[Line], windows: Sequence[Window], label: str, words: Words) -> Axes:
    """Return a frame for distances from training: by their roots, so that 0.1 and 4 can both be seen."""
    highest = max((value for line in lines for value in line.values if value is not None), default=0.0)
    top = sqrt(max(highest, 2 * ALARM)) * 1.06
    room = HEIGHT - 48
    kept: list[float] = []
    for tick in _ROUND:
        if sqrt(tick) <= top and (not kept or (sqrt(tick) - sqrt(kept[-1])) / top * room >= _NEAR):
            kept.append(tick)
    ups = [(sqrt(tick), words.number(tick)) for tick in kept]
    return axes(_across(windows), (0.0, top), "", label, x_ticks=ticks(windows, words), y_ticks=ups, height=HEIGHT)


def shares(
    lines: Sequence[Line], windows: Sequence[Window], span: tuple[float, float], label: str, words: Words
) -> tuple[Axes, list[Markup]]:
    """Return a frame for values within `span`, and its lines."""
    frame = axes(_across(windows), span, "", label, x_ticks=ticks(windows, words), height=HEIGHT)
    return frame, drawn_lines(frame, lines, root=False)


def drawn_lines(frame: Axes, lines: Sequence[Line], *, root: bool) -> list[Markup]:
    """Return the lines, each broken where a value is missing; a value alone is a dot."""
    found = []
    for line in lines:
        places = [
            (place, sqrt(value) if root else value) for place, value in enumerate(line.values) if value is not None
        ]
        for part in _runs(places):
            xs, ys = zip(*part, strict=True)
            if len(part) > 1:
                found.append(frame.line(xs, ys, line.look))
            else:
                found.append(frame.dots(xs, ys, line.look + " fine"))
    return found


def verdict_marks(frame: Axes, values: Series, judged: Sequence[Judgement | None]) -> list[Markup]:
    """Mark each judged value by its shape: a square is an alarm, a triangle a warning, a ring cannot be judged."""
    found: dict[Judgement, list[str]] = {}
    for place, (value, judgement) in enumerate(zip(values, judged, strict=True)):
        if value is not None and judgement is not None:
            x, y = frame.x(place), frame.y(sqrt(value))
            found.setdefault(judgement, []).append(shape(judgement, x, y))
    return [element("path", d="".join(shapes), class_=f"mark-{judgement}") for judgement, shapes in found.items()]


def shape(judgement: Judgement, x: float, y: float) -> str:
    """Return the path of the mark of a verdict at a place."""
    if judgement is Judgement.ALARM:
        return boxes([(x - 3.4, y - 3.4, 6.8, 6.8)])
    if judgement is Judgement.WARN:
        return along([(x, y - 4.6), (x + 4.2, y + 3), (x - 4.2, y + 3)]) + "z"
    size = 2.2 if judgement is Judgement.OK else 2.6
    return f"M{x - size:.1f} {y:.1f}a{size} {size} 0 1 0 {2 * size} 0a{size} {size} 0 1 0 {-2 * size} 0z"


def stacked(
    layers: Sequence[Line], windows: Sequence[Window], top: float, label: str, words: Words, *, gap: float = 1.0
) -> Markup:
    """Draw a bar for each window, made of the layers, the first at the bottom."""
    across = (-0.5, max(len(windows), 1) - 0.5)
    frame = axes(across, (0.0, top), "", label, x_ticks=ticks(windows, words), height=HEIGHT)
    floors = [0.0] * len(windows)
    drawn = []
    for layer in layers:
        bars = []
        for place, value in enumerate(layer.values):
            if value:
                low, high = frame.y(floors[place]), frame.y(floors[place] + value)
                left, right = frame.x(place - 0.5), frame.x(place + 0.5)
                bars.append((left + gap / 2, high, max(right - left - gap, 0.8), low - high))
                floors[place] += value
        drawn.append(element("path", d=boxes(bars), class_=layer.look))
    return frame.drawn(label, *drawn)


def ticks(windows: Sequence[Window], words: Words) -> Ticks:
    """Return a few windows with their names, evenly apart."""
    if not windows:
        return []
    step = max(1, -(-len(windows) // _TICKS))
    return [(place, _short(windows[place], words)) for place in range((len(windows) - 1) % step, len(windows), step)]


def _short(window: Window, words: Words) -> str:
    return words.window(window.start) if window.span is Span.MONTH else words.short_day(window.begins)


def _across(windows: Sequence[Window]) -> tuple[float, float]:
    return (-0.5, max(len(windows), 1) - 0.5)


def _runs(places: Iterable[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    """Return the places in parts without gaps."""
    numbered = enumerate(places)
    return [[one for _, one in part] for _, part in groupby(numbered, key=lambda item: item[1][0] - item[0])]

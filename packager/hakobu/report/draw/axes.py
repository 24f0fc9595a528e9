"""A frame with two axes, and what is drawn in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from hakobu.report.draw.scale import Scale, tick_texts, ticks
from hakobu.report.draw.svg import Point, along, boxes, dots, element, picture, words

WIDTH, HEIGHT = 360.0, 262.0
_TOP, _RIGHT = 26.0, 12.0
_BOTTOM, _BOTTOM_UNNAMED = 40.0, 22.0
_LETTER = 6.3
"""How wide a digit of a tick is, at the 11 px that style.css sets."""

Ticks = Sequence[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Axes:
    """Two scales with their ticks and names."""

    x: Scale
    y: Scale
    x_ticks: Ticks
    y_ticks: Ticks
    x_label: str
    y_label: str
    height: float = HEIGHT

    def line(self, xs: Iterable[float], ys: Iterable[float], look: str) -> Markup:
        """Return a line through the values."""
        return element("path", d=along(self._places(xs, ys)), class_=f"line {look}")

    def dots(self, xs: Iterable[float], ys: Iterable[float], look: str) -> Markup:
        """Return a dot at each pair of values."""
        return element("path", d=dots(self._places(xs, ys)), class_=f"dots {look}")

    def bars(self, edges: Sequence[float], heights: Iterable[float], look: str, gap: float = 1.0) -> Markup:
        """Return bars that stand on the lower end of the y axis."""
        floor, found = self.y.start, []
        for low, high, height in zip(edges, edges[1:], heights, strict=False):
            left, right, top = self.x(low), self.x(high), self.y.within(height)
            if floor - top > 0:
                found.append((left + gap / 2, top, max(right - left - gap, 0.6), floor - top))
        return element("path", d=boxes(found), class_=look)

    def steps(self, edges: Sequence[float], heights: Sequence[float], look: str) -> Markup:
        """Return the outline of bars."""
        xs = [edge for pair in pairwise(edges) for edge in pair]
        ys = [height for height in heights for _ in range(2)]
        return self.line(xs, ys, look)

    def upright(self, value: float, look: str) -> Markup:
        """Return a line across the frame at an x."""
        at = self.x(value)
        return element("path", d=along([(at, self.y.start), (at, self.y.end)]), class_=f"line {look}")

    def level(self, value: float, look: str) -> Markup:
        """Return a line across the frame at a y."""
        at = self.y(value)
        return element("path", d=along([(self.x.start, at), (self.x.end, at)]), class_=f"line {look}")

    def drawn(self, label: str, *layers: Markup) -> Markup:
        """Return the picture: the grid, then each layer over the one before, then the axes' words."""
        return picture(WIDTH, self.height, label, *self._grid(), *layers, *self._names())

    def _places(self, xs: Iterable[float], ys: Iterable[float]) -> Iterable[Point]:
        return ((self.x(x), self.y(y)) for x, y in zip(xs, ys, strict=True))

    def _grid(self) -> Iterable[Markup]:
        lines = [along([(self.x.start, self.y(at)), (self.x.end, self.y(at))]) for at, _ in self.y_ticks]
        if lines:
            yield element("path", d="".join(lines), class_="grid")
        yield element("path", d=along([(self.x.start, self.y.start), (self.x.end, self.y.start)]), class_="axis")

    def _names(self) -> Iterable[Markup]:
        for at, text in self.y_ticks:
            yield words(self.x.start - 6, self.y(at) + 3.8, text, anchor="end")
        for at, text in self.x_ticks:
            yield words(self.x(at), self.y.start + 15, text, anchor="middle")
        yield words(0, 12, self.y_label, "name")
        if self.x_label:
            yield words(self.x.end, self.height - 6, self.x_label, "name", "end")


def axes(
    x: tuple[float, float],
    y: tuple[float, float],
    x_label: str,
    y_label: str,
    *,
    x_ticks: Ticks | None = None,
    y_ticks: Ticks | None = None,
    height: float = HEIGHT,
) -> Axes:
    """Return a frame over the spans `x` and `y`, as wide at the left as its ticks need."""
    ups = _round(*y, 5) if y_ticks is None else y_ticks
    left = max((len(text) for _, text in ups), default=0) * _LETTER + 8
    across = _round(*x, 6) if x_ticks is None else x_ticks
    last = max((len(text) for at, text in across if at > x[0] + 0.9 * (x[1] - x[0])), default=0)
    right = WIDTH - max(_RIGHT, last * _LETTER / 2)
    floor = height - (_BOTTOM if x_label else _BOTTOM_UNNAMED)
    return Axes(Scale(*x, left, right), Scale(*y, floor, _TOP), across, ups, x_label, y_label, height)


def percent_ticks(high: float, most: int = 5) -> Ticks:
    """Return ticks for shares from 0 to `high`, written in percent."""
    found = ticks(0.0, 100 * high, most)
    return [(at / 100, f"{text}%") for at, text in zip(found, tick_texts(found), strict=True)]


def _round(low: float, high: float, most: int) -> Ticks:
    found = ticks(low, high, most)
    return list(zip(found, tick_texts(found), strict=True))

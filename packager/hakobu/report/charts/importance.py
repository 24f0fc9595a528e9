"""What the model rests on: permutation importance, and what it makes of the values of a feature."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from markupsafe import Markup

from hakobu.gates.evidence import Dependence, Importance
from hakobu.report.draw.axes import axes
from hakobu.report.draw.figure import Figure
from hakobu.report.draw.label import cut
from hakobu.report.draw.scale import Scale, figure_of, spanning, with_spread
from hakobu.report.draw.svg import along, boxes, dots, element


def importance_bars(found: Sequence[Importance]) -> tuple[tuple[str, Markup, str], ...]:
    """Return a line a feature: its name, a bar with the spread over the shuffles, and the numbers in words."""
    low = min([0.0, *(one.drop - one.spread for one in found)])
    high = max([1e-12, *(one.drop + one.spread for one in found)])
    scale = Scale(low, high, 1, 199)
    lines = []
    for one in found:
        zero, end = scale(0.0), scale(one.drop)
        bar = element(
            "path", d=boxes([(min(zero, end), 4, abs(end - zero), 10)]), class_="f0" if one.drop > 0 else "f-old"
        )
        whisker = element(
            "path", d=along([(scale(one.drop - one.spread), 9), (scale(one.drop + one.spread), 9)]), class_="whisker"
        )
        axis = element("path", d=along([(zero, 0), (zero, 18)]), class_="axis")
        drawing = element(
            "svg", bar, whisker, axis, viewBox="0 0 200 18", preserveAspectRatio="none", class_="strip",
            role="img", aria_label=f"{one.feature}: {figure_of(one.drop)}",
        )  # fmt: skip
        lines.append((one.feature, drawing, with_spread(one.drop, one.spread)))
    return tuple(lines)


def dependences(found: Sequence[Dependence], gives: str) -> Iterator[Figure]:
    """Yield a picture a feature; all have the same y axis, so that a flat line is a weak effect."""
    span = spanning([mean for one in found for mean in one.means], 0.08)
    for one in found:
        numbers = [value for value in one.values if not isinstance(value, str)]
        yield _of_numbers(one, numbers, span, gives) if len(numbers) == len(one.values) else _of_names(one, span, gives)


def _of_numbers(one: Dependence, xs: list[float], span: tuple[float, float], gives: str) -> Figure:
    frame = axes(spanning(xs, 0.02), span, "", gives, height=180)
    floor = frame.y.start
    rug = element("path", d="".join(along([(frame.x(x), floor), (frame.x(x), floor - 6)]) for x in xs), class_="rug")
    layers = (rug, frame.line(xs, one.means, "c0"), frame.dots(xs, one.means, "c0 fine"))
    return Figure(one.feature, frame.drawn(_told(one, gives), *layers))


def _of_names(one: Dependence, span: tuple[float, float], gives: str) -> Figure:
    """Draw texts from the lowest mean to the highest, as a line of dots with as many names as there is room for."""
    ranked = sorted(zip(one.means, map(str, one.values), strict=True))
    letters = max(2, int(46 / len(ranked)) - 1)
    every = 1 if letters > 3 else -(-len(ranked) // 8)
    names = [(place + 0.5, cut(name, max(letters, 5))) for place, (_, name) in enumerate(ranked) if place % every == 0]
    frame = axes((0.0, float(len(ranked))), span, "", gives, x_ticks=names, height=180)
    places = [place + 0.5 for place in range(len(ranked))]
    stems = "".join(
        along([(frame.x(x), frame.y.start), (frame.x(x), frame.y(mean))])
        for x, (mean, _) in zip(places, ranked, strict=True)
    )
    marks = [
        element(
            "path", element("title", f"{name}: {figure_of(mean)}"), d=dots([(frame.x(x), frame.y(mean))]),
            class_="dots c0 big",
        )
        for x, (mean, name) in zip(places, ranked, strict=True)
    ]  # fmt: skip
    return Figure(one.feature, frame.drawn(_told(one, gives), element("path", d=stems, class_="stem"), *marks))


def _told(one: Dependence, gives: str) -> str:
    ways = {b > a for a, b in pairwise(one.means) if a != b}
    way = "rises" if ways == {True} else "falls" if ways == {False} else "varies"
    words = f"from {figure_of(min(one.means))} to {figure_of(max(one.means))}"
    return f"{gives} by {one.feature}: {way}, {words}"

"""Measures with what is known of their luck: intervals, folds, limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

from hakobu.gates.evidence import Interval
from hakobu.report.draw.scale import Scale, figure_of, spanning, tick_texts, ticks
from hakobu.report.draw.svg import along, boxes, dots, element, picture, words

_WIDTH = 360.0


def interval_words(found: Interval) -> str:
    """Return the bounds, or "" where there are none."""
    return f"{figure_of(found.low)} to {figure_of(found.high)}" if isfinite(found.low + found.high) else ""


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one metric."""

    name: str
    holdout: float
    train: float
    interval: Interval | None
    folds: Sequence[float]
    limit: float | None

    @property
    def values(self) -> tuple[float, ...]:
        """Every number that has a place in a picture of it."""
        bounds = () if self.interval is None else (self.interval.low, self.interval.high)
        limit = () if self.limit is None else (self.limit,)
        return tuple(value for value in (self.holdout, self.train, *bounds, *self.folds, *limit) if isfinite(value))


def spans(known: Sequence[Known]) -> list[tuple[float, float]]:
    """Return from where to where each metric is drawn: those between 0 and 1 over one span, so that they compare."""
    shares = [one for one in known if all(0 <= value <= 1 for value in one.values)]
    common = spanning([value for one in shares for value in one.values], 0.08)
    return [common if one in shares else spanning(one.values, 0.08) for one in known]


def strip(known: Known, span: tuple[float, float]) -> Markup:
    """Return a line with the interval as a band, the hold-out as a dot, and training, folds and limit as marks."""
    found, value, train, folds, limit = known.interval, known.holdout, known.train, known.folds, known.limit
    label = f"{known.name}: hold-out {figure_of(value)}, training {figure_of(train)}"
    x = Scale(*span, 4, 196)
    parts = [element("path", d=along([(0, 12), (200, 12)]), class_="grid")]
    if found is not None and isfinite(found.low + found.high):
        parts.append(
            element("path", d=boxes([(x(found.low), 8, max(x(found.high) - x(found.low), 1), 8)]), class_="band")
        )
    for one in folds:
        if isfinite(one):
            parts.append(element("path", d=along([(x(one), 6), (x(one), 18)]), class_="foldmark"))
    if limit is not None:
        parts.append(element("path", d=along([(x(limit), 1), (x(limit), 23)]), class_="limitmark"))
    if isfinite(train):
        parts.append(element("circle", cx=x(train), cy=12, r=4, class_="hollow"))
    if isfinite(value):
        parts.append(element("circle", cx=x(value), cy=12, r=4.5, class_="f0"))
    return element("svg", *parts, viewBox="0 0 200 24", class_="strip fixed", role="img", aria_label=label)


def duel(metric: str, champion: Interval, challenger: Interval, names: tuple[str, str]) -> Markup:
    """Return the two intervals on one axis, the champion above."""
    x = _across([champion, challenger], [])
    parts = [*_axis(x, 96)]
    for top, found, name, look in ((30.0, champion, names[0], "c1"), (70.0, challenger, names[1], "c0")):
        parts += _row(x, top, found, name, look)
    label = f"{metric}: {names[0]} {figure_of(champion.value)}, {names[1]} {figure_of(challenger.value)}"
    return picture(_WIDTH, 118, label, *parts)


def gain_line(metric: str, gain: Interval, limit: float) -> Markup:
    """Return the gain with its interval beside no gain at all, and the least that is asked for."""
    x = _across([gain], [0.0, limit])
    parts = [*_axis(x, 96)]
    parts.append(element("path", d=along([(x(0.0), 14), (x(0.0), 96)]), class_="axis"))
    parts.append(element("path", d=along([(x(limit), 14), (x(limit), 96)]), class_="limitmark"))
    parts += _row(x, 50.0, gain, "gain", "good" if gain.low > 0 else "bad" if gain.high < 0 else "c0", signed=True)
    return picture(_WIDTH, 118, f"Gain in {metric}: {figure_of(gain.value)}, {interval_words(gain)}", *parts)


def _across(found: Sequence[Interval], others: Sequence[float]) -> Scale:
    values = [part for one in found for part in (one.value, one.low, one.high)]
    return Scale(*spanning([*values, *others], 0.1), 12, _WIDTH - 12)


def _axis(x: Scale, floor: float) -> list[Markup]:
    at = ticks(x.low, x.high, 6)
    lines = "".join(along([(x(value), 14), (x(value), floor)]) for value in at)
    texts = [words(x(value), floor + 15, text, anchor="middle") for value, text in zip(at, tick_texts(at), strict=True)]
    return [element("path", d=lines, class_="grid"), *texts]


def _row(x: Scale, top: float, found: Interval, name: str, look: str, *, signed: bool = False) -> list[Markup]:
    known = isfinite(found.low + found.high)
    bounds = f" ({interval_words(found)})" if known else ""
    value = f"{found.value:+.4g}" if signed else figure_of(found.value)
    parts = [words(12, top - 8, f"{name}: {value}{bounds}", "name halo")]
    if known:
        parts.append(
            element("path", d=along([(x(found.low), top + 4), (x(found.high), top + 4)]), class_=f"span {look}")
        )
    if isfinite(found.value):
        parts.append(element("path", d=dots([(x(found.value), top + 4)]), class_=f"dots {look} huge"))
    return parts

"""The drawings of a fleet's drift: over time, and training against what there is now."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log10

import numpy as np
from markupsafe import Markup

from hakobu.report.draw.axes import WIDTH, Axes, Ticks, axes, percent_ticks
from hakobu.report.draw.label import cut
from hakobu.report.draw.scale import Scale, spanning
from hakobu.report.draw.svg import along, boxes, dots, element, picture, words
from hakobu_runtime.format.drift import ALARM, WARN, Finding, Judgement, share_text
from hakobu_runtime.format.histogram import Bins, Counts
from hakobu_runtime.format.results import Results

LOOKS = {Judgement.ALARM: "bad", Judgement.WARN: "warn", Judgement.OK: "good", Judgement.INSUFFICIENT: "faint"}
_SMALLEST = 0.01
"""The PSI* that is drawn as none: the axis is logarithmic."""
_HEIGHT, _LOW = 196.0, 132.0
_LINE, _LEFT, _RIGHT = 25.0, 112.0, 96.0
_MOST_SLOTS = 14
_LETTER = 6.3


@dataclass(frozen=True, slots=True)
class Side:
    """One of two histograms that are held against each other."""

    name: str
    counts: Counts


def psi_over_time(starts: Sequence[str], findings: Sequence[Finding]) -> Markup:
    """Draw PSI* by period, with the limits, and how far periods strayed inside the training."""
    most = max([1.0, *(one.debiased for one in findings), *(one.threshold for one in findings)])
    top = log10(most) + 0.12
    ups = [(log10(value), text) for value, text in _DECADES if log10(value) <= top]
    frame = axes(
        (0, len(starts)), (log10(_SMALLEST), top), "", "PSI*", x_ticks=_periods(starts), y_ticks=ups, height=_HEIGHT
    )
    xs = [place + 0.5 for place in range(len(starts))]
    ys = [log10(max(one.debiased, _SMALLEST)) for one in findings]
    layers = [frame.level(log10(WARN), "warn dashed thin"), frame.level(log10(ALARM), "bad dashed thin")]
    usual = max((one.threshold for one in findings), default=0.0)
    if usual > _SMALLEST:
        layers.append(frame.level(log10(usual), "faint thin"))
    layers.append(frame.line(xs, ys, "c0 thin"))
    for judgement, look in LOOKS.items():
        here = [place for place, one in enumerate(findings) if one.judgement is judgement]
        if here:
            size = "big" if len(starts) <= 40 else "fine"
            layers.append(frame.dots([xs[place] for place in here], [ys[place] for place in here], f"{size} {look}"))
    told = f"PSI* by period, {findings[-1].debiased:.2f} in {starts[-1]}"
    return frame.drawn(told, *layers)


_DECADES = [(0.01, "0"), (0.1, "0.1"), (1.0, "1"), (10.0, "10"), (100.0, "100"), (1000.0, "1000")]


def divergence_over_time(starts: Sequence[str], values: Sequence[float], name: str) -> Markup:
    """Draw JS or KL by period."""
    high = max(*values, 1e-6) * 1.12
    frame = axes((0, len(starts)), (0.0, high), "", name, x_ticks=_periods(starts), height=_LOW)
    xs = [place + 0.5 for place in range(len(starts))]
    size = "big" if len(starts) <= 40 else "fine"
    layers = [frame.line(xs, values, "c0 thin"), frame.dots(xs, values, f"{size} c0")]
    return frame.drawn(f"{name} by period, {values[-1]:.3g} in {starts[-1]}", *layers)


def breaches_over_time(starts: Sequence[str], shares: Sequence[float]) -> Markup:
    """Draw the share of rows that broke a rule of the feature, by period."""
    high = max(*shares, 1e-6) * 1.1
    frame = axes(
        (0, len(starts)),
        (0.0, high),
        "",
        "breaches, of the rows",
        x_ticks=_periods(starts),
        y_ticks=percent_ticks(high, 4),
        height=_LOW,
    )
    drawing = frame.bars(range(len(starts) + 1), shares, "f1", gap=4.0 if len(starts) <= 40 else 0.6)
    return frame.drawn(f"share of rows with a breach, {shares[-1]:.1%} in {starts[-1]}", drawing)


def histograms(bins: Bins, before: Side, live: Side, look: str = "f0") -> Markup:
    """Draw two shares of rows for each slot that either has rows in, those of `live` under the others."""
    labels, places = _slots(bins, before.counts, live.counts)
    shares = [_shares(side.counts, places) for side in (before, live)]
    x = Scale(0.0, max(*shares[0], *shares[1], 1e-9), _LEFT, WIDTH - _RIGHT)
    parts: list[Markup] = []
    for row, label in enumerate(labels):
        top = 4 + row * _LINE
        parts.append(words(_LEFT - 7, top + 14, cut(label, 17), "name", anchor="end"))
        for side, (share, own) in enumerate(zip((one[row] for one in shares), ("f-old", look), strict=True)):
            if share > 0:
                width = max(x(share) - _LEFT, 1.0)
                parts.append(element("path", d=boxes([(_LEFT, top + 1 + 9 * side, width, 9)]), class_=own))
        parts.append(words(WIDTH - 54, top + 14, share_text(shares[0][row]), "name", anchor="end"))
        parts.append(words(WIDTH - 1, top + 14, share_text(shares[1][row]), "name now", anchor="end"))
    height = 8 + len(labels) * _LINE
    parts.append(element("path", d=along([(_LEFT, 0), (_LEFT, height - 2)]), class_="axis"))
    return picture(WIDTH, height, f"share of rows by value: {before.name} and {live.name}", *parts)


def _slots(bins: Bins, one: Counts, other: Counts) -> tuple[list[str], list[list[int]]]:
    """Return the labels of what is drawn, and the slots behind each: all with rows, or the largest and a rest."""
    labels = bins.labels()
    held = [slot for slot in range(bins.size) if one[slot] or other[slot]]
    if len(held) <= _MOST_SLOTS:
        return [labels[slot] for slot in held], [[slot] for slot in held]
    weight = one / max(one.sum(), 1) + other / max(other.sum(), 1)
    kept = sorted(held, key=lambda slot: -weight[slot])[: _MOST_SLOTS - 1]
    shown = [slot for slot in held if slot in set(kept)]
    rest = [slot for slot in held if slot not in set(kept)]
    return [*(labels[slot] for slot in shown), f"{len(rest)} more"], [*([slot] for slot in shown), rest]


def _shares(counts: Counts, places: Sequence[Sequence[int]]) -> list[float]:
    whole = max(int(counts.sum()), 1)
    return [float(counts[list(place)].sum() / whole) for place in places]


def outcome_over_time(starts: Sequence[str], results: Sequence[Results | None], metric: str, name: str) -> Markup:
    """Draw a measure by period with its bounds of 95 %, the hold-out's value, and the estimate where there is one."""
    xs = [place + 0.5 for place in range(len(starts))]
    found = [
        next((one for one in result.standings if one.metric == metric), None) if result else None for result in results
    ]
    guesses = [result.estimate if result and metric == "accuracy" else None for result in results]
    known = [value for one in found if one for value in (one.low, one.high, one.holdout)]
    known += [value for one in guesses if one for value in (one.low, one.high)]
    frame = axes((0, len(starts)), spanning(known, 0.12), "", name, x_ticks=_periods(starts), height=_HEIGHT)
    layers = [frame.level(one.holdout, "faint dashed thin") for one in found[:1] if one]
    for x, guess in zip(xs, guesses, strict=True):
        if guess:
            layers += _guessed(frame, x - 0.16, guess.low, guess.value, guess.high)
    for x, one in zip(xs, found, strict=True):
        if one:
            look = LOOKS[one.judgement]
            layers.append(
                element(
                    "path",
                    d=along([(frame.x(x), frame.y(one.low)), (frame.x(x), frame.y(one.high))]),
                    class_=f"span {look}",
                )
            )
            layers.append(frame.dots([x], [one.value], f"big {look}"))
    return frame.drawn(f"{name} by period, with bounds of 95 %", *layers)


def _guessed(frame: Axes, x: float, low: float, value: float, high: float) -> list[Markup]:
    stem = along([(frame.x(x), frame.y(low)), (frame.x(x), frame.y(high))])
    ring = element("circle", cx=frame.x(x), cy=frame.y(value), r=4, class_="hollow")
    return [element("path", d=stem, class_="line faint dashed thin"), ring]


def worst_over_time(starts: Sequence[str], worst: Sequence[Finding | None]) -> Markup:
    """Draw the PSI* of the input that drifted most, by period."""
    high = max([1.0, *(one.debiased for one in worst if one)])
    top = log10(high) + 0.12
    ups = [(log10(value), text) for value, text in _DECADES if log10(value) <= top]
    frame = axes(
        (0, len(starts)),
        (log10(_SMALLEST), top),
        "",
        "PSI* of the worst input",
        x_ticks=_periods(starts),
        y_ticks=ups,
        height=_HEIGHT,
    )
    layers = [frame.level(log10(WARN), "warn dashed thin"), frame.level(log10(ALARM), "bad dashed thin")]
    for place, one in enumerate(worst):
        if one and isfinite(one.debiased):
            at = [(frame.x(place + 0.5), frame.y(log10(max(one.debiased, _SMALLEST))))]
            layers.append(element("path", d=dots(at), class_=f"dots big {LOOKS[one.judgement]}"))
    return frame.drawn("PSI* of the input that drifted most, by period", *layers)


def _periods(starts: Sequence[str]) -> Ticks:
    """Return as many periods' names as there is room for."""
    longest = max(map(len, starts))
    most = max(2, int((WIDTH - 60) / (longest * _LETTER + 12)))
    step = max(1, -(-len(starts) // most))
    return [(place + 0.5, starts[place]) for place in np.arange(len(starts) - 1, -1, -step).tolist()][::-1]

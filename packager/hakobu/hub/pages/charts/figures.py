"""The figures of the page of one input, with their titles and legends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hakobu.hub.pages.charts.histogram import chosen, histogram
from hakobu.hub.pages.charts.timeline import (
    Line,
    Series,
    distance_axes,
    drawn_lines,
    look_of,
    stacked,
    verdict_marks,
)
from hakobu.hub.pages.feature import Compared, FeatureView
from hakobu.hub.words import Words
from hakobu.report.draw.figure import Figure
from hakobu_runtime.format.drift import ALARM, WARN
from hakobu_runtime.format.histogram import NumberBins


@dataclass(frozen=True, slots=True)
class FeatureFigures:
    """All of them."""

    histogram: Figure
    drift: Figure
    others: Figure
    compared: tuple[Figure, ...]
    breaches: Figure | None


def feature_figures(view: FeatureView, words: Words) -> FeatureFigures:
    """Return the figures of the page of one input."""
    compared = (by_version(view, words), by_group(view, words))
    return FeatureFigures(
        histogram_figure(view, words),
        drift_figure(view, words),
        other_distances(view, words),
        tuple(figure for figure in compared if figure is not None),
        breaches_figure(view, words),
    )


def histogram_figure(view: FeatureView, words: Words) -> Figure:
    """Draw training beside the window that was chosen."""
    is_number = isinstance(view.subject.baseline.bins, NumberBins)
    named = [
        (words.told(label) if is_number or place >= len(view.slots) - 2 else label, before, now)
        for place, (label, before, now) in enumerate(view.slots)
    ]
    slots, left_out = chosen(named)
    note = words.many("%(number)s rarer slot is left out", "%(number)s rarer slots are left out", left_out)
    unit = view.subject.feature.unit if view.subject.feature else ""
    title = f"{view.subject.name} ({unit})" if unit else view.subject.name
    return Figure(
        words("%(name)s in training and now", name=title),
        histogram(view.subject.name, slots, words),
        (("f-old", words("training")), ("f0", words.window(view.at) if view.at else words("now"))),
        note if left_out else "",
    )


def drift_figure(view: FeatureView, words: Words) -> Figure:
    """Draw PSI* over time, each window marked by what is to be thought of it."""
    values: Series = [None if one is None else one.debiased for one in view.findings]
    line = Line("PSI*", values, "faint")
    windows = view.shown.windows
    frame = distance_axes([line], windows, "PSI*", words)
    marks = verdict_marks(frame, values, [None if one is None else one.judgement for one in view.findings])
    usual = max((one.threshold for one in view.findings if one), default=0.0)
    limits = [frame.level(WARN**0.5, "limit-warn"), frame.level(ALARM**0.5, "limit-alarm")]
    if usual > WARN and usual**0.5 < frame.y.high:
        limits.append(frame.level(usual**0.5, "limit-usual"))
    drawn = frame.drawn(
        words("PSI* of %(name)s over time", name=view.subject.name),
        *limits,
        *drawn_lines(frame, [line], root=True),
        *marks,
    )
    legend = [
        ("mark-alarm", words("alarm")),
        ("mark-warn", words("warning")),
        ("mark-ok", words("ok")),
        ("mark-insufficient", words("too few rows")),
    ]
    if usual > WARN:
        legend.append(("limit-usual", words("as far as training's own windows strayed")))
    note = words("PSI less what chance gives on average; lines at 0.1 and 0.2; the axis is stretched near 0")
    return Figure(words("Distance from training"), drawn, tuple(legend), note)


def other_distances(view: FeatureView, words: Words) -> Figure:
    """Draw the divergences of Jensen and Shannon, and of Kullback and Leibler, over time."""
    lines = [
        Line(words("JS, bits"), [None if one is None else one.js for one in view.findings], "c0"),
        Line(words("KL, nats"), [None if one is None else one.kl for one in view.findings], "c1 dashed"),
    ]
    return _lines(words("Other measures"), lines, "", view, words)


def by_version(view: FeatureView, words: Words) -> Figure | None:
    """Draw PSI* for each version, against its own training; None for a single one."""
    note = words("each against its own training")
    return _compared(words("By version"), view.by_version, note, view, words)


def by_group(view: FeatureView, words: Words) -> Figure | None:
    """Draw PSI* for each group of devices; None for a single one."""
    return _compared(words("By group of devices"), view.by_group, "", view, words)


def _compared(title: str, found: Sequence[Compared], note: str, view: FeatureView, words: Words) -> Figure | None:
    if len(found) < 2:
        return None
    lines = [Line(one.name or words("no group"), one.debiased, look_of(place)) for place, one in enumerate(found)]
    figure = _lines(title, lines, "PSI*", view, words)
    return replace(figure, note=note)


def _lines(title: str, lines: Sequence[Line], label: str, view: FeatureView, words: Words) -> Figure:
    frame = distance_axes(lines, view.shown.windows, label, words)
    drawn = frame.drawn(f"{title}: {view.subject.name}", *drawn_lines(frame, lines, root=True))
    return Figure(title, drawn, tuple((line.look, line.name) for line in lines))


def breaches_figure(view: FeatureView, words: Words) -> Figure | None:
    """Draw the share of rows that broke a rule, by rule, over time; None where none did."""
    if not view.breaches:
        return None
    layers = [
        Line(
            words.told(one.rule),
            [many / rows if rows else None for many, rows in zip(one.counts, view.rows, strict=True)],
            f"area a{place}",
        )
        for place, one in enumerate(view.breaches[:6])
    ]
    columns = zip(*(layer.values for layer in layers), strict=True)
    top = max(sum(value or 0.0 for value in column) for column in columns)
    windows = view.shown.windows
    drawn = stacked(layers, windows, top * 1.05 or 1.0, words("share of rows"), words)
    legend = tuple((layer.look, layer.name) for layer in layers)
    return Figure(words("Breaches"), drawn, legend)

"""Measures of outcomes over time: each with its interval, beside the hold-out and what is only estimated."""

from markupsafe import Markup

from hakobu.hub.pages.charts.timeline import Line, shape, shares
from hakobu.hub.pages.outcomes import MeasureLine, OutcomesView
from hakobu.hub.words import Words
from hakobu.report.draw.axes import Axes
from hakobu.report.draw.figure import Figure
from hakobu.report.draw.scale import spanning
from hakobu.report.draw.svg import along, element
from hakobu_runtime.format.drift import Judgement


def outcome_figures(view: OutcomesView, words: Words) -> tuple[Figure, ...]:
    """Return a figure for each measure."""
    return tuple(_figure(line, view, words) for line in view.lines)


def _figure(line: MeasureLine, view: OutcomesView, words: Words) -> Figure:
    named = {
        "accuracy": words("Accuracy"),
        "roc_auc": words("Area under the ROC curve"),
        "mean_absolute_error": words("Mean absolute error"),
    }
    title = named.get(line.metric, line.metric)
    # An interval over a handful of labels is as wide as the picture: it may go beyond its ends.
    told = [one.value for one in line.standings if one] + [one.value for one in line.estimates if one]
    sure = [end for one in line.standings if one and one.rows >= 100 for end in (one.low, one.high)]
    span = spanning([*told, *sure, line.holdout], 0.1)
    values = [one.value if one else None for one in line.standings]
    frame, drawn = shares([Line(title, values, "c0 thin")], view.windows, span, "", words)
    layers = [
        frame.level(line.holdout, "holdout dashed"),
        _intervals(frame, line),
        *drawn,
        *_points(frame, line),
        _estimates(frame, line),
    ]
    legend = [("c0 thin", words("with labels, and its interval of 95 %")), ("holdout dashed", words("hold-out"))]
    if any(line.estimates):
        legend.append(("estimate", words("estimate without labels, from the scores")))
    legend += [
        (f"mark-{judgement}", text)
        for judgement, text in ((Judgement.ALARM, words("alarm")), (Judgement.WARN, words("warning")))
        if any(one and one.judgement is judgement for one in line.standings)
    ]
    label = words(
        "%(measure)s over time; %(value)s on the hold-out", measure=title, value=words.number(line.holdout, 3)
    )
    return Figure(title, frame.drawn(label, *layers), tuple(legend))


def _intervals(frame: Axes, line: MeasureLine) -> Markup:
    bars = "".join(
        along([(frame.x(place), frame.y.within(one.low)), (frame.x(place), frame.y.within(one.high))])
        for place, one in enumerate(line.standings)
        if one
    )
    return element("path", d=bars, class_="interval")


def _points(frame: Axes, line: MeasureLine) -> list[Markup]:
    found = []
    for judgement in Judgement:
        points = [(place, one.value) for place, one in enumerate(line.standings) if one and one.judgement is judgement]
        if points:
            xs, ys = zip(*points, strict=True)
            shapes = "".join(shape(judgement, frame.x(x), frame.y.within(y)) for x, y in zip(xs, ys, strict=True))
            look = "c0-fill" if judgement is Judgement.OK else f"mark-{judgement}"
            found.append(element("path", d=shapes, class_=look))
    return found


def _estimates(frame: Axes, line: MeasureLine) -> Markup:
    rings = "".join(
        f"M{frame.x(place):.1f} {frame.y.within(one.value) - 4:.1f}l4 4l-4 4l-4-4z"
        for place, one in enumerate(line.estimates)
        if one
    )
    return element("path", d=rings, class_="estimate")

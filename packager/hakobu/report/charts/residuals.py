"""Where a regression errs: predicted against true, the residuals, and whether they are like noise."""

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hakobu.report.draw.axes import axes, percent_ticks
from hakobu.report.draw.figure import Figure
from hakobu.report.draw.scale import figure_of, spanning

_DOTS, _BARS, _QUANTILES = 1200, 30, 99

Values = NDArray[np.float64]


def residuals(true: Values, said: Values) -> Iterator[Figure]:
    """Yield the pictures of `true` minus `said`, each of shape (rows,)."""
    left = true - said
    keep = np.unique(np.linspace(0, len(true) - 1, min(_DOTS, len(true))).round().astype(np.int64))
    some = f"{len(keep):,} of {len(true):,} rows, spread evenly" if len(keep) < len(true) else ""
    yield _against(true[keep], said[keep], some)
    yield _fan(said, left, keep)
    yield _spread(left)
    yield _normal(left)
    yield _within(true, left)


def _against(true: Values, said: Values, note: str) -> Figure:
    span = spanning([*true.tolist(), *said.tolist()], 0.03)
    frame = axes(span, span, "true", "predicted")
    layers = [frame.dots(true.tolist(), said.tolist(), "c0 cloud"), frame.line(span, span, "faint dashed")]
    label = "Predicted against true values; on the diagonal a prediction is right"
    return Figure("Predicted against true", frame.drawn(label, *layers), (("faint dashed", "exactly right"),), note)


def _fan(said: Values, left: Values, keep: NDArray[np.int64]) -> Figure:
    frame = axes(
        spanning(said[keep].tolist(), 0.03), spanning([0.0, *left[keep].tolist()]), "predicted",
        "residual: true minus predicted",
    )  # fmt: skip
    order = np.argsort(said, kind="stable")
    parts = [part for part in np.array_split(order, 12) if len(part)]
    middles = [float(np.median(left[part])) for part in parts]
    places = [float(np.median(said[part])) for part in parts]
    layers = [
        frame.dots(said[keep].tolist(), left[keep].tolist(), "c0 cloud"), frame.level(0.0, "faint dashed"),
        frame.line(places, middles, "c1"),
    ]  # fmt: skip
    legend = (("c1", "median residual; away from 0 it is a bias"),)
    return Figure("Residuals by prediction", frame.drawn("Residuals against predictions", *layers), legend)


def _spread(left: Values) -> Figure:
    low, high = np.quantile(left, [0.002, 0.998]).tolist()
    low, high = spanning([low, high], 0.02)
    counts, edges = np.histogram(np.clip(left, low, high), bins=_BARS, range=(low, high))
    shares = counts / max(counts.sum(), 1)
    top = float(shares.max()) * 1.08
    frame = axes((low, high), (0.0, top), "residual", "share of rows", y_ticks=percent_ticks(top))
    layers = [frame.bars(edges.tolist(), shares.tolist(), "f0")]
    if low < 0 < high:
        layers.append(frame.upright(0.0, "faint dashed"))
    legend: tuple[tuple[str, str], ...] = ()
    deviation = float(left.std())
    if deviation > 0:
        bell = NormalDist(float(left.mean()), deviation)
        xs = np.linspace(low, high, 60).tolist()
        width = float(edges[1] - edges[0])
        layers.append(frame.line(xs, [min(bell.pdf(x) * width, top) for x in xs], "c1"))
        legend = (("c1", f"normal, deviation {figure_of(deviation)}"),)
    words = f"mean {figure_of(float(left.mean()))}, median {figure_of(float(np.median(left)))}"
    return Figure("Spread of the residuals", frame.drawn(f"Histogram of residuals; {words}", *layers), legend, words)


def _normal(left: Values) -> Figure:
    shares = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    found = np.quantile(left, shares)
    deviation = float(left.std()) or 1.0
    bell = NormalDist(float(left.mean()), deviation)
    expected = [bell.inv_cdf(float(share)) for share in shares]
    span = spanning([*expected, *found.tolist()])
    frame = axes(span, span, "if they were normal", "quantiles of the residuals")
    layers = [frame.line(span, span, "faint dashed"), frame.dots(expected, found.tolist(), "c0")]
    note = "Ends that leave the diagonal are errors larger than chance would make them."
    return Figure("Are they like noise? (Q-Q)", frame.drawn("Normal quantile plot of residuals", *layers), (), note)


def _within(true: Values, left: Values) -> Figure:
    """Draw what share of the rows has an error of so much or less, beside always saying the mean.

    J. Bi and K. P. Bennett, "Regression Error Characteristic Curves", ICML 2003.
    """
    shares = np.linspace(0, 1, 81)
    mine, guess = (np.quantile(np.abs(errors), shares) for errors in (left, true - true.mean()))
    high = float(np.quantile(np.concatenate([mine, guess]), 0.97)) or 1.0
    frame = axes((0.0, high), (0.0, 1.0), "error of so much or less", "share of rows", y_ticks=percent_ticks(1.0))
    layers = []
    for errors, look in ((guess, "faint dashed"), (mine, "c0")):
        keep = errors <= high
        layers.append(frame.line(errors[keep].tolist(), shares[keep].tolist(), look))
    middle = figure_of(float(np.median(np.abs(left))))
    legend = (("c0", f"this model: half within {middle}"), ("faint dashed", "always the mean"))
    return Figure("How many are close", frame.drawn(f"Share of rows by error; half within {middle}", *layers), legend)

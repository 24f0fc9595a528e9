"""How well the probabilities rank and mean what they say: ROC, precision and recall, calibration."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from hakobu.gates.calibration import calibration_of
from hakobu.report.draw.axes import axes, percent_ticks
from hakobu.report.draw.figure import Figure

_POINTS = 150
_FIRST = 0.01
"""The share caught below which precision is the luck of a few rows."""

_MOST_CLASSES = 6
"""More curves than these nobody tells apart."""

_UNIT = (0.0, 1.0)
_TICKS = percent_ticks(1.0, 6)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The probabilities of one model for the rows whose classes are known."""

    name: str
    probabilities: NDArray[np.floating]
    """Shape (rows, classes)."""


def curves(codes: NDArray[np.int64], classes: tuple[str, ...], models: list[Ranking]) -> Iterator[Figure]:
    """Yield the curves of each of `models`, the challenger first; of more than two classes the challenger's alone."""
    lines = _lines(codes, classes, models)
    if lines:
        yield _roc(lines)
        yield _precision(lines)
    yield from _calibration(codes, models)


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    look: str
    right: NDArray[np.bool_]
    given: NDArray[np.floating]


def _lines(codes: NDArray[np.int64], classes: tuple[str, ...], models: list[Ranking]) -> list[_Line]:
    """Return one line a model for the last of two classes, or one a class, the commonest first; none of one class."""
    if len(classes) == 2:
        found = [_Line(one.name, f"c{place}", codes == 1, one.probabilities[:, 1]) for place, one in enumerate(models)]
    else:
        common = np.argsort(-np.bincount(codes, minlength=len(classes)), kind="stable")[:_MOST_CLASSES].tolist()
        odds = models[0].probabilities
        found = [
            _Line(classes[code], f"c{place}", codes == code, odds[:, code]) for place, code in enumerate(sorted(common))
        ]
    return [line for line in found if line.right.any() and not line.right.all()]


def _roc(lines: list[_Line]) -> Figure:
    frame = axes(_UNIT, _UNIT, "share of the others also caught", "share caught", x_ticks=_TICKS, y_ticks=_TICKS)
    layers, legend = [frame.line(_UNIT, _UNIT, "faint dashed")], []
    for line in lines:
        false, true, _ = roc_curve(line.right, line.given)
        area = f"{auc(false, true):.3f}"
        xs, ys = _thinned(false, true)
        layers.append(frame.line(xs, ys, line.look))
        legend.append((line.look, f"{line.name}: area {area}"))
    layers[1:] = layers[:0:-1]  # the challenger over the champion
    label = "ROC curve; " + ", ".join(text for _, text in legend)
    return Figure("ROC curve", frame.drawn(label, *layers), (*legend, ("faint dashed", "a guess")))


def _precision(lines: list[_Line]) -> Figure:
    frame = axes(_UNIT, _UNIT, "share caught (recall)", "share right (precision)", x_ticks=_TICKS, y_ticks=_TICKS)
    layers, legend = [], []
    for line in lines:
        precision, recall, _ = precision_recall_curve(line.right, line.given)
        average = f"{average_precision_score(line.right, line.given):.3f}"
        known = recall[::-1] >= _FIRST
        xs, ys = _thinned(recall[::-1][known], precision[::-1][known])
        layers.append(frame.line(xs, ys, line.look))
        legend.append((line.look, f"{line.name}: average {average}"))
    guess = float(lines[0].right.mean())
    base = [frame.level(guess, "faint dashed")] if len({line.right.tobytes() for line in lines}) == 1 else []
    note = (("faint dashed", f"a guess: {guess:.0%}"),) if base else ()
    label = "Precision and recall; " + ", ".join(text for _, text in legend)
    return Figure("Precision and recall", frame.drawn(label, *base, *reversed(layers)), (*legend, *note))


def _calibration(codes: NDArray[np.int64], models: list[Ranking]) -> Iterator[Figure]:
    frame = axes(_UNIT, _UNIT, "probability given", "share that was so", x_ticks=_TICKS, y_ticks=_TICKS)
    layers, legend = [frame.line(_UNIT, _UNIT, "faint dashed")], list[tuple[str, str]]()
    for place, one in reversed(list(enumerate(models))):
        found = calibration_of(one.probabilities, codes)
        if found is None:
            continue
        look = f"c{place}"
        layers += [frame.line(found.given, found.found, f"{look} thin"), frame.dots(found.given, found.found, look)]
        legend.insert(0, (look, f"{one.name}: off by {100 * found.error:.1f} points"))
    if legend:
        label = "Calibration; " + ", ".join(text for _, text in legend)
        yield Figure("Calibration", frame.drawn(label, *layers), (*legend, ("faint dashed", "as it should be")))


def _thinned(xs: NDArray[np.floating], ys: NDArray[np.floating]) -> tuple[list[float], list[float]]:
    """Return enough of the points for the eye: both ends, and others spread evenly."""
    if len(xs) > _POINTS:
        keep = np.unique(np.linspace(0, len(xs) - 1, _POINTS).round().astype(np.int64))
        xs, ys = xs[keep], ys[keep]
    return xs.tolist(), ys.tolist()

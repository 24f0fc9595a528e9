"""What the model says of the hold-out, all rows together."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hakobu.report.draw.axes import axes, percent_ticks
from hakobu.report.draw.figure import Figure
from hakobu.report.draw.label import cut
from hakobu.report.draw.scale import spanning

_BARS, _MOST_CLASSES = 25, 12
_TENTHS = percent_ticks(1.0, 6)


def classes_said(codes: NDArray[np.int64], said: NDArray[np.int64], classes: tuple[str, ...]) -> Iterator[Figure]:
    """Yield how often each class is there, and how often it is given."""
    size = len(classes)
    true, given = (np.bincount(which, minlength=size) / len(which) for which in (codes, said))
    kept = np.sort(np.argsort(-true, kind="stable")[:_MOST_CLASSES])
    top = float(max(true.max(), given.max())) * 1.1
    letters = max(3, int(44 / len(kept)))
    names = [(place + 0.5, cut(classes[code], letters)) for place, code in enumerate(kept.tolist())]
    frame = axes(
        (0.0, float(len(kept))), (0.0, top), "class", "share of rows", x_ticks=names, y_ticks=percent_ticks(top)
    )
    layers = []
    for offset, shares, look in ((0.14, true, "f-old"), (0.5, given, "f0")):
        for place, code in enumerate(kept.tolist()):
            layers.append(frame.bars([place + offset, place + offset + 0.36], [float(shares[code])], look))
    label = "Share of the rows of each class, true and predicted"
    note = f"The {len(kept)} commonest of {size} classes." if len(kept) < size else ""
    yield Figure("Classes", frame.drawn(label, *layers), (("f-old", "true"), ("f0", "predicted")), note)


def probabilities_said(
    codes: NDArray[np.int64], odds: NDArray[np.floating], classes: tuple[str, ...]
) -> Iterator[Figure]:
    """Yield how the probabilities are spread: of the last of two classes by the true class, else of the likeliest."""
    edges = np.linspace(0, 1, _BARS + 1)
    if len(classes) == 2:
        given, parts = odds[:, 1], [(classes[0], codes == 0), (classes[1], codes == 1)]
        title, name = "Probabilities by true class", f"probability of {cut(classes[1], 24)}"
    else:
        given, right = odds.max(axis=1), odds.argmax(axis=1) == codes
        parts = [("wrong", ~right), ("right", right)]
        title, name = "Probability of the class given", "probability"
    shares = [np.histogram(given[mine], bins=edges)[0] / max(int(mine.sum()), 1) for _, mine in parts]
    top = float(max(share.max() for share in shares)) * 1.08
    frame = axes((0.0, 1.0), (0.0, top), name, "share of the rows of each", x_ticks=_TENTHS, y_ticks=percent_ticks(top))
    layers = [
        frame.bars(edges.tolist(), share.tolist(), f"half f{1 - place}", gap=0.0) for place, share in enumerate(shares)
    ]
    layers += [frame.steps(edges.tolist(), share.tolist(), f"thin c{1 - place}") for place, share in enumerate(shares)]
    legend = tuple(
        (f"f{1 - place}", f"{cut(label, 24)} ({int(mine.sum()):,} rows)") for place, (label, mine) in enumerate(parts)
    )
    yield Figure(title, frame.drawn(f"Histogram of the {name}", *layers), legend)


def values_said(true: NDArray[np.float64], said: NDArray[np.float64]) -> Iterator[Figure]:
    """Yield how the numbers that a regression gives are spread, beside the true ones."""
    both = np.concatenate([true, said])
    low, high = spanning(np.quantile(both, [0.002, 0.998]).tolist(), 0.02)
    edges = np.linspace(low, high, _BARS + 1)
    shares = [np.histogram(np.clip(part, low, high), bins=edges)[0] / len(part) for part in (true, said)]
    top = float(max(share.max() for share in shares)) * 1.08
    frame = axes((low, high), (0.0, top), "value", "share of rows", y_ticks=percent_ticks(top))
    layers = [
        frame.bars(edges.tolist(), shares[0].tolist(), "f-old"), frame.steps(edges.tolist(), shares[1].tolist(), "c0")
    ]  # fmt: skip
    label = "Histogram of the predictions beside the true values"
    yield Figure("Predictions", frame.drawn(label, *layers), (("f-old", "true"), ("c0", "predicted")))

"""How long one row took. The only part of a report that differs from build to build."""

from collections.abc import Sequence

import numpy as np

from hakobu.report.draw.axes import axes
from hakobu.report.draw.figure import Figure

_BARS = 30


def latency(seconds: Sequence[float]) -> Figure:
    """Return how the times are spread; the slowest hundredth is drawn into the last bar."""
    micro = np.array(seconds) * 1e6
    middle, late = np.quantile(micro, [0.5, 0.99]).tolist()
    high = max(late * 1.05, 1e-3)
    counts, edges = np.histogram(np.minimum(micro, high), bins=_BARS, range=(0.0, high))
    frame = axes((0.0, high), (0.0, float(counts.max()) * 1.08), "microseconds", "rows", height=210)
    layers = [
        frame.bars(edges.tolist(), counts.tolist(), "f0"), frame.upright(middle, "c1"), frame.upright(late, "c1 dashed")
    ]  # fmt: skip
    legend = (("c1", f"half of the rows: within {middle:.0f} µs"), ("c1 dashed", f"99 of 100: within {late:.0f} µs"))
    label = f"Times of {len(micro)} single rows: median {middle:.0f} microseconds"
    return Figure("Time for one row", frame.drawn(label, *layers), legend)

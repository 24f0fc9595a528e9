"""One picture of a drift: the training histogram of a feature beside the live one."""

from pathlib import Path

import numpy as np

from hakobu_runtime.errors import InputError
from hakobu_runtime.format.feature import Feature
from hakobu_runtime.format.histogram import Counts


def draw_drift(feature: Feature, live: Counts, path: Path, title: str) -> None:
    """Draw the share of rows in each slot, training against `live`, into `path` (.png or .svg)."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    labels = feature.baseline.bins.labels()
    training = np.array(feature.baseline.counts, dtype=np.float64)
    shares = [training / training.sum(), live / max(int(live.sum()), 1)]
    shown = [place for place in range(len(labels)) if max(share[place] for share in shares) > 0]
    figure, axes = pyplot.subplots(figsize=(9, 4.2), layout="constrained")
    at = np.arange(len(shown))
    for offset, share, name, colour in ((-0.2, shares[0], "training", "#4477aa"), (0.2, shares[1], "live", "#ee6677")):
        bars = axes.bar(at + offset, 100 * share[shown], 0.4, label=name, color=colour)
        axes.bar_label(bars, fmt=lambda value: f"{value:.0f}" if value >= 0.5 else "", fontsize=8)
    unit = f" ({feature.unit})" if feature.unit else ""
    axes.set_xticks(at, [labels[place] for place in shown], rotation=30, ha="right")
    axes.set_ylabel("% of rows")
    axes.set_xlabel(f"{feature.counted}{unit}")
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    try:
        figure.savefig(path, dpi=110, metadata={"Software": None} if path.suffix == ".png" else {"Date": None})
    except OSError as error:
        raise InputError(f"{path}: the picture cannot be written: {error.strerror}") from error
    finally:
        pyplot.close(figure)

"""The metrics of several builds as a picture."""

from collections.abc import Mapping
from pathlib import Path

from hakobu.runs.run import Run
from hakobu_runtime.errors import InputError, UsageError

ENDINGS = (".png", ".svg")


def draw_runs(runs: Mapping[int, Run], path: Path) -> None:
    """Draw each metric of `runs`, by number, on the training rows and on the hold-out, into `path` (.png or .svg)."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"{path}: a picture ends in {' or '.join(ENDINGS)}")
    names = list(dict.fromkeys(name for run in runs.values() for name in run.metrics))
    if not names:
        raise UsageError("none of these runs came as far as a metric: there is nothing to draw")
    figure, grid = pyplot.subplots(len(names), 1, figsize=(8, 2.4 * len(names)), layout="constrained", squeeze=False)
    labels = [f"{number}: {run.version}" for number, run in runs.items()]
    for axes, name in zip(grid[:, 0], names, strict=True):
        for side, colour, marker in (("train", "#bbbbbb", "o"), ("holdout", "#4477aa", "D")):
            found = [getattr(run.metrics[name], side) if name in run.metrics else float("nan") for run in runs.values()]
            axes.plot(labels, found, marker=marker, color=colour, label="training" if side == "train" else "hold-out")
        axes.set_title(name, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#eeeeee")
    grid[0, 0].legend(frameon=False)
    try:
        figure.savefig(path, dpi=110, metadata={"Software": None} if path.suffix.lower() == ".png" else {"Date": None})
    except OSError as error:
        raise InputError(f"{path}: the picture cannot be written: {error.strerror}") from error
    finally:
        pyplot.close(figure)

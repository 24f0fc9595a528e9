"""The picture of a simulated year: what was offered to which share, and which share of the devices has what."""

from pathlib import Path
from typing import Any

import numpy as np

from updates_device import BAD
from updates_operator import HARMFUL, Mark
from updates_world import World

_COLOURS = {
    "1.0.0": "#bbbbbb",
    "1.1.0": "#66ccee",
    BAD: "#ee6677",
    "1.3.0": "#4477aa",
    HARMFUL: "#ccbb44",
    "1.5.0": "#228833",
}
_ENDS = {BAD: "bad", HARMFUL: "revoked"}


def draw(world: World, path: Path) -> None:
    """Draw the adoption over time into `path` (.png or .svg)."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(
        2, 1, figsize=(9, 6.4), height_ratios=(1, 2.4), sharex=True, layout="constrained"
    )
    days = len(world.adoption)
    _draw_offers(above, world.operator.marks, days)
    shares = np.array([100 * world.share(version) for version in _COLOURS])
    below.stackplot(np.arange(days), shares, colors=list(_COLOURS.values()), linewidth=0)
    for mark in _events(world.operator.marks):
        for axes in (above, below):
            axes.axvline(mark.day, color="black", linewidth=0.8, linestyle="--")
        above.annotate(
            f"{mark.words}, day {mark.day}",
            (mark.day, 1),
            (0, 2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=8,
            ha="center",
        )
    _name_areas(below, shares)
    below.set(xlim=(0, days - 1), ylim=(0, 100), xlabel="day", ylabel="% of devices that have it")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"A year of {len(world.devices):,} often disconnected devices", x=0.01, ha="left", fontsize=12)
    try:
        figure.savefig(path, dpi=110, metadata={"Software": None} if path.suffix == ".png" else {"Date": None})
    finally:
        pyplot.close(figure)


def _draw_offers(axes: Any, marks: list[Mark], days: int) -> None:
    """Draw for each release from when to when which share was offered it."""
    for row, (version, colour) in enumerate(_COLOURS.items()):
        steps = [(mark.day, int(mark.words.split()[-1][:-1])) for mark in marks if _widens(mark, version)]
        gone = [mark.day for mark in _events(marks) if mark.words.startswith(version)]
        end = min((*gone, days))
        for place, (day, share) in enumerate(steps):
            until = steps[place + 1][0] if place + 1 < len(steps) else end
            axes.barh(row, until - day, left=day, height=0.8, color=colour, alpha=0.3 + 0.7 * share / 100)
            axes.text(day + 1, row, f"{share}%", va="center", fontsize=7.5, color="white" if share == 100 else "black")
    names = [f"{version} ({_ENDS[version]})" if version in _ENDS else version for version in _COLOURS]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylabel("offered to")
    axes.invert_yaxis()
    axes.tick_params(labelbottom=False)


def _name_areas(axes: Any, shares: Any) -> None:
    """Write each version where its area is highest, as far as there is room; one that is thin gets an arrow."""
    tops = shares.cumsum(axis=0)
    for (version, colour), share, top in zip(_COLOURS.items(), shares, tops, strict=True):
        edge = len(share) // 20
        day = min(int(share.argmax()), len(share) - edge) if version != "1.0.0" else edge
        at = (day, float(top[day] - share[day] / 2))
        if share[day] > 8:
            text_colour = "black" if colour in ("#bbbbbb", "#66ccee", "#ccbb44") else "white"
            axes.annotate(version, at, ha="center", va="center", fontsize=9, color=text_colour)
        elif share[day] > 0:
            most = f"{version}: {share[day]:.1f}% at most"
            arrow = {"arrowstyle": "-", "color": "black", "linewidth": 0.8}
            axes.annotate(most, at, (day + 8, at[1] - 22), fontsize=9, arrowprops=arrow, va="top")


def _events(marks: list[Mark]) -> list[Mark]:
    return [mark for mark in marks if not mark.words.endswith("%")]


def _widens(mark: Mark, version: str) -> bool:
    return mark.words.startswith(f"{version} to ")

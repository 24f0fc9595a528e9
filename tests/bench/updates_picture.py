"""The picture of a simulated year: what was offered to whom, who has what, and who has heard nothing for how long."""

from itertools import pairwise
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updates_device import BAD
from updates_operator import HARMFUL, Mark
from updates_world import SILENCES, World

_COLOURS = {
    "1.0.0": "#bbbbbb",
    "1.1.0": "#66ccee",
    BAD: "#ee6677",
    "1.3.0": "#4477aa",
    HARMFUL: "#ccbb44",
    "1.5.0": "#228833",
}
_LIGHT = ("#bbbbbb", "#66ccee", "#ccbb44")
"""On which black is read better than white."""
_ENDS = {BAD: "bad", HARMFUL: "revoked"}
_THIN = 8
"""Percent that are too few to write in."""
_GREYS = ("#999999", "#555555", "#000000")


def draw(world: World, path: Path) -> None:
    """Draw the adoption over time into `path` (.png or .svg)."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        3, 1, figsize=(9, 8.4), height_ratios=(1.15, 2.2, 0.9), sharex=True, layout="constrained"
    )
    days, marks = len(world.adoption), world.operator.marks
    _draw_offers(axes[0], _offers(marks, days))
    _draw_adoption(
        axes[1], np.array([100 * world.share(version) for version in _COLOURS]), [mark.day for mark in _events(marks)]
    )
    _draw_silence(axes[2], 100 * np.array(world.silent))
    _draw_events(axes, _events(marks))
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=8.5)
    axes[2].set(xlim=(0, days - 1), xlabel="day")
    figure.suptitle(
        f"{len(world.devices):,} simulated devices that are often offline keep themselves current "
        f"(seed {world.plan.seed})",
        fontsize=12,
    )
    figure.align_ylabels(axes)
    try:
        figure.savefig(path, dpi=110, metadata={"Software": None} if path.suffix == ".png" else {"Date": None})
    finally:
        pyplot.close(figure)


def _draw_offers(axes: Any, offered: dict[str, NDArray[np.int64]]) -> None:
    """Draw for each release from when to when which share was offered it."""
    for row, (version, shares) in enumerate(offered.items()):
        colour, edges = _COLOURS[version], [0, *(np.flatnonzero(np.diff(shares)) + 1), len(shares)]
        for begin, end in pairwise(edges):
            share = int(shares[begin])
            if share:
                axes.barh(row, end - begin, left=begin, height=0.8, color=colour, alpha=0.3 + 0.7 * share / 100)
                ink = "white" if share == 100 and colour not in _LIGHT else "black"
                axes.text(begin + 1, row, f"{share}%", va="center", fontsize=7.5, color=ink)
    names = [f"{version} ({_ENDS[version]})" if version in _ENDS else version for version in offered]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylabel("offered to\n% of devices")
    axes.invert_yaxis()


def _offers(marks: list[Mark], days: int) -> dict[str, NDArray[np.int64]]:
    """Return for each release and day to how many percent it was the newest one; 0 once all had a newer one to take."""
    found = {version: np.zeros(days, dtype=np.int64) for version in _COLOURS}
    for mark in marks:
        version, last = mark.words.split()[0], mark.words.split()[-1]
        if version in found:  # else it is about a key
            found[version][mark.day :] = int(last[:-1]) if last.endswith("%") else 0
    whole = np.zeros(days, dtype=bool)
    for version in reversed(_COLOURS):
        shares = found[version]
        found[version], whole = np.where(whole, 0, shares), whole | (shares == 100)
    return found


def _draw_adoption(axes: Any, shares: Any, events: list[int]) -> None:
    """Draw the areas, and write each version where its own is high; one that is thin gets a line to its name."""
    days, tops = shares.shape[1], shares.cumsum(axis=0)
    axes.stackplot(np.arange(days), shares, colors=list(_COLOURS.values()), linewidth=0)
    axes.set(ylim=(0, 100), ylabel="active on\n% of devices")
    edge = days // 20
    for (version, colour), share, top in zip(_COLOURS.items(), shares, tops, strict=True):
        free = [day for day in range(edge, days - edge) if all(abs(day - event) > edge * 2 // 3 for event in events)]
        if share.max() > _THIN:
            day = max(free, key=lambda day: share[day], default=edge) if version != "1.0.0" else edge
            ink, middle = "black" if colour in _LIGHT else "white", float(top[day] - share[day] / 2)
            axes.annotate(version, (day, middle), ha="center", va="center", fontsize=9.5, color=ink)
        elif share.any():
            day = int(share.argmax())
            at, line = (day, float(top[day] - share[day] / 2)), {"arrowstyle": "-", "color": "black", "linewidth": 0.8}
            words = f"{version}, on {share[day]:.1f}% at most"
            axes.annotate(words, at, (day - 3, at[1] - 16), fontsize=9, arrowprops=line, va="top", ha="right")


def _draw_silence(axes: Any, shares: Any) -> None:
    """Draw which share of the devices has heard nothing for long."""
    for share, length, colour in zip(shares.T, SILENCES, _GREYS, strict=True):
        days = np.arange(length + 1, len(share))  # before that nobody can be so late
        axes.plot(days, share[length + 1 :], color=colour, linewidth=1.4)
        axes.annotate(
            f"> {length} days",
            (len(share) - 1, share[-1]),
            (4, 0),
            textcoords="offset points",
            fontsize=8.5,
            color=colour,
            va="center",
            annotation_clip=False,
        )
    axes.set(ylim=(0, None), ylabel="heard nothing for\n% of devices")


def _draw_events(axes: Any, events: list[Mark]) -> None:
    """Mark what happened through all of the picture, with words above it."""
    for mark in events:
        for one in axes:
            one.axvline(mark.day, color="black", linewidth=0.8, linestyle="--")
        axes[0].annotate(
            fill(f"{mark.words}, day {mark.day}", 16),
            (mark.day, 1),
            (0, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=8.5,
            ha="center",
        )


def _events(marks: list[Mark]) -> list[Mark]:
    return [mark for mark in marks if not mark.words.endswith("%")]

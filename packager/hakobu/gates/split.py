"""The gates of the split: what it left to learn from, and what to judge by."""

from collections.abc import Iterator

import numpy as np

from hakobu.gates.judge import judge
from hakobu.project import Project
from hakobu.settings import Task
from hakobu.train import Trained
from hakobu_runtime.format.validation import Gate, Stage

FEWEST_TO_JUDGE = 10
FEWEST_GROUPS = 2
LARGEST_GROUP = 0.9
OVERLAP = 0.5
"""Whole groups that came last may have begun while others were learned from; more than half of them says little."""


def split_gates(trained: Trained, project: Project) -> Iterator[Gate]:
    """Judge what the split left on both sides, before the metrics are believed."""
    yield from _sides(trained, project)
    yield from _groups(trained, project)
    yield from _order(trained, project)
    constant = []
    for name in trained.X_train.columns:
        values = trained.X_train[name]
        present = values[values != ""] if values.dtype == object else values.dropna()
        if present.nunique() < 2:
            constant.append(name)
    yield judge(
        Stage.DATA, "split", "constant in the training rows", ", ".join(constant) or "none", "none",
        passed=not constant, remedy=f"leave {', '.join(constant)} out of [features], or split otherwise",
    )  # fmt: skip


def _groups(trained: Trained, project: Project) -> Iterator[Gate]:
    """Judge whether the hold-out holds several groups, of which none is most of it."""
    groups, name = trained.holdout_groups, project.file.data.group
    if groups is None:
        return
    _, counts = np.unique(groups.astype(str), return_counts=True)
    share = float(counts.max() / counts.sum())
    yield judge(
        Stage.DATA, "split: groups", "groups in the hold-out, share of the largest", f"{len(counts)}, {share:.2g}",
        f"{FEWEST_GROUPS}, {LARGEST_GROUP:g}", passed=len(counts) >= FEWEST_GROUPS and share <= LARGEST_GROUP,
        remedy=f"what holds for one group of '{name}' need not hold for others: bring more groups, or raise [data] "
        "holdout",
    )  # fmt: skip


def _order(trained: Trained, project: Project) -> Iterator[Gate]:
    """Judge whether the hold-out comes after all that was learned from; whole groups may overlap in time."""
    learned, judged = trained.train_times, trained.holdout_times
    if learned is None or judged is None:
        return
    end, start = learned.max(), judged.min()
    share = float((learned >= start).mean())
    limit = 0.0 if project.file.data.group is None else OVERLAP
    yield judge(
        Stage.DATA, "split: time", f"share of training rows later than the hold-out's first ({start})", share, limit,
        passed=share <= limit,
        remedy=f"training ends at {end}, after the hold-out begins: the model may know the future; split by shorter "
        "groups, or leave [data] group out",
    )  # fmt: skip


def _sides(trained: Trained, project: Project) -> Iterator[Gate]:
    """Judge how many rows, and which classes, the split left on each side."""
    learn, judged = len(trained.y_train), len(trained.y_holdout)
    least = int((learn + judged) * (1 - project.file.data.holdout) / 2)
    where = "[data] holdout, time or group"
    yield judge(
        Stage.DATA, "split: rows", "rows to learn from, rows to judge on", f"{learn}, {judged}",
        f"{least}, {FEWEST_TO_JUDGE}", passed=learn >= least and judged >= FEWEST_TO_JUDGE,
        remedy=f"too few rows on one side (does one time or group hold most of them?): change {where}, or bring more",
    )  # fmt: skip
    if project.file.model.task is Task.CLASSIFICATION:
        unseen = sorted(set(trained.y_holdout.tolist()) - set(trained.y_train.tolist()))
        shown = ", ".join(map(str, unseen[:5])) or "none"
        yield judge(
            Stage.DATA, "split: classes", "classes that no training row holds", shown, "none", passed=not unseen,
            remedy=f"the model could never predict {shown}: change {where}, or leave the class out",
        )  # fmt: skip

"""Cross-validation: the pipeline is fitted again on each fold's other rows, and judged on the fold."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, TimeSeriesSplit

from hakobu.gates.judge import Rule, judge
from hakobu.gates.metrics import scored
from hakobu.project import Project
from hakobu.settings import Task
from hakobu.table import Table, frame_of
from hakobu.train import make_estimator
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.validation import Gate, Outcome, Stage

Folds = dict[str, tuple[float, ...]]
"""Each metric on each fold."""


def cross_validate(table: Table, project: Project, names: list[str]) -> Folds:
    """Return each metric of `names` on each fold; nothing where none are asked for, or the model came fitted.

    By time, each fold is judged by what came before it; by group, no group is on both sides. Raises ProjectError where
    the rows cannot be cut so, or the pipeline fails on one of the parts.
    """
    if not project.file.gates.folds or project.file.model.brought is not None:
        return {}
    X = frame_of(table.block, project.inputs, project.dtype)
    found: dict[str, list[float]] = {name: [] for name in names}
    try:
        for train, judge_by in _cuts(table, project):
            estimator = make_estimator(project)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                estimator.fit(X.iloc[train].reset_index(drop=True), table.targets[train])
            rows, y = X.iloc[judge_by].reset_index(drop=True), table.targets[judge_by]
            for name in names:
                found[name].append(scored(get_scorer(name), estimator, rows, y))
    except ValueError as error:
        raise ProjectError(
            f"[gates] folds = {project.file.gates.folds}: {str(error).splitlines()[0]}; ask for fewer folds, or none"
        ) from error
    return {name: tuple(values) for name, values in found.items()}


def _cuts(table: Table, project: Project) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    folds, seed = project.file.gates.folds, project.file.model.seed
    rows, y = np.arange(len(table)), table.targets
    classifier = project.file.model.task is Task.CLASSIFICATION
    if table.times is not None:
        order = np.argsort(table.times, kind="stable")
        for train, judge_by in TimeSeriesSplit(folds).split(order):
            yield order[train], order[judge_by]
        return
    cut: Any
    if table.groups is not None:
        cut = StratifiedGroupKFold(folds, shuffle=True, random_state=seed) if classifier else GroupKFold(folds)
    else:
        kind = StratifiedKFold if classifier else KFold
        cut = kind(folds, shuffle=True, random_state=seed)
    yield from cut.split(rows, y, table.groups)


def fold_gates(folds: Folds, project: Project) -> Iterator[Gate]:
    """Judge the mean over the folds by the rule of each metric."""
    gates = project.file.gates
    if gates.folds and not folds:
        yield Gate(
            Stage.MODEL, "folds", "metrics by cross-validation", "none", str(gates.folds), Outcome.NOT_JUDGED,
            "the model comes fitted: it cannot be fitted again on each fold",
        )  # fmt: skip
    for name, values in folds.items():
        if name not in gates.metrics:
            continue
        rule = Rule.of(name, gates.metrics[name])
        mean = float(np.mean(values))
        shown = f"{mean:.4g} ({min(values):.4g} to {max(values):.4g})"
        yield judge(
            Stage.MODEL, f"{name}, {len(values)} folds", f"mean of {name} over the folds", shown,
            f"{rule.sign} {rule.limit:.4g}", passed=rule.holds(mean),
            remedy=f"the hold-out was lucky: over {len(values)} folds the mean of {name} is {mean:.4g}",
        )  # fmt: skip

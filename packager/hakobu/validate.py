"""The gates: what every build must pass before a bundle is written."""

import operator
import re
import warnings
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import get_scorer, get_scorer_names

from hakobu.parity import SPREAD, Parity
from hakobu.project import Project, Task
from hakobu.table import Table
from hakobu.train import Trained
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.golden import Tolerance
from hakobu_runtime.format.manifest import Metric
from hakobu_runtime.format.validation import Gate, Outcome, Stage
from hakobu_runtime.limits.breach import quote
from hakobu_runtime.limits.derive import derive_number

_RULE = re.compile(r"\s*(>=|<=)\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*")
_COMPARE: dict[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le}

FEWEST_ROWS = 50
FEWEST_OF_A_CLASS = 10
FEWEST_TO_JUDGE = 10


def judge(stage: Stage, name: str, rule: str, value: object, limit: object, *, passed: bool, remedy: str) -> Gate:
    """Return a gate that was judged."""
    outcome = Outcome.PASSED if passed else Outcome.FAILED
    return Gate(stage, name, rule, _shown(value), _shown(limit), outcome, "" if passed else remedy)


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def data_gates(table: Table, project: Project) -> Iterator[Gate]:
    """Judge the table before anything is trained on it."""
    yield judge(
        Stage.DATA, "rows", f"rows with a target ({table.without_target} without one left out)",
        len(table), FEWEST_ROWS, passed=len(table) >= FEWEST_ROWS,
        remedy=f"a model needs at least {FEWEST_ROWS} rows with a target; bring more data",
    )  # fmt: skip
    yield from _readable(table, project)
    if project.file.model.task is Task.CLASSIFICATION:
        yield _classes(table, project)
    else:
        yield judge(
            Stage.DATA, "target", "distinct values of the target", len(np.unique(table.targets)), 2,
            passed=len(np.unique(table.targets)) >= 2,
            remedy=f"the target '{project.file.data.target}' is the same in every row: there is nothing to learn",
        )  # fmt: skip
    if table.times is not None:
        lost = int(np.isnat(table.times).sum())
        yield judge(
            Stage.DATA, "time", "rows without a readable time", lost, 0, passed=lost == 0,
            remedy=f"fill column '{project.file.data.time}', or say how it is written with [data] time_format",
        )  # fmt: skip
    yield from _columns(table, project)


def _readable(table: Table, project: Project) -> Iterator[Gate]:
    bad = [f"row {row + 1}: {reason}" for row, reason in table.broken.items()]
    for wish in project.inputs:
        if not wish.reads_text:
            invalid = derive_number(wish, table.block, project.dtype).invalid
            bad += [
                f"row {table.rows[row] + 1}: {wish.name} = {quote(text)} is {rule}"
                for row, (rule, text) in invalid.items()
            ]
    yield judge(
        Stage.DATA, "readable", "cells of the wrong kind", len(bad), 0, passed=not bad,
        remedy=f"{bad[0]}; mend it, or list the text in [data] missing" if bad else "",
    )  # fmt: skip


def _classes(table: Table, project: Project) -> Gate:
    names, counts = np.unique(table.targets.astype(str), return_counts=True)
    target = project.file.data.target
    if len(names) < 2:
        remedy = f"the target '{target}' is '{names[0]}' in every row; a classifier needs two classes or more"
    else:
        rare = names[counts.argmin()]
        remedy = f"class '{rare}' of '{target}' has {counts.min()} rows; bring more, or leave the class out"
    passed = len(names) >= 2 and counts.min() >= FEWEST_OF_A_CLASS
    value = f"{len(names)}, least {counts.min()} rows"
    return judge(
        Stage.DATA, "classes", "classes, and rows in each", value, f"2, least {FEWEST_OF_A_CLASS} rows",
        passed=passed, remedy=remedy,
    )  # fmt: skip


def _columns(table: Table, project: Project) -> Iterator[Gate]:
    """Judge the worst feature by its missing rate, and find the ones that never change."""
    limit = project.file.gates.missing_rate
    rates, constant = {}, []
    for wish in project.inputs:
        values: NDArray[Any]
        if wish.reads_text:
            values = table.block.texts[wish.column]
            present = values[values != ""]
        else:
            values = derive_number(wish, table.block, project.dtype).values
            present = values[~np.isnan(values)]
        rates[wish.name] = 1 - len(present) / len(values)
        if len(set(present.tolist())) < 2:
            constant.append(wish.name)
    worst = max(rates, key=lambda name: rates[name])
    yield judge(
        Stage.DATA, "missing", f"share missing, worst feature ({worst})", rates[worst], limit,
        passed=rates[worst] <= limit, remedy=f"leave '{worst}' out of [features], or raise [gates] missing_rate",
    )  # fmt: skip
    yield judge(
        Stage.DATA, "constant", "with fewer than two values", ", ".join(constant) or "none", "none",
        passed=not constant, remedy=f"leave {', '.join(constant)} out of [features]: they tell the model nothing",
    )  # fmt: skip


def split_gates(trained: Trained, project: Project) -> Iterator[Gate]:
    """Judge what the split left on both sides, before the metrics are believed."""
    yield from _sides(trained, project)
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


def main_metric(trained: Trained, project: Project, classes: int) -> str:
    """Return the metric that the over-fitting and dummy gates use: the first of [gates.metrics], or a sound default."""
    if project.file.gates.metrics:
        return next(iter(project.file.gates.metrics))
    if project.file.model.task is Task.REGRESSION:
        return "r2"
    ranks = any(hasattr(trained.estimator, name) for name in ("predict_proba", "decision_function"))
    return "roc_auc" if classes == 2 and ranks else "balanced_accuracy"


def measure(trained: Trained, project: Project, classes: int) -> dict[str, Metric]:
    """Return each asked-for metric on the training rows and on the hold-out; NaN where it cannot be computed."""
    extra = ["r2", "neg_mean_absolute_error"] if project.file.model.task is Task.REGRESSION else ["accuracy"]
    names = dict.fromkeys([main_metric(trained, project, classes), *project.file.gates.metrics, *extra])
    return {name: _metric(trained, name) for name in names}


def _metric(trained: Trained, name: str) -> Metric:
    if name not in get_scorer_names():
        near = get_close_matches(name, get_scorer_names(), n=3, cutoff=0.5) or ["roc_auc", "accuracy", "r2", "..."]
        raise ProjectError(f"[gates.metrics]: '{name}' is not a scorer of scikit-learn; the nearest: {', '.join(near)}")
    scorer = get_scorer(name)
    pairs = ((trained.X_train, trained.y_train), (trained.X_holdout, trained.y_holdout))
    return Metric(*(_scored(scorer, trained.estimator, X, y) for X, y in pairs))


def _scored(scorer: Any, estimator: Any, X: Any, y: NDArray[Any]) -> float:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(scorer(estimator, X, y))
    except (ValueError, AttributeError):  # a hold-out of one class, or a model without probabilities: never passed
        return float("nan")


def model_gates(trained: Trained, project: Project, metrics: dict[str, Metric], classes: int) -> Iterator[Gate]:
    """Judge the model on rows that it never saw."""
    gates, main = project.file.gates, main_metric(trained, project, classes)
    for name, rule in gates.metrics.items():
        yield _threshold(name, rule, metrics[name].holdout)
    gap = metrics[main].train - metrics[main].holdout
    yield _judged(
        "over-fitting", f"{main}: training minus hold-out", gap, gates.overfit_gap, "<=",
        "regularise the pipeline (fewer leaves, stronger penalty), bring more rows, or raise [gates] overfit_gap",
    )  # fmt: skip
    dummy = _dummy(trained, project, main)
    yield _judged(
        "beats a guess", f"{main}: hold-out minus a blind guess", metrics[main].holdout - dummy,
        gates.dummy_margin, ">=", "the model has learned nothing that travels to new rows: look at features and target",
    )  # fmt: skip


def _threshold(name: str, rule: str, value: float) -> Gate:
    match = _RULE.fullmatch(rule)
    if match is None:
        raise ProjectError(f'[gates.metrics]: {name} = {rule!r} must be written like ">= 0.65" or "<= 0.2"')
    remedy = f"the hold-out says {value:.4g}: improve the model, or change [gates.metrics] {name}"
    return _judged(name, f"{name} on the hold-out", value, float(match[2]), match[1], remedy)


def _judged(name: str, rule: str, value: float, limit: float, sign: str, remedy: str) -> Gate:
    if np.isnan(value):
        words = (
            "the metric cannot be computed: the hold-out lacks a class, the model gives no probabilities, or the "
            "metric asks for the classes 0 and 1 (then take f1_macro for f1, say); name another in [gates.metrics]"
        )
        return Gate(Stage.MODEL, name, rule, "nan", f"{sign} {limit:.4g}", Outcome.FAILED, words)
    passed = _COMPARE[sign](value, limit)
    return judge(Stage.MODEL, name, rule, value, f"{sign} {limit:.4g}", passed=passed, remedy=remedy)


def _dummy(trained: Trained, project: Project, main: str) -> float:
    """Return the main metric of a guess that ignores the inputs, fitted on the training rows."""
    classifier = project.file.model.task is Task.CLASSIFICATION
    dummy = DummyClassifier(strategy="prior") if classifier else DummyRegressor()
    empty = np.zeros((len(trained.y_train), 1))
    dummy.fit(empty, trained.y_train)
    return _scored(get_scorer(main), dummy, np.zeros((len(trained.y_holdout), 1)), trained.y_holdout)


def parity_gates(parity: Parity, tolerance: Tolerance, advice: str = "", rows: str = "hold-out rows") -> Iterator[Gate]:
    """Judge how far the exported model lies from the trained one; `rows` says which rows were compared.

    `advice` says what to do where they differ.
    """
    remedy = f"the exported model is not the trained one; {advice or 'use another estimator for the step that differs'}"
    name = "" if rows == "hold-out rows" else f", {rows}"
    if parity.labels_changed is not None:
        yield judge(
            Stage.EXPORT, f"parity: classes{name}", f"classes that changed, of {parity.rows} {rows}",
            parity.labels_changed, 0, passed=parity.labels_changed == 0, remedy=remedy,
        )  # fmt: skip
    if parity.compares_numbers:
        yield judge(
            Stage.EXPORT, f"parity: numbers{name}", f"largest difference, of {parity.rows} {rows}", parity.absolute,
            f"{tolerance.absolute:g} + {tolerance.relative:g} x value", passed=parity.beyond == 0, remedy=remedy,
        )  # fmt: skip
    if parity.compares_numbers and parity.labels_changed is None:
        yield judge(
            Stage.EXPORT, f"parity: spread{name}", "largest difference, in standard deviations of the predictions",
            parity.absolute / parity.spread if parity.spread else float(parity.absolute > 0), SPREAD,
            passed=parity.keeps_spread,
            remedy="float32 cannot tell such predictions apart: predict the difference from a fixed number instead, or "
            'set [model] dtype = "float64"',
        )  # fmt: skip

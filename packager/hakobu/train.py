"""Splitting off the hold-out, and fitting the builder's pipeline."""

import importlib.util
import random
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from hakobu.project import Project
from hakobu.settings import Task
from hakobu.table import Table, frame_of
from hakobu_runtime.errors import ProjectError


@dataclass(frozen=True, slots=True)
class Split:
    """Which rows a model learns from, and which judge it."""

    train: NDArray[np.int64]
    holdout: NDArray[np.int64]
    how: str
    """In words."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted pipeline with the rows that it learned from and those that it never saw."""

    estimator: Any
    X_train: pd.DataFrame
    y_train: NDArray[Any]
    X_holdout: pd.DataFrame
    y_holdout: NDArray[Any]
    split: Split
    holdout_groups: NDArray[np.object_] | None = None
    """The group of each row of the hold-out, where the data has groups."""
    fairness_groups: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    """For each column of groups that must be treated alike, the group of each row of the hold-out."""
    train_times: NDArray[np.datetime64] | None = None
    """The time of each training row, where the data has times."""
    holdout_times: NDArray[np.datetime64] | None = None


def split_rows(table: Table, project: Project) -> Split:
    """Split by time where a time column is named, by whole groups where a group is, else at random (stratified)."""
    data, seed = project.file.data, project.file.model.seed
    rows = np.arange(len(table))
    share = f"{data.holdout:.0%}"
    if table.times is not None and table.groups is not None:
        train, holdout = _late(_first_times(table.times, table.groups), data.holdout)
        how = f"the {share} of rows in the groups of '{data.group}' that came last"
    elif table.times is not None:
        train, holdout = _late(table.times, data.holdout)
        how = f"the last {share} of rows by '{data.time}'"
    elif table.groups is not None:
        cut = GroupShuffleSplit(n_splits=1, test_size=data.holdout, random_state=seed)
        with _splitting(f"whole groups of '{data.group}'"):
            train, holdout = next(cut.split(rows, groups=table.groups))
        how = f"whole groups of '{data.group}', {share} of them, at random"
    else:
        stratify = table.targets if project.file.model.task is Task.CLASSIFICATION else None
        with _splitting(f"{share} of rows"):
            train, holdout = train_test_split(rows, test_size=data.holdout, random_state=seed, stratify=stratify)
        how = f"{share} of rows at random"
    if len(train) == 0 or len(holdout) == 0:
        raise ProjectError(f"the hold-out cannot be split off: {how} leaves {len(train)} rows to learn from")
    return Split(np.sort(train), np.sort(holdout), how)


@contextmanager
def _splitting(what: str) -> Iterator[None]:
    """Turn scikit-learn's refusal to split into words."""
    try:
        yield
    except ValueError as error:
        words = str(error).split(". ")[0]
        raise ProjectError(
            f"the hold-out, {what}, cannot be split off: {words}; bring more rows or groups, or change [data] holdout"
        ) from error


def _late(times: NDArray[np.datetime64], share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut at the time that leaves about `share` of the rows behind it; rows of one time stay together."""
    cut = np.sort(times)[int(len(times) * (1 - share))]
    return np.flatnonzero(times < cut), np.flatnonzero(times >= cut)


def _first_times(times: NDArray[np.datetime64], groups: NDArray[np.object_]) -> NDArray[np.datetime64]:
    """Return for each row the first time of its group."""
    _, inverse = np.unique(groups.astype(str), return_inverse=True)
    first = np.full(inverse.max() + 1, np.datetime64("9999-12-31", "s"))
    np.minimum.at(first, inverse, times)
    found: NDArray[np.datetime64] = first[inverse]
    return found


def train(table: Table, split: Split, project: Project) -> Trained:
    """Fit the project's pipeline on the training rows; raise ProjectError where the pipeline's own code fails."""
    estimator = make_estimator(project)
    trained = on_both_sides(estimator, table, split, project)
    seed = project.file.model.seed
    random.seed(seed)
    np.random.seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(trained.X_train, trained.y_train)
    except Exception as error:
        raise ProjectError(f"the pipeline cannot be fitted: {_told(error, project.root)}") from error
    if not hasattr(estimator, "predict"):
        raise ProjectError(
            f"{pipeline_path(project)}: the fitted {type(estimator).__name__} has no predict(); "
            "end the pipeline with a classifier or a regressor"
        )
    task = project.file.model.task
    if is_regressor(estimator) if task is Task.CLASSIFICATION else is_classifier(estimator):
        raise ProjectError(
            f"{pipeline_path(project)}: the {type(estimator).__name__} is no model for [model] task = '{task}'; "
            "end the pipeline with a classifier for a classification, with a regressor for a regression"
        )
    return trained


def on_both_sides(estimator: Any, table: Table, split: Split, project: Project) -> Trained:
    """Return `estimator` with the rows on both sides of `split`."""
    frame = frame_of(table.block, project.inputs, project.dtype)
    learn, judge = (frame.iloc[rows].reset_index(drop=True) for rows in (split.train, split.holdout))
    groups = None if table.groups is None else table.groups[split.holdout]
    before, after = (None if table.times is None else table.times[rows] for rows in (split.train, split.holdout))
    y_learn, y_judge = table.targets[split.train], table.targets[split.holdout]
    alike = {name: table.block.texts[name][split.holdout] for name in project.file.gates.fairness.groups}
    return Trained(estimator, learn, y_learn, judge, y_judge, split, groups, alike, before, after)


def pipeline_path(project: Project) -> Path:
    """Return the file of the pipeline's module; raise ProjectError when it is not there."""
    module = project.file.model.pipeline.partition(":")[0]
    path = project.root.joinpath(*module.split(".")).with_suffix(".py")
    if not path.is_file():
        raise ProjectError(f"{path}: not found; [model] pipeline = '{project.file.model.pipeline}' names it")
    return path


def make_estimator(project: Project) -> Any:
    """Call the pipeline's function and return the unfitted estimator."""
    path, function = pipeline_path(project), project.file.model.pipeline.partition(":")[2]
    try:
        build = getattr(_load(path, project.root), function, None)
        if not callable(build):
            raise ProjectError(f"{path}: has no function '{function}'; [model] pipeline names it")
        estimator = build()
    except ProjectError:
        raise
    except (Exception, SystemExit) as error:
        raise ProjectError(f"the pipeline cannot be made: {_told(error, project.root)}") from error
    if isinstance(estimator, type):
        raise ProjectError(
            f"{path}: {function}() returned the class {estimator.__name__}; return {estimator.__name__}()"
        )
    # Not yet predict(): a StackingClassifier has none before it is fitted.
    if not hasattr(estimator, "fit"):
        raise ProjectError(
            f"{path}: {function}() returned {type(estimator).__name__}, which has no fit(); "
            "return a scikit-learn pipeline or estimator"
        )
    return estimator


def _load(path: Path, root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"hakobu_project_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ProjectError(f"{path}: cannot be loaded as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(root))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(root))
    return module


def _told(error: BaseException, root: Path) -> str:
    """Return the error in one line, with the last place in the project's own files that led to it."""
    places = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(root.resolve())]
    where = f" ({Path(places[-1].filename).name}, line {places[-1].lineno})" if places else ""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:400]}{where}"

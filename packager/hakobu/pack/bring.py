"""Bringing a model that was fitted elsewhere into a build."""

from pathlib import Path
from typing import Any

from hakobu.project import Project
from hakobu.sources.classes import classes_of
from hakobu.sources.read import read_model
from hakobu.sources.served import Served
from hakobu.table import Table
from hakobu.train import Split, Trained, on_both_sides, pipeline_path
from hakobu_runtime.errors import InputError, ProjectError


def model_path(project: Project) -> Path:
    """Return the file that the model comes from: its pipeline's module, or the file of the fitted model."""
    brought = project.file.model.brought
    return pipeline_path(project) if brought is None else project.root / brought


def bring(table: Table, split: Split, project: Project) -> Trained:
    """Read the project's fitted model, with the rows that it is judged on; raise ProjectError when it does not fit."""
    model = project.file.model
    path = model_path(project)
    try:
        estimator = read_model(
            path, trust_pickle=model.trust_pickle, task=model.task, classes=table.classes if table.classes else None
        )
    except InputError as error:
        # The reader's remedy is a flag of the command line; here hakobu.toml is where it goes.
        raise InputError(str(error).replace("add --trust-pickle", "set [model] trust_pickle = true")) from error
    served = Served(estimator)
    trained = on_both_sides(served, table, split, project)
    _check_columns(estimator, project, path)
    found = [str(label) for label in classes_of(estimator, served, trained.X_holdout)]
    known = [
        str(int(label)) if isinstance(label, bool) and "True" not in found else str(label) for label in table.classes
    ]
    if found != known:
        raise ProjectError(
            f"{path}: predicts {_listed(found)}, but the target '{project.file.data.target}' holds {_listed(known)}; "
            "bring data with the classes that the model was trained on, or set [model] task"
        )
    return trained


def estimator_of(trained: Trained) -> Any:
    """Return the model itself, as its library made it."""
    return trained.estimator.estimator if isinstance(trained.estimator, Served) else trained.estimator


def _check_columns(estimator: Any, project: Project, path: Path) -> None:
    wishes = getattr(estimator, "feature_names_in_", None)
    wishes = getattr(estimator, "names", None) if wishes is None else wishes
    names = [wish.name for wish in project.inputs]
    if wishes is not None and list(map(str, wishes)) != names:
        raise ProjectError(
            f"{path}: reads the columns {', '.join(map(str, wishes))}, in this order; [features] has "
            f"{', '.join(names)}: name the same ones in the same order"
        )


def _listed(classes: list[str]) -> str:
    return f"the classes {', '.join(classes[:8])}" if classes else "a number"

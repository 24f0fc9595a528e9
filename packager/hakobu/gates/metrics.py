"""The metrics of a model: scikit-learn's scorers on the training rows and on the hold-out."""

import warnings
from difflib import get_close_matches
from typing import Any

from numpy.typing import NDArray
from sklearn.metrics import get_scorer, get_scorer_names

from hakobu.project import Project
from hakobu.settings import Task
from hakobu.train import Trained
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.manifest import Metric


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
    return Metric(*(scored(scorer, trained.estimator, X, y) for X, y in pairs))


def scored(scorer: Any, estimator: Any, X: Any, y: NDArray[Any]) -> float:
    """Return what `scorer` says of `estimator`; NaN where it cannot be computed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(scorer(estimator, X, y))
    except (ValueError, AttributeError):  # a hold-out of one class, or a model without probabilities: never passed
        return float("nan")

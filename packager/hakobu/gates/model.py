"""The gates of the model, judged on rows that it never saw."""

from collections.abc import Iterator

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import get_scorer

from hakobu.gates.judge import judged, threshold
from hakobu.gates.metrics import main_metric, scored
from hakobu.project import Project
from hakobu.settings import Task
from hakobu.train import Trained
from hakobu_runtime.format.manifest import Metric
from hakobu_runtime.format.validation import Gate


def model_gates(trained: Trained, project: Project, metrics: dict[str, Metric], classes: int) -> Iterator[Gate]:
    """Judge the model on rows that it never saw."""
    gates, main = project.file.gates, main_metric(trained, project, classes)
    for name, rule in gates.metrics.items():
        yield threshold(name, rule, metrics[name].holdout)
    gap = metrics[main].train - metrics[main].holdout
    yield judged(
        "over-fitting", f"{main}: training minus hold-out", gap, gates.overfit_gap, "<=",
        "regularise the pipeline (fewer leaves, stronger penalty), bring more rows, or raise [gates] overfit_gap",
    )  # fmt: skip
    dummy = _dummy(trained, project, main)
    yield judged(
        "beats a guess", f"{main}: hold-out minus a blind guess", metrics[main].holdout - dummy,
        gates.dummy_margin, ">=", "the model has learned nothing that travels to new rows: look at features and target",
    )  # fmt: skip


def _dummy(trained: Trained, project: Project, main: str) -> float:
    """Return the main metric of a guess that ignores the inputs, fitted on the training rows."""
    classifier = project.file.model.task is Task.CLASSIFICATION
    dummy = DummyClassifier(strategy="prior") if classifier else DummyRegressor()
    empty = np.zeros((len(trained.y_train), 1))
    dummy.fit(empty, trained.y_train)
    return scored(get_scorer(main), dummy, np.zeros((len(trained.y_holdout), 1)), trained.y_holdout)

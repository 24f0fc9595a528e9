"""The gates of the model, judged on rows that it never saw."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import get_scorer

from hakobu.gates.answers import Answers, Rows
from hakobu.gates.calibration import Calibration, calibration_gates, calibration_of
from hakobu.gates.dumb import dumb_gates
from hakobu.gates.evidence import Importance, Interval
from hakobu.gates.fairness import fairness_gates
from hakobu.gates.folds import Folds, fold_gates
from hakobu.gates.importance import importances
from hakobu.gates.interval import Drawn, drawn
from hakobu.gates.judge import Rule, judged, threshold
from hakobu.gates.metrics import scored
from hakobu.project import Project
from hakobu.train import Trained
from hakobu_runtime.format.manifest import Metric
from hakobu_runtime.format.validation import Gate


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a fitted model on the hold-out."""

    main: str
    """The metric that the model is compared by."""
    metrics: dict[str, Metric]
    answers: Answers
    drawn: dict[str, Drawn]
    """Each metric that is judged, over the hold-out and over draws of it."""
    importances: tuple[Importance, ...]
    calibration: Calibration | None
    folds: Folds

    @property
    def intervals(self) -> dict[str, Interval]:
        """Each metric that is judged, with its bounds."""
        return {name: one.interval() for name, one in self.drawn.items()}


def measured(trained: Trained, project: Project, main: str, metrics: dict[str, Metric], folds: Folds) -> Measured:
    """Measure how sure the metrics are, what the model rests on, and whether its probabilities mean what they say."""
    seed, y = project.file.model.seed, trained.y_holdout
    answers = Answers.of(trained.estimator, trained.X_holdout)
    estimator = answers.estimator()
    found: dict[str, Drawn] = {}
    for name in dict.fromkeys([main, *project.file.gates.metrics]):
        scorer = get_scorer(name)

        def value(rows: Rows, scorer: object = scorer) -> float:
            return scored(scorer, estimator, rows[:, None], y[rows])

        found[name] = drawn(value, len(y), trained.holdout_groups, seed)
    rested = importances(trained, get_scorer(main), seed)
    return Measured(main, metrics, answers, found, rested, _calibration(answers, y), folds)


def _calibration(answers: Answers, y: NDArray[np.generic]) -> Calibration | None:
    probabilities = answers.by_method.get("predict_proba")
    if probabilities is None or answers.classes is None:
        return None
    place = {label: code for code, label in enumerate(answers.classes.tolist())}
    if any(label not in place for label in set(y.tolist())):
        return None
    return calibration_of(probabilities, np.array([place[label] for label in y.tolist()], dtype=np.int64))


def model_gates(trained: Trained, project: Project, found: Measured) -> Iterator[Gate]:
    """Judge what was measured of the model."""
    gates, main = project.file.gates, found.main
    for name, rule in gates.metrics.items():
        yield threshold(name, Rule.of(name, rule), found.drawn[name].interval(), gates.by)
    yield from fold_gates(found.folds, project)
    gap = found.metrics[main].train - found.metrics[main].holdout
    yield judged(
        "over-fitting", f"{main}: training minus hold-out", gap, gates.overfit_gap, "<=",
        "regularise the pipeline (fewer leaves, stronger penalty), bring more rows, or raise [gates] overfit_gap",
    )  # fmt: skip
    yield from dumb_gates(trained, project, main, found.answers, found.drawn[main], found.importances)
    yield from calibration_gates(found.calibration, gates.calibration)
    yield from fairness_gates(trained.fairness_groups, found.answers, trained.y_holdout, main, gates.fairness)

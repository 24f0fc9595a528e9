"""The gates against dumb models: ones that guess, that say always the same, or that rest on one feature alone."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import get_scorer

from hakobu.gates.answers import Answers, Rows
from hakobu.gates.evidence import Importance
from hakobu.gates.interval import Drawn, drawn
from hakobu.gates.judge import gained, judge
from hakobu.gates.metrics import scored
from hakobu.gates.single import alone
from hakobu.project import Project
from hakobu.settings import Task
from hakobu.train import Trained
from hakobu_runtime.format.validation import Gate, Outcome, Stage

_LEAVES = 4
_FEWEST_VALUES = 3
"""A regression that gives fewer different numbers is a rule of thumb."""


def dumb_gates(
    trained: Trained, project: Project, main: str, answers: Answers, mine: Drawn, importances: Sequence[Importance]
) -> Iterator[Gate]:
    """Judge whether the model knows more than a guess, more than one feature, and says more than one thing."""
    yield _beats_a_guess(trained, project, main, mine)
    yield _beats_one_feature(trained, project, main, answers)
    yield _says_something(trained, project, answers)
    yield _rests_on_several(project, importances)


def _beats_a_guess(trained: Trained, project: Project, main: str, mine: Drawn) -> Gate:
    classifier = project.file.model.task is Task.CLASSIFICATION
    dummy = DummyClassifier(strategy="prior") if classifier else DummyRegressor()
    dummy.fit(np.zeros((len(trained.y_train), 1)), trained.y_train)
    guess = Answers.of(dummy, np.zeros((len(trained.y_holdout), 1)))
    scorer, y, its = get_scorer(main), trained.y_holdout, guess.estimator()

    def value(rows: Rows) -> float:
        return scored(scorer, its, rows[:, None], y[rows])

    gain = mine - drawn(value, len(y), trained.holdout_groups, project.file.model.seed)
    return gained(
        "beats a guess", f"{main}: hold-out minus a blind guess", gain.interval(), project.file.gates.dummy_margin,
        "the model has learned nothing that travels to new rows: look at features and target",
    )  # fmt: skip


def _beats_one_feature(trained: Trained, project: Project, main: str, answers: Answers) -> Gate:
    name, rule = "beats one feature", f"{main}: hold-out minus the best small tree over one feature"
    if len(trained.X_train.columns) < 2:
        words = "there is only one feature: a small table or a formula may do as well"
        return Gate(Stage.MODEL, name, rule, "one feature", "none", Outcome.NOT_JUDGED, words)
    scorer = get_scorer(main)
    scores = alone(trained, scorer, _LEAVES, project.file.model.seed)
    best = max(scores, key=lambda feature: (scores[feature], feature))
    rows = np.arange(len(trained.y_holdout))
    gain = scored(scorer, answers.estimator(), rows[:, None], trained.y_holdout) - scores[best]
    limit = project.file.gates.stump_margin
    return judge(
        Stage.MODEL, name, f"{rule} ({best})", gain, f">= {limit:.4g}", passed=bool(gain >= limit),
        remedy=f"a tree of {_LEAVES} leaves over '{best}' does as well: ship that rule, look for what the other "
        "features lack, or lower [gates] stump_margin",
    )  # fmt: skip


def _says_something(trained: Trained, project: Project, answers: Answers) -> Gate:
    """Judge whether what the model says of the hold-out differs from row to row."""
    said: NDArray[Any] = np.asarray(answers.by_method["predict"])
    distinct, counts = np.unique(said, return_counts=True)
    if project.file.model.task is Task.REGRESSION:
        expected = min(_FEWEST_VALUES, len(np.unique(trained.y_holdout)))
        remedy = f"the model gives {len(distinct)} different numbers for {len(said):,} rows: look at the last step"
        return judge(
            Stage.MODEL, "says something", "different predictions for the hold-out", len(distinct), f">= {expected}",
            passed=len(distinct) >= expected, remedy=remedy,
        )  # fmt: skip
    odds = answers.by_method.get("predict_proba", answers.by_method.get("decision_function"))
    kinds = len(distinct) if odds is None else max(len(distinct), len(np.unique(odds, axis=0)))
    return judge(
        Stage.MODEL, "says something", "different predictions for the hold-out", kinds, ">= 2", passed=kinds >= 2,
        remedy=f"the model says '{distinct[counts.argmax()]}' of every row, with the same probability",
    )  # fmt: skip


def _rests_on_several(project: Project, importances: Sequence[Importance]) -> Gate:
    """Judge the share of the most important feature in the sum of all importances."""
    name, rule = "rests on several", "share of all importance that one feature has"
    positive = {one.feature: max(one.drop, 0.0) for one in importances}
    whole, limit = sum(positive.values()), project.file.gates.dominance
    if len(positive) < 2 or not whole > 0:
        words = "there is only one feature" if len(positive) < 2 else "no feature is important by itself"
        return Gate(Stage.MODEL, name, rule, words, f"<= {limit:.4g}", Outcome.NOT_JUDGED, "")
    best = max(positive, key=lambda feature: positive[feature])
    share = positive[best] / whole
    return judge(
        Stage.MODEL, name, f"{rule} ({best})", share, f"<= {limit:.4g}", passed=share <= limit,
        remedy=f"the model is '{best}' in other words: is that known in time, and will it stay as it is? Ship a rule "
        "of one feature instead, add features that tell more, or raise [gates] dominance",
    )  # fmt: skip

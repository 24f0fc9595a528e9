"""GradientBoosting: scores in double, and the estimator that the trees start from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from hakobu.export.converters import responses
from hakobu.export.converters.boosting import give_boosted, odds_of
from hakobu.export.converters.classes import OPTIONS, classifier_shape, give, regressor_shape
from hakobu.export.converters.forests import wood_of
from hakobu.export.converters.groves import sums_of
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import matrix_of, probabilities_of, values_of, variable_of
from hakobu.export.converters.writer import Piece, Writer

_CONSTANT = (DummyClassifier, DummyRegressor, str)


def raw_scores(writer: Writer, booster: Any, given: Sequence[Any]) -> str:
    """Return what the trees add up to where they started from, doubles (n, 1), or (n, classes)."""
    trees = [wood_of(tree.tree_) for tree in booster.estimators_.ravel()]
    columns = [np.array([place]) for _ in booster.estimators_ for place in range(booster.n_trees_per_iteration_)]
    total = sums_of(writer, trees, writer.float32(matrix_of(writer, given)), columns, narrow=True)
    return writer.add("Add", writer.add("Mul", total, float(booster.learning_rate)), _start(writer, booster, given))


def _start(writer: Writer, booster: Any, given: Sequence[Any]) -> Piece:
    if isinstance(booster.init_, _CONSTANT):
        nothing = np.zeros((1, booster.n_features_in_), dtype=np.float32)
        return np.asarray(booster._raw_predict_init(nothing), dtype=np.float64)
    read = [variable_of(writer, writer.double(writer.float32(matrix_of(writer, given))), given[0])]
    if not is_classifier(booster):
        return values_of(writer, booster.init_, read)
    least = float(np.finfo(np.float64).eps)
    odds = writer.add("Min", writer.add("Max", probabilities_of(writer, booster.init_, read), least), 1 - least)
    logs = writer.add("Log", odds)
    if booster.n_trees_per_iteration_ > 1:
        mean = writer.add("Div", writer.sum_of(logs), float(booster.n_trees_per_iteration_))
        return writer.add("Sub", logs, mean)
    second = writer.column(odds, 1)
    logit = writer.add("Log", writer.add("Div", second, writer.add("Sub", 1.0, second)))
    return writer.add("Mul", logit, 0.5) if booster.loss == "exponential" else logit


def _odds(writer: Writer, booster: Any, raw: str) -> str:
    raw = writer.add("Mul", raw, 2.0) if booster.loss == "exponential" else raw
    return odds_of(writer, raw, binary=booster.n_trees_per_iteration_ == 1)


def _probabilities(writer: Writer, booster: Any, given: Sequence[Any]) -> str:
    return _odds(writer, booster, raw_scores(writer, booster, given))


def _classifier(scope: Any, operator: Any, container: Any) -> None:
    writer, booster = Writer(scope, container), operator.raw_operator
    raw = raw_scores(writer, booster, operator.inputs)
    give_boosted(writer, operator, raw, _odds(writer, booster, raw), equal=True)


def _regressor(scope: Any, operator: Any, container: Any) -> None:
    writer = Writer(scope, container)
    give(writer, raw_scores(writer, operator.raw_operator, operator.inputs), operator.outputs[0])


def _starts_from_estimator(booster: Any) -> bool:
    return not isinstance(booster.init_, _CONSTANT)


responses.PROBABILITIES[GradientBoostingClassifier] = _probabilities
responses.DECISIONS[GradientBoostingClassifier] = raw_scores

CONVERTERS = (
    Converter(
        GradientBoostingClassifier,
        classifier_shape,
        _classifier,
        "started from the estimator that it was given",
        applies=_starts_from_estimator,
        options={**OPTIONS, "raw_scores": [True, False]},
    ),
    Converter(
        GradientBoostingRegressor,
        regressor_shape,
        _regressor,
        "started from the estimator that it was given",
        applies=_starts_from_estimator,
    ),
)

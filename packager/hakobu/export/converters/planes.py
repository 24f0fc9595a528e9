"""Classifiers whose scores are sums of weighted features: their scores in double, and those labels that go wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    PassiveAggressiveClassifier,
    Perceptron,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
)
from sklearn.svm import LinearSVC

from hakobu.export.converters import responses
from hakobu.export.converters.classes import (
    OPTIONS,
    above,
    both,
    classifier_shape,
    give_classes,
    give_scores,
    largest,
    opposite,
)
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import matrix_of
from hakobu.export.converters.writer import Writer

_KINDS = (
    LogisticRegression,
    LogisticRegressionCV,
    PassiveAggressiveClassifier,
    Perceptron,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
    LinearSVC,
    LinearDiscriminantAnalysis,
)


def scores_of(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    """Return decision_function, doubles (n, 1) or (n, classes), of a model of weights."""
    weights = model.coef_.toarray() if hasattr(model.coef_, "toarray") else np.atleast_2d(model.coef_)
    constant = np.broadcast_to(np.atleast_1d(model.intercept_), weights.shape[:1]).astype(np.float64)
    scores = writer.add("MatMul", matrix_of(writer, given), weights.T.astype(np.float64))
    return writer.add("Add", scores, constant.reshape(1, -1))


def codes_from(writer: Writer, scores: str, model: Any) -> str:
    """Return the place of the class that `scores` speak for: the sign of one, the first of the largest of more."""
    return above(writer, scores, 0.0) if len(model.classes_) == 2 else largest(writer, scores)


def _codes(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    codes = codes_from(writer, scores_of(writer, model, given), model)
    return writer.add("Reshape", codes, np.array([-1, 1], dtype=np.int64))


def _logistic(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    scores = scores_of(writer, model, given)
    if len(model.classes_) == 2:
        return both(writer, writer.add("Sigmoid", scores))
    return writer.add("Softmax", scores, axis=1)


def _stochastic(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    """Return predict_proba of an SGDClassifier: each class by itself, then shared out."""
    scores = scores_of(writer, model, given)
    if model.loss == "log_loss":
        odds = writer.add("Sigmoid", scores)
    else:
        clipped = writer.add("Min", writer.add("Max", scores, -1.0), 1.0)
        odds = writer.add("Div", writer.add("Add", clipped, 1.0), 2.0)
    if len(model.classes_) == 2:
        return both(writer, odds)
    total = writer.sum_of(odds)
    nothing = writer.add("Equal", total, 0.0)
    shared = writer.add("Div", odds, writer.add("Where", nothing, 1.0, total))
    return writer.add("Where", nothing, 1.0 / len(model.classes_), shared)


def _plain(scope: Any, operator: Any, container: Any) -> None:
    writer, model, given = Writer(scope, container), operator.raw_operator, operator.inputs
    scores = scores_of(writer, model, given)
    give_classes(writer, operator, codes_from(writer, scores, model))
    if hasattr(model, "predict_proba"):
        give_scores(writer, operator, _stochastic(writer, model, given))
    else:
        give_scores(writer, operator, opposite(writer, scores) if len(model.classes_) == 2 else scores)


def _discriminant(scope: Any, operator: Any, container: Any) -> None:
    writer, model = Writer(scope, container), operator.raw_operator
    give_classes(writer, operator, codes_from(writer, scores_of(writer, model, operator.inputs), model))
    give_scores(writer, operator, _logistic(writer, model, operator.inputs))


responses.DECISIONS.update(dict.fromkeys(_KINDS, scores_of))
responses.CODES.update(dict.fromkeys(_KINDS, _codes))
responses.PROBABILITIES.update(
    {
        LogisticRegression: _logistic,
        LogisticRegressionCV: _logistic,
        LinearDiscriminantAnalysis: _logistic,
        SGDClassifier: _stochastic,
    }
)

_PLAIN = (LinearSVC, PassiveAggressiveClassifier, Perceptron, RidgeClassifier, RidgeClassifierCV, SGDClassifier)
_OPTIONS = {**OPTIONS, "raw_scores": [True, False]}

CONVERTERS = (
    *(
        Converter(kind, classifier_shape, _plain, "class taken from scores in double", options=_OPTIONS)
        for kind in _PLAIN
    ),
    Converter(
        LinearDiscriminantAnalysis,
        classifier_shape,
        _discriminant,
        "probabilities by softmax, in double",
        options=_OPTIONS,
    ),
)

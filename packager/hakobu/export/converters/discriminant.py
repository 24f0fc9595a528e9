"""Classifiers that compare how likely each class is: a quadratic discriminant and naive Bayes, in double."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB

from hakobu.export.converters import responses
from hakobu.export.converters.classes import OPTIONS, classifier_shape, give_classes, give_scores, largest
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import matrix_of
from hakobu.export.converters.writer import Writer

Likelihood = Callable[[Writer, Any, str], str]
"""From a fitted classifier and a matrix of doubles to what speaks for each class, (n, classes)."""


def _quadratic(writer: Writer, model: Any, rows: str) -> str:
    columns = []
    for rotation, scaling, mean in zip(model.rotations_, model.scalings_, model.means_, strict=True):
        apart = writer.add("Sub", rows, np.asarray(mean, dtype=np.float64).reshape(1, -1))
        turned = writer.add("MatMul", apart, np.asarray(rotation * scaling**-0.5, dtype=np.float64))
        columns.append(writer.sum_of(writer.add("Mul", turned, turned)))
    spread = np.array([np.sum(np.log(scaling)) for scaling in model.scalings_], dtype=np.float64)
    sums = writer.add("Add", writer.add("Concat", *columns, axis=1), spread.reshape(1, -1))
    return writer.add("Add", writer.add("Mul", sums, -0.5), np.log(model.priors_).astype(np.float64).reshape(1, -1))


def _gaussian(writer: Writer, model: Any, rows: str) -> str:
    columns = []
    for mean, variance in zip(model.theta_.astype(np.float64), model.var_.astype(np.float64), strict=True):
        apart = writer.add("Sub", rows, mean.reshape(1, -1))
        columns.append(writer.sum_of(writer.add("Div", writer.add("Mul", apart, apart), variance.reshape(1, -1))))
    sums = writer.add("Mul", writer.add("Concat", *columns, axis=1), -0.5)
    constants = np.log(model.class_prior_) - 0.5 * np.log(2.0 * np.pi * model.var_).sum(axis=1)
    return writer.add("Add", sums, constants.astype(np.float64).reshape(1, -1))


def _multinomial(writer: Writer, model: Any, rows: str) -> str:
    sums = writer.add("MatMul", rows, model.feature_log_prob_.T.astype(np.float64))
    return writer.add("Add", sums, model.class_log_prior_.astype(np.float64).reshape(1, -1))


def _complement(writer: Writer, model: Any, rows: str) -> str:
    sums = writer.add("MatMul", rows, model.feature_log_prob_.T.astype(np.float64))
    alone = len(model.classes_) == 1
    return writer.add("Add", sums, model.class_log_prior_.astype(np.float64).reshape(1, -1)) if alone else sums


def _bernoulli(writer: Writer, model: Any, rows: str) -> str:
    if model.binarize is not None:
        rows = writer.double(writer.add("Greater", rows, float(model.binarize)))
    known = model.feature_log_prob_.astype(np.float64)
    against = np.log(1 - np.exp(known))
    sums = writer.add("MatMul", rows, (known - against).T)
    return writer.add("Add", sums, (model.class_log_prior_ + against.sum(axis=1)).astype(np.float64).reshape(1, -1))


def _odds_of(writer: Writer, likely: str) -> str:
    return writer.add("Softmax", likely, axis=1)


_LIKELIHOODS: dict[type, Likelihood] = {
    QuadraticDiscriminantAnalysis: _quadratic,
    GaussianNB: _gaussian,
    MultinomialNB: _multinomial,
    ComplementNB: _complement,
    BernoulliNB: _bernoulli,
}


def _probabilities(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    return _odds_of(writer, _LIKELIHOODS[type(model)](writer, model, matrix_of(writer, given)))


def _decisions(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    likely = _LIKELIHOODS[type(model)](writer, model, matrix_of(writer, given))
    if len(model.classes_) > 2:
        return likely
    return writer.add("Sub", writer.column(likely, 1), writer.column(likely, 0))


def _convert(scope: Any, operator: Any, container: Any) -> None:
    writer, model = Writer(scope, container), operator.raw_operator
    likely = _LIKELIHOODS[type(model)](writer, model, matrix_of(writer, operator.inputs))
    give_scores(writer, operator, _odds_of(writer, likely))
    give_classes(writer, operator, largest(writer, likely))


responses.PROBABILITIES.update(dict.fromkeys(_LIKELIHOODS, _probabilities))
responses.DECISIONS[QuadraticDiscriminantAnalysis] = _decisions

CONVERTERS = tuple(
    Converter(
        kind,
        classifier_shape,
        _convert,
        "likelihoods compared in double",
        options={**OPTIONS, "raw_scores": [True, False]},
    )
    for kind in _LIKELIHOODS
)

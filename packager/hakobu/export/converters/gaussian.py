"""Gaussian processes: the mean of a regression, and the probabilities of a classification, in double."""

from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process._gpc import COEFS, LAMBDAS

from hakobu.export.converters.classes import (
    OPTIONS,
    above,
    both,
    classifier_shape,
    give,
    give_classes,
    give_scores,
    labels_of,
    largest,
    regressor_shape,
)
from hakobu.export.converters.covariances import covariance, variance
from hakobu.export.converters.distances import points_of
from hakobu.export.converters.erf import erf
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step

_SPREADS = {"return_cov": [False, True], "return_std": [False, True]}
"""What skl2onnx asks of a regression that knows how sure it is; neither is ever used."""


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model = step.estimator
    if not hasattr(model, "X_train_"):
        raise NotImplementedError("it is not fitted")
    weights = np.asarray(model.alpha_, dtype=np.float64).reshape(len(model.X_train_), -1)
    if weights.shape[1] != 1:
        raise NotImplementedError("it has several targets: train one model for each of them")
    known = covariance(step, model.kernel_, step.numbers(), points_of(model.X_train_))
    scale, middle = (float(np.ravel(part)[0]) for part in (model._y_train_std, model._y_train_mean))
    found = step.add("Add", step.add("Mul", step.add("MatMul", known, weights), scale), middle)
    give(step, found, operator.outputs[0])


def _latent(step: Step, model: Any, given: str) -> tuple[str, str]:
    """Return the mean of the latent function of two classes and its covariance with the training rows."""
    known = covariance(step, model.kernel_, given, points_of(model.X_train_))
    pull = np.asarray(model.y_train_ - model.pi_, dtype=np.float64)
    return step.add("MatMul", known, pull[:, None]), known


def _odds(step: Step, model: Any, given: str, mean: str, known: str) -> str:
    """Return the probability of the second of two classes, (n, 1)."""
    roots = np.asarray(model.W_sr_, dtype=np.float64)
    turned = solve_triangular(model.L_, np.diag(roots), lower=True).T
    solved = step.add("MatMul", known, turned)
    spread = step.add("Sub", variance(step, model.kernel_, given), step.sum_of(step.add("Mul", solved, solved)))
    alpha = step.add("Div", 1.0, step.add("Mul", spread, 2.0))
    root = step.add("Sqrt", step.add("Div", alpha, step.add("Add", alpha, (LAMBDAS.T**2))))
    waves = erf(step, step.add("Mul", step.add("Mul", mean, LAMBDAS.T), root))
    width = step.add("Div", step.add("Sqrt", step.add("Div", np.pi, alpha)), step.add("Mul", _root(step, spread), 2.0))
    total = step.sum_of(step.add("Mul", step.add("Mul", waves, width), COEFS.T))
    return step.add("Add", total, 0.5 * float(COEFS.sum()))


def _root(step: Step, spread: str) -> str:
    return step.add("Sqrt", step.add("Mul", step.add("Mul", spread, 2.0), np.pi))


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model, given = step.estimator, step.numbers()
    if len(labels_of(model)) == 2:
        mean, known = _latent(step, model.base_estimator_, given)
        give_classes(step, operator, above(step, mean, 0.0))
        give_scores(step, operator, both(step, _odds(step, model.base_estimator_, given, mean, known)))
        return
    if model.multi_class != "one_vs_rest":
        raise NotImplementedError("multi_class='one_vs_one' gives no probabilities: use 'one_vs_rest'")
    parts = []
    for inner in model.base_estimator_.estimators_:
        mean, known = _latent(step, inner, given)
        parts.append(_odds(step, inner, given, mean, known))
    odds = str(step.side_by_side(parts))
    give_classes(step, operator, largest(step, odds))
    give_scores(step, operator, step.add("Div", odds, step.sum_of(odds)))


CONVERTERS = (
    Converter(GaussianProcessRegressor, regressor_shape, _convert_regressor, "kernels in double", options=_SPREADS),
    Converter(GaussianProcessClassifier, classifier_shape, _convert_classifier, "kernels in double", options=OPTIONS),
)

"""Linear regressions: weighted features added up in double, through the link that they have."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import linear_model
from sklearn._loss.link import IdentityLink, LogLink
from sklearn.svm import LinearSVR

from hakobu.export.converters import responses
from hakobu.export.converters.classes import give, regressor_shape
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import matrix_of
from hakobu.export.converters.writer import Writer

_PLAIN = (
    linear_model.ARDRegression,
    linear_model.BayesianRidge,
    linear_model.ElasticNet,
    linear_model.ElasticNetCV,
    linear_model.HuberRegressor,
    linear_model.Lars,
    linear_model.LarsCV,
    linear_model.Lasso,
    linear_model.LassoCV,
    linear_model.LassoLars,
    linear_model.LassoLarsCV,
    linear_model.LassoLarsIC,
    linear_model.LinearRegression,
    linear_model.MultiTaskElasticNet,
    linear_model.MultiTaskElasticNetCV,
    linear_model.MultiTaskLasso,
    linear_model.MultiTaskLassoCV,
    linear_model.OrthogonalMatchingPursuit,
    linear_model.OrthogonalMatchingPursuitCV,
    linear_model.PassiveAggressiveRegressor,
    linear_model.QuantileRegressor,
    linear_model.Ridge,
    linear_model.RidgeCV,
    linear_model.SGDRegressor,
    linear_model.TheilSenRegressor,
    LinearSVR,
)
_LARGE = 1e3

_SURE = (linear_model.ARDRegression, linear_model.BayesianRidge)
"""Those that skl2onnx asks how sure they are; that is never used."""

_LINKED = (linear_model.GammaRegressor, linear_model.PoissonRegressor, linear_model.TweedieRegressor)


def weights_of(model: Any) -> NDArray[np.float64]:
    """Return the weight of each feature for each target, (targets, features)."""
    weights = model.coef_.toarray() if hasattr(model.coef_, "toarray") else np.asarray(model.coef_)
    return np.atleast_2d(weights.astype(np.float64))


def _value(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    return value_of(writer, model, matrix_of(writer, given))


def value_of(writer: Writer, model: Any, matrix: str) -> str:
    """Return what the linear regression `model` predicts for the doubles `matrix`, doubles (n, 1)."""
    weights, start = weights_of(model), np.ravel(np.asarray(model.intercept_, dtype=np.float64))
    found = writer.add("Add", writer.add("MatMul", matrix, weights.T), start[:1])
    link = getattr(getattr(model, "_base_loss", None), "link", None) if isinstance(model, _LINKED) else None
    if link is None or isinstance(link, IdentityLink):
        return found
    if not isinstance(link, LogLink):
        raise NotImplementedError(f"its link {type(link).__name__} has no converter: use link='log' or 'identity'")
    return writer.add("Exp", found)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    writer = Writer(scope, container)
    give(writer, _value(writer, operator.raw_operator, operator.inputs), operator.outputs[0])


def is_linear(model: Any) -> bool:
    """Say whether value_of() knows `model`."""
    return type(model) in (*_PLAIN, *_LINKED) and _one_target(model)


def _one_target(model: Any) -> bool:
    return len(weights_of(model)) == 1


def _reads_large_numbers(model: Any) -> bool:
    """Say whether sums in float32 would miss small differences of large numbers, as they do behind a large constant."""
    start = np.ravel(np.asarray(model.intercept_, dtype=np.float64))
    return bool(np.abs(start).max(initial=0.0) > _LARGE)


responses.VALUES.update(dict.fromkeys((*_PLAIN, *_LINKED), _value))

CONVERTERS = tuple(
    Converter(
        kind,
        regressor_shape,
        _convert,
        "added up in double",
        applies=_one_target,
        mends=_reads_large_numbers,
        options={"return_std": [False, True]} if kind in _SURE else None,
    )
    for kind in (*_PLAIN, *_LINKED)
)

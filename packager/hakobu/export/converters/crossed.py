"""Partial least squares and canonical correlation: predictions of the regressions, scores of PLSSVD, in double."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical, PLSRegression

from hakobu.export.converters import responses
from hakobu.export.converters.classes import give, regressor_shape
from hakobu.export.converters.linear import weights_of
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import matrix_of
from hakobu.export.converters.step import Step, gives
from hakobu.export.converters.writer import Writer

_KINDS = (CCA, PLSCanonical, PLSRegression)


def _value(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    weights = weights_of(model)
    if len(weights) > 1:
        raise NotImplementedError("it has several targets: train one model for each of them")
    centred = writer.add("Sub", matrix_of(writer, given), np.asarray(model._x_mean, dtype=np.float64))
    start = np.ravel(np.asarray(model.intercept_, dtype=np.float64))
    return writer.add("Add", writer.add("MatMul", centred, weights.T), start)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    writer = Writer(scope, container)
    give(writer, _value(writer, operator.raw_operator, operator.inputs), operator.outputs[0])


def _convert_scores(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model = step.estimator
    centred = step.add("Sub", step.numbers(), np.asarray(model._x_mean, dtype=np.float64))
    scaled = step.add("Div", centred, np.asarray(model._x_std, dtype=np.float64))
    step.give(step.add("MatMul", scaled, np.asarray(model.x_weights_, dtype=np.float64)))


def _scores(model: Any) -> int:
    return int(model.x_weights_.shape[1])


responses.VALUES.update(dict.fromkeys(_KINDS, _value))

CONVERTERS = (
    *(Converter(kind, regressor_shape, _convert, "added up in double") for kind in _KINDS),
    Converter(PLSSVD, gives(_scores), _convert_scores, "added up in double"),
)

"""The dummy models, which say the same of every row."""

from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor

from hakobu.export.converters.classes import (
    OPTIONS,
    classifier_shape,
    give,
    give_classes,
    give_scores,
    labels_of,
    regressor_shape,
)
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step


def _for_each_row(step: Step, row: Any) -> str:
    """Return `row` once for each row of the input, whatever that holds."""
    nothing = step.add("ArgMax", step.column(step.numbers(), 0), axis=1, keepdims=0)
    return step.add("Gather", np.atleast_2d(row), nothing, axis=0)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model = step.estimator
    labels_of(model)
    if model._strategy not in ("prior", "most_frequent", "constant"):
        raise NotImplementedError(f"strategy={model._strategy!r} draws by chance: use 'prior' or 'most_frequent'")
    odds = model.predict_proba(np.zeros((1, 1)))
    code = int(np.flatnonzero(model.classes_ == model.predict(np.zeros((1, 1)))[0])[0])
    codes = step.add("Reshape", _for_each_row(step, np.array([code])), np.array([-1], dtype=np.int64))
    give_classes(step, operator, codes)
    give_scores(step, operator, _for_each_row(step, odds.astype(np.float64)))


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    constant = np.ravel(step.estimator.constant_).astype(np.float64)
    if len(constant) != 1:
        raise NotImplementedError("it has several targets: train one model for each of them")
    give(step, _for_each_row(step, constant), operator.outputs[0])


CONVERTERS = (
    Converter(DummyClassifier, classifier_shape, _convert_classifier, "the same for every row", options=OPTIONS),
    Converter(DummyRegressor, regressor_shape, _convert_regressor, "the same for every row"),
)

"""Estimators that only hand on what another one says: searches, frozen ones, and their like."""

from typing import Any

from sklearn.base import is_classifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the import below possible
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RANSACRegressor
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.semi_supervised import SelfTrainingClassifier

from hakobu.export.converters import responses
from hakobu.export.converters.classes import OPTIONS, classifier_shape, give, regressor_shape
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import inner_of, parsed
from hakobu.export.converters.writer import Writer

_INNER = {
    GridSearchCV: "best_estimator_",
    RandomizedSearchCV: "best_estimator_",
    HalvingGridSearchCV: "best_estimator_",
    HalvingRandomSearchCV: "best_estimator_",
    FrozenEstimator: "estimator",
    RANSACRegressor: "estimator_",
    SelfTrainingClassifier: "estimator_",
}


def _parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Put the inner estimator in the place of `model`, so that the outputs are of its types."""
    return parsed(scope, inner_of(model), inputs)


def _shape(operator: Any) -> None:
    (classifier_shape if is_classifier(operator.raw_operator) else regressor_shape)(operator)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    writer = Writer(scope, container)
    found = parsed(scope, inner_of(operator.raw_operator), operator.inputs)
    for value, output in zip(found, operator.outputs, strict=False):
        if isinstance(value.type, type(output.type)):
            writer.put("Identity", [value.full_name], [output.full_name])
        else:
            give(writer, value.full_name, output)


responses.INNER.update(_INNER)

CONVERTERS = tuple(
    Converter(kind, _shape, _convert, "what it holds exported in its place", parser=_parse, options=OPTIONS)
    for kind in _INNER
)

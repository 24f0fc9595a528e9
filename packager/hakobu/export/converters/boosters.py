"""The estimators of LightGBM, XGBoost and CatBoost, alone or within scikit-learn's."""

import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from onnx import TensorProto

from hakobu.export.boosting import catboost, lightgbm, xgboost
from hakobu.export.boosting.graph import Output, write_classes, write_scores, write_value
from hakobu.export.boosting.part import LEARNED, Part
from hakobu.export.boosting.trees import Boosted
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import DECISIONS
from hakobu.export.converters.writer import Writer

_REPAIR = "trees written in double, with missing values, categories and links as the library has them"


def register_boosters() -> None:
    """Put the converters of every booster's library in place that the process has loaded, once each."""
    for library, kinds in _KINDS.items():
        if library in sys.modules:
            _register(library, kinds)


@cache
def _register(library: str, kinds: tuple[str, ...]) -> None:
    for kind in kinds:
        if hasattr(sys.modules[library], kind):
            Converter(
                kind=getattr(sys.modules[library], kind),
                shape=_shape,
                convert=_convert,
                repair=_REPAIR,
                parser=_parse,
                options={"zipmap": [True, False]},
            ).register()
    if library == "lightgbm":
        DECISIONS[sys.modules[library].LGBMClassifier] = _decisions


_KINDS = {
    "lightgbm": ("LGBMClassifier", "LGBMRegressor", "LGBMRanker"),
    "xgboost": ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor", "XGBRanker"),
    "catboost": ("CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"),
}


def boosted_of(estimator: Any) -> Boosted:
    """Return what a fitted estimator of one of the three libraries computes.

    Raises NotImplementedError with the reason where it cannot be exact.
    """
    library = type(estimator).__module__.partition(".")[0]
    read = {"lightgbm": _of_lightgbm, "xgboost": _of_xgboost, "catboost": _of_catboost}[library]
    return read(estimator)


def _of_lightgbm(estimator: Any) -> Boosted:
    name = lightgbm.objective(estimator.booster_)
    _check_objective(estimator, name, lightgbm.CLASSIFIERS)
    return lightgbm.read_booster(estimator.booster_)


def _of_xgboost(estimator: Any) -> Boosted:
    booster = estimator.get_booster()
    _check_objective(estimator, xgboost.objective(booster), xgboost.CLASSIFIERS)
    # After early stopping, the library predicts with the best trees alone.
    best = getattr(estimator, "best_iteration", None)
    if best is not None:
        booster = booster[: best + 1]
    gap = estimator.missing
    return xgboost.read_booster(booster, float("nan") if gap is None else float(gap))


def _of_catboost(estimator: Any) -> Boosted:
    name = catboost.objective(catboost.content(estimator))
    _check_objective(estimator, name, catboost.CLASSIFIERS)
    return catboost.read_model(estimator)


def _check_objective(estimator: Any, name: str, known: tuple[str, ...]) -> None:
    if hasattr(estimator, "predict_proba") and name not in known:
        raise NotImplementedError(
            f"a classifier with the objective {name or 'of your own'!r} gives no probabilities; use one of "
            + ", ".join(known)
        )


def _parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare the operator of `model` and its outputs: skl2onnx takes no estimator of CatBoost for a classifier."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common.data_types import Int64TensorType, guess_tensor_type

    operator = scope.declare_local_operator(sklearn_operator_name_map[type(model)], model)
    operator.inputs = inputs
    if hasattr(model, "predict_proba"):
        operator.outputs.append(scope.declare_local_variable("label", Int64TensorType()))
        operator.outputs.append(scope.declare_local_variable("probabilities", guess_tensor_type(inputs[0].type)))
    else:
        operator.outputs.append(scope.declare_local_variable("variable", guess_tensor_type(inputs[0].type)))
    return operator.outputs


def _shape(operator: Any) -> None:
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    estimator, rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
    number = _number_type(operator)
    if hasattr(estimator, "predict_proba"):
        classes = np.asarray(estimator.classes_)
        operator.outputs[0].type = (StringTensorType if classes.dtype.kind in "OU" else Int64TensorType)([rows])
        operator.outputs[1].type = number([rows, len(classes)])
    else:
        operator.outputs[0].type = number([rows, 1])


def _number_type(operator: Any) -> Callable[[list[Any]], Any]:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    double = isinstance(operator.inputs[0].type, DoubleTensorType)
    found: Callable[[list[Any]], Any] = DoubleTensorType if double else FloatTensorType
    return found


def _convert(scope: Any, operator: Any, container: Any) -> None:
    estimator, outputs = operator.raw_operator, [value.full_name for value in operator.outputs]
    matrix = _matrix(operator.inputs)
    gives = TensorProto.DOUBLE if matrix.kind == TensorProto.DOUBLE else TensorProto.FLOAT
    part = Part(scope.get_unique_variable_name("boosted") + "_")
    if hasattr(estimator, "predict_proba"):
        odds = Output(outputs[1], gives)
        write_classes(part, boosted_of(estimator), matrix, estimator.classes_, outputs[0], odds)
    else:
        write_value(part, boosted_of(estimator), matrix, Output(outputs[0], gives))
    _put(part, container)


def _decisions(writer: Writer, estimator: Any, given: Sequence[Any]) -> str:
    """Return the raw scores, which LightGBM calls its decision function."""
    part = Part(writer.scope.get_unique_variable_name("boosted") + "_")
    scores = write_scores(part, boosted_of(estimator), _matrix(given))
    _put(part, writer.container)
    return scores


def _matrix(given: Sequence[Any]) -> Output:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    if len(given) > 1 or isinstance(given[0].type, StringTensorType):
        raise NotImplementedError("it reads texts; encode them as numbers before it")
    double, single = isinstance(given[0].type, DoubleTensorType), isinstance(given[0].type, FloatTensorType)
    kind = TensorProto.DOUBLE if double else TensorProto.FLOAT if single else TensorProto.INT64
    return Output(given[0].full_name, kind)


def _put(part: Part, container: Any) -> None:
    """Put the nodes of `part` into skl2onnx's graph."""
    container.nodes.extend(part.nodes)
    container.initializers.extend(part.constants)
    for domain in ("", LEARNED):
        container.node_domain_version_pair_sets.add((domain, container.target_opset_any_domain(domain)))

"""What a fitted estimator inside another one says of each row, as doubles.

A float32 score is good enough to look at. It is not where a step follows it: a tuned threshold, isotonic calibration,
a vote. So the families that people put there compute in double, by the scorers that they add to the tables here; the
others go through skl2onnx's own converters.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.base import is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from hakobu.export.converters.classes import labels_of
from hakobu.export.converters.writer import Writer

Scorer = Callable[[Writer, Any, Sequence[Any]], str]
"""From a fitted estimator and skl2onnx's variables to doubles (n, scores)."""

PROBABILITIES: dict[type, Scorer] = {}
"""predict_proba, (n, classes)."""
DECISIONS: dict[type, Scorer] = {}
"""decision_function, (n, classes), or (n, 1) where there are two."""
MEMBERS: dict[type, Callable[[Any], Iterable[Any]]] = {}
"""The estimators that one of ours hands its columns on to as they are."""
VALUES: dict[type, Scorer] = {}
"""predict of a regressor, (n, 1)."""
CODES: dict[type, Scorer] = {}
"""The place in classes_ of what a classifier predicts, int64 (n, 1)."""
INNER: dict[type, str] = {}
"""Estimators that only hand on what the one in the attribute says."""


def inner_of(estimator: Any) -> Any:
    """Return the estimator that `estimator` stands for: itself, but for searches and frozen ones."""
    while type(estimator) in INNER:
        estimator = getattr(estimator, INNER[type(estimator)])
    return estimator


def probabilities_of(writer: Writer, estimator: Any, given: Sequence[Any]) -> str:
    """Return predict_proba of `estimator` on `given`, doubles (n, classes)."""
    estimator, given = _last(writer, estimator, given)
    if type(estimator) in PROBABILITIES:
        return PROBABILITIES[type(estimator)](writer, estimator, given)
    if not hasattr(estimator, "predict_proba"):
        raise NotImplementedError(f"{type(estimator).__name__} gives no probabilities")
    return writer.double(parsed(writer.scope, estimator, given)[1].full_name)


def rough_probabilities_of(writer: Writer, estimator: Any, given: Sequence[Any]) -> str:
    """Return predict_proba of `estimator` on `given` as doubles that may have been float32: for what has no steps."""
    estimator, given = _last(writer, estimator, given)
    return writer.double(parsed(writer.scope, estimator, given)[1].full_name)


def gives_float32(estimator: Any, given: Sequence[Any]) -> bool:
    """Say whether predict_proba of `estimator` answers `given` in float32: as most do that were fitted on float32."""
    from skl2onnx.common.data_types import FloatTensorType

    last = last_of(estimator)
    width = getattr(last, "n_features_in_", None)
    narrow = all(isinstance(value.type, FloatTensorType) for value in given)
    if not narrow or width is None or not hasattr(last, "predict_proba"):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the row has no names
        odds = last.predict_proba(np.zeros((1, width), dtype=np.float32))
    return bool(np.asarray(odds).dtype == np.float32)


def is_added_in_double(estimator: Any) -> bool:
    """Say whether probabilities_of() computes those of `estimator` in double."""
    return type(last_of(estimator)) in PROBABILITIES


def last_of(estimator: Any) -> Any:
    """Return the estimator that answers for `estimator`: the last step of what may be a pipeline."""
    estimator = inner_of(estimator)
    return last_of(estimator.steps[-1][1]) if isinstance(estimator, Pipeline) else estimator


def decisions_of(writer: Writer, estimator: Any, given: Sequence[Any]) -> str:
    """Return decision_function of `estimator` on `given`, doubles (n, classes), or (n, 1) of two classes."""
    estimator, given = _last(writer, estimator, given)
    if type(estimator) not in DECISIONS:
        raise NotImplementedError(f"the decision_function of {type(estimator).__name__} has no converter")
    return DECISIONS[type(estimator)](writer, estimator, given)


def values_of(writer: Writer, estimator: Any, given: Sequence[Any]) -> str:
    """Return predict of the regressor `estimator` on `given`, doubles (n, 1)."""
    estimator, given = _last(writer, estimator, given)
    if type(estimator) in VALUES:
        return VALUES[type(estimator)](writer, estimator, given)
    found = writer.double(parsed(writer.scope, estimator, given)[0].full_name)
    return writer.add("Reshape", found, np.array([-1, 1], dtype=np.int64))


def codes_of(writer: Writer, estimator: Any, given: Sequence[Any]) -> str:
    """Return the place in classes_ of what the classifier `estimator` predicts, int64 (n, 1)."""
    estimator, given = _last(writer, estimator, given)
    if type(estimator) in CODES:
        return CODES[type(estimator)](writer, estimator, given)
    label = writer.add(
        "Reshape", parsed(writer.scope, estimator, given)[0].full_name, np.array([-1, 1], dtype=np.int64)
    )
    same = writer.add("Equal", label, labels_of(estimator).reshape(1, -1))
    return writer.add("ArgMax", writer.add("Cast", same, to=TensorProto.INT64), axis=1, keepdims=1)


def binary_score(writer: Writer, estimator: Any, given: Sequence[Any]) -> str:
    """Return how much `estimator` speaks for the second of its two classes, doubles (n, 1)."""
    if is_regressor(estimator):
        return values_of(writer, estimator, given)
    if hasattr(estimator, "decision_function"):
        return decisions_of(writer, estimator, given)
    return writer.column(probabilities_of(writer, estimator, given), 1)


def variable_of(writer: Writer, values: str, like: Any) -> Any:
    """Return the doubles `values` (n, columns) as a variable for skl2onnx, of the type of `like`."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    wide = isinstance(like.type, DoubleTensorType)
    variable = writer.scope.declare_local_variable(
        "scores", (DoubleTensorType if wide else FloatTensorType)([None, None])
    )
    writer.put("Cast", [values], [variable.full_name], to=TensorProto.DOUBLE if wide else TensorProto.FLOAT)
    return variable


def matrix_of(writer: Writer, given: Sequence[Any]) -> str:
    """Return the numbers of `given` as one matrix of doubles."""
    parts = [writer.double(value.full_name) for value in given]
    return parts[0] if len(parts) == 1 else writer.add("Concat", *parts, axis=1)


def parsed(scope: Any, estimator: Any, given: Sequence[Any]) -> list[Any]:
    """Have skl2onnx convert `estimator` on `given`; return the variables of its outputs."""
    from skl2onnx._parse import _parse_sklearn

    allowed = scope._get_allowed_options(estimator, fail=False) or {}
    if is_classifier(estimator) and "zipmap" in allowed:
        scope.add_options(id(estimator), {"zipmap": False})
    given = given if len(given) == 1 or reads_columns(estimator) else [_joined(scope, given)]
    outputs: list[Any] = _parse_sklearn(scope, estimator, list(given))
    return outputs


def reads_columns(estimator: Any) -> bool:
    """Say whether `estimator` takes its columns one by one, rather than as one matrix."""
    estimator = inner_of(estimator)
    if isinstance(estimator, Pipeline):
        return reads_columns(estimator.steps[0][1])
    if isinstance(estimator, FeatureUnion):
        return any(reads_columns(part) for _, part in estimator.transformer_list)
    members = MEMBERS.get(type(estimator), _none)
    return isinstance(estimator, ColumnTransformer) or any(reads_columns(part) for part in members(estimator))


def _none(estimator: Any) -> Iterable[Any]:
    return ()


def _joined(scope: Any, given: Sequence[Any]) -> Any:
    """Return the columns of `given` as one matrix."""
    operator = scope.declare_local_operator("SklearnConcat")
    operator.inputs = list(given)
    operator.outputs.append(scope.declare_local_variable("joined", given[0].type.__class__([None, None])))
    return operator.outputs[0]


def _last(writer: Writer, estimator: Any, given: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Return the last step of what may be a pipeline, and what it is given."""
    estimator = inner_of(estimator)
    while isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:
            given = given if step is None or step == "passthrough" else parsed(writer.scope, step, given)
        estimator = inner_of(estimator.steps[-1][1])
    return estimator, given

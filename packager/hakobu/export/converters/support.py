"""Support vector machines in double, as libsvm computes them, with its votes."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from hakobu.export.converters import responses
from hakobu.export.converters.classes import (
    OPTIONS,
    classifier_shape,
    give,
    give_classes,
    give_scores,
    largest,
    opposite,
    regressor_shape,
)
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import matrix_of
from hakobu.export.converters.versus import votes_of
from hakobu.export.converters.writer import Writer


def _weighted(writer: Writer, model: Any, given: Sequence[Any], weights: NDArray[np.float64]) -> str:
    """Return the kernel of each row with each support vector, times `weights` (vectors, sums), plus the constants."""
    rows, vectors = matrix_of(writer, given), np.asarray(model.support_vectors_, dtype=np.float64)
    constants = np.asarray(model._intercept_, dtype=np.float64).reshape(1, -1)
    if model.kernel == "linear":
        return writer.add("Add", writer.add("MatMul", rows, vectors.T @ weights), constants)
    return writer.add("Add", writer.add("MatMul", _kernel(writer, model, rows, vectors), weights), constants)


def _kernel(writer: Writer, model: Any, rows: str, vectors: NDArray[np.float64]) -> str:
    gamma = float(model._gamma)
    if model.kernel == "rbf":
        # Around the middle of the vectors, for the squares lose digits far from 0.
        middle = vectors.mean(axis=0, keepdims=True)
        rows, vectors = writer.add("Sub", rows, middle), vectors - middle
        squares = writer.add("Add", writer.sum_of(writer.add("Mul", rows, rows)), (vectors**2).sum(axis=1)[None, :])
        distances = writer.add("Sub", squares, writer.add("MatMul", rows, 2.0 * vectors.T))
        return writer.add("Exp", writer.add("Mul", writer.add("Max", distances, 0.0), -gamma))
    if model.kernel not in ("poly", "sigmoid"):
        raise NotImplementedError('its kernel is a function: use "rbf", "linear", "poly" or "sigmoid"')
    along = writer.add("Add", writer.add("MatMul", rows, gamma * vectors.T), float(model.coef0))
    return writer.add("Pow", along, float(model.degree)) if model.kernel == "poly" else writer.add("Tanh", along)


def _pairs(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    """Return libsvm's decision for each pair of classes, (n, pairs): above 0 for the first of the two."""
    dual, ends = np.asarray(model._dual_coef_), np.cumsum([0, *model.n_support_])
    pairs = list(combinations(range(len(model.classes_)), 2))
    weights = np.zeros((dual.shape[1], len(pairs)))
    for column, (first, second) in enumerate(pairs):
        of_first, of_second = slice(ends[first], ends[first + 1]), slice(ends[second], ends[second + 1])
        weights[of_first, column] = dual[second - 1, of_first]
        weights[of_second, column] = dual[first, of_second]
    return _weighted(writer, model, given, weights)


def _decisions(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    return _spoken(writer, model, _pairs(writer, model, given))


def _spoken(writer: Writer, model: Any, pairs: str) -> str:
    """Return decision_function from what each pair of classes says."""
    if len(model.classes_) == 2:
        return writer.add("Neg", pairs)
    if model.decision_function_shape == "ovo":
        return pairs
    second = writer.double(writer.add("Less", pairs, 0.0))
    return votes_of(writer, second, writer.add("Neg", pairs), len(model.classes_))


def _voted(writer: Writer, model: Any, pairs: str) -> str:
    """Return the place of the class that wins most pairs, the first of equal ones, (n,)."""
    classes = len(model.classes_)
    if model.break_ties and classes > 2:
        return largest(writer, _spoken(writer, model, pairs))
    first = writer.double(writer.add("Greater", pairs, 0.0))
    second = writer.add("Sub", np.array(1.0), first)
    wins = [np.zeros((classes * (classes - 1) // 2, classes)) for _ in range(2)]
    for row, pair in enumerate(combinations(range(classes), 2)):
        for side, place in enumerate(pair):
            wins[side][row, place] = 1.0
    return largest(
        writer, writer.add("Add", writer.add("MatMul", first, wins[0]), writer.add("MatMul", second, wins[1]))
    )


def _codes(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    voted = _voted(writer, model, _pairs(writer, model, given))
    return writer.add("Reshape", voted, np.array([-1, 1], dtype=np.int64))


def _odds(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    return _coupled(writer, model, _pairs(writer, model, given))


def _coupled(writer: Writer, model: Any, pairs: str) -> str:
    """Return the probabilities that libsvm makes of what each pair of classes says.

    It goes round until they agree, as onnxruntime's operator does. That one computes kernels in float32, so it gets a
    machine of its own, whose vectors only pick one number of `pairs` each.
    """
    classes = len(model.classes_)
    order = list(combinations(range(classes), 2))
    # The last vector picks nothing: onnxruntime reads no machine in which a class has no vector.
    vectors = np.vstack([np.eye(len(order)), np.zeros(len(order))])
    dual = np.vstack([*(np.eye(classes - 1)[second - 1] for _, second in order), np.zeros(classes - 1)])
    odds = writer.scope.get_unique_variable_name("hakobu_svm_odds")
    writer.put(
        "SVMClassifier",
        [writer.float32(pairs)],
        [writer.scope.get_unique_variable_name("hakobu_svm_label"), odds],
        classlabels_ints=list(range(classes)),
        coefficients=dual.T.ravel().tolist(),
        kernel_params=[0.0, 0.0, 0.0],
        kernel_type="LINEAR",
        post_transform="NONE",
        prob_a=np.asarray(model._probA).astype(np.float32).tolist(),
        prob_b=np.asarray(model._probB).astype(np.float32).tolist(),
        rho=[0.0] * len(order),
        support_vectors=vectors.ravel().tolist(),
        vectors_per_class=[*range(classes - 1, 0, -1), 1],
    )
    return writer.double(odds)


def _classifier(scope: Any, operator: Any, container: Any) -> None:
    writer, model, given = Writer(scope, container), operator.raw_operator, operator.inputs
    pairs = _pairs(writer, model, given)
    give_classes(writer, operator, _voted(writer, model, pairs))
    binary = len(model.classes_) == 2
    if hasattr(model, "predict_proba"):
        give_scores(writer, operator, _coupled(writer, model, pairs))
    else:
        spoken = _spoken(writer, model, pairs)
        give_scores(writer, operator, opposite(writer, spoken) if binary else spoken)


def _one_sum(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    return _weighted(writer, model, given, np.asarray(model._dual_coef_, dtype=np.float64).T)


def _regressor(scope: Any, operator: Any, container: Any) -> None:
    writer = Writer(scope, container)
    give(writer, _one_sum(writer, operator.raw_operator, operator.inputs), operator.outputs[0])


def _outlier_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import Int64TensorType

    operator.outputs[0].type = Int64TensorType([None, 1])
    operator.outputs[1].type.shape = [None, 1]


def _outlier(scope: Any, operator: Any, container: Any) -> None:
    writer = Writer(scope, container)
    score = _one_sum(writer, operator.raw_operator, operator.inputs)
    inside = writer.add("Greater", score, 0.0)
    sides = (np.array(1, dtype=np.int64), np.array(-1, dtype=np.int64))
    writer.put("Where", [inside, *sides], [operator.outputs[0].full_name])
    give(writer, score, operator.outputs[1])


_KINDS = (SVC, NuSVC)

for _kind in _KINDS:
    responses.DECISIONS[_kind] = _decisions
    responses.CODES[_kind] = _codes
    responses.PROBABILITIES[_kind] = _odds
responses.VALUES.update(dict.fromkeys((SVR, NuSVR), _one_sum))

CONVERTERS = (
    *(
        Converter(
            kind,
            classifier_shape,
            _classifier,
            "kernels and votes in double",
            options={**OPTIONS, "raw_scores": [True, False]},
        )
        for kind in _KINDS
    ),
    *(Converter(kind, regressor_shape, _regressor, "kernels in double") for kind in (SVR, NuSVR)),
    Converter(OneClassSVM, _outlier_shape, _outlier, "kernels in double"),
)

"""Votes, bags and stacks: what their members say, put together in double, with the first of equal classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)

from hakobu.export.converters import responses
from hakobu.export.converters.classes import (
    OPTIONS,
    classifier_shape,
    give,
    give_classes,
    give_scores,
    labels_of,
    regressor_shape,
)
from hakobu.export.converters.forests import TIE, settle_ties
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import (
    codes_of,
    decisions_of,
    gives_float32,
    is_added_in_double,
    matrix_of,
    probabilities_of,
    rough_probabilities_of,
    values_of,
    variable_of,
)
from hakobu.export.converters.writer import Writer


def _weighted(writer: Writer, model: Any, parts: Sequence[str], *, narrow: bool = False) -> str:
    """Return the weighted mean of `parts`, as numpy.average has it: in float32 where they are, and have no weights."""
    weights = model._weights_not_none
    if weights is None and narrow:
        total = writer.total([writer.float32(part) for part in parts])
        return writer.double(writer.add("Div", total, np.array(len(parts), dtype=np.float32)))
    if weights is None:
        return writer.add("Div", writer.total(parts), float(len(parts)))
    parts = [writer.add("Mul", part, float(weight)) for part, weight in zip(parts, weights, strict=True)]
    return writer.add("Div", writer.total(parts), float(np.sum(weights)))


def _hot(writer: Writer, codes: str, classes: int) -> str:
    """Return 1 in the column of each of `codes` (n, 1), doubles (n, classes)."""
    return writer.double(writer.add("Equal", codes, np.arange(classes, dtype=np.int64).reshape(1, -1)))


def _soft(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    """Return the mean of the members' probabilities, each in the type that scikit-learn's loops add it up in."""
    odds = [probabilities_of(writer, part, given) for part in model.estimators_]
    narrow = [gives_float32(part, given) for part in model.estimators_]
    parts = [writer.double(writer.float32(part)) if rounds else part for part, rounds in zip(odds, narrow, strict=True)]
    return _weighted(writer, model, parts, narrow=all(narrow))


def _vote(scope: Any, operator: Any, container: Any) -> None:
    writer, model, given = Writer(scope, container), operator.raw_operator, operator.inputs
    width = TIE
    if model.voting == "soft":
        scores = _soft(writer, model, given)
        width = 0.0 if all(map(is_added_in_double, model.estimators_)) else TIE
    else:
        codes = [codes_of(writer, part, given) for part in model.estimators_]
        scores = _weighted(writer, model, [_hot(writer, code, len(model.classes_)) for code in codes])
    give_scores(writer, operator, scores)
    settle_ties(writer, operator, scores, width)


def _vote_value(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    return _weighted(writer, model, [values_of(writer, part, given) for part in model.estimators_])


def _chosen(writer: Writer, model: Any, given: Sequence[Any]) -> list[Sequence[Any]]:
    """Return what each estimator of a bag reads: the columns drawn for it."""
    width, like = model.n_features_in_, given[0]
    everything = [np.array_equal(columns, np.arange(width)) for columns in model.estimators_features_]
    matrix = "" if all(everything) else matrix_of(writer, given)
    return [
        given
        if whole
        else [variable_of(writer, writer.add("Gather", matrix, np.asarray(columns, dtype=np.int64), axis=1), like)]
        for whole, columns in zip(everything, model.estimators_features_, strict=True)
    ]


def _bag_odds(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    width = len(labels_of(model))
    parts = []
    for part, read in zip(model.estimators_, _chosen(writer, model, given), strict=True):
        if hasattr(part, "predict_proba"):
            odds = rough_probabilities_of(writer, part, read)
        else:
            odds = _hot(writer, codes_of(writer, part, read), len(part.classes_))
        if len(part.classes_) < width:
            spread = np.zeros((len(part.classes_), width))
            spread[np.arange(len(part.classes_)), np.asarray(part.classes_, dtype=np.int64)] = 1.0
            odds = writer.add("MatMul", odds, spread)
        parts.append(odds)
    return writer.add("Div", writer.total(parts), float(len(parts)))


def _bag(scope: Any, operator: Any, container: Any) -> None:
    writer = Writer(scope, container)
    odds = _bag_odds(writer, operator.raw_operator, operator.inputs)
    give_scores(writer, operator, odds)
    settle_ties(writer, operator, odds)


def _bag_value(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    reads = _chosen(writer, model, given)
    parts = [values_of(writer, part, read) for part, read in zip(model.estimators_, reads, strict=True)]
    return writer.add("Div", writer.total(parts), float(len(parts)))


def _stacked(writer: Writer, model: Any, given: Sequence[Any]) -> list[Any]:
    """Return what the last estimator of a stack reads."""
    parts = [
        _said(writer, part, method, given, binary=len(getattr(model, "classes_", ())) == 2)
        for part, method in zip(model.estimators_, model.stack_method_, strict=True)
    ]
    if model.passthrough:
        parts.append(matrix_of(writer, given))
    joined = parts[0] if len(parts) == 1 else writer.add("Concat", *parts, axis=1)
    return [variable_of(writer, joined, given[0])]


def _said(writer: Writer, part: Any, method: str, given: Sequence[Any], *, binary: bool) -> str:
    if method == "decision_function":
        return decisions_of(writer, part, given)
    if method == "predict_proba":
        odds = probabilities_of(writer, part, given)
        return writer.column(odds, 1) if binary else odds
    if not len(getattr(part, "classes_", ())):  # a regressor of CatBoost has classes, but none
        return values_of(writer, part, given)
    classes = labels_of(part)
    if classes.dtype.kind == "O":
        raise NotImplementedError("it stacks classes that are text: let it stack probabilities")
    return writer.add("Gather", classes.astype(np.float64), codes_of(writer, part, given), axis=0)


def _stack(scope: Any, operator: Any, container: Any) -> None:
    writer, model = Writer(scope, container), operator.raw_operator
    read, final = _stacked(writer, model, operator.inputs), model.final_estimator_
    codes = writer.add("Reshape", codes_of(writer, final, read), np.array([-1], dtype=np.int64))
    give_classes(writer, operator, codes)
    if hasattr(final, "predict_proba"):
        give_scores(writer, operator, probabilities_of(writer, final, read))
    else:
        give_scores(
            writer, operator, _hot(writer, writer.add("Reshape", codes, np.array([-1, 1])), len(model.classes_))
        )


def _stack_value(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    return values_of(writer, model.final_estimator_, _stacked(writer, model, given))


def _stack_odds(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    return probabilities_of(writer, model.final_estimator_, _stacked(writer, model, given))


def _stack_decisions(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    return decisions_of(writer, model.final_estimator_, _stacked(writer, model, given))


_VALUES = {VotingRegressor: _vote_value, BaggingRegressor: _bag_value, StackingRegressor: _stack_value}


def _value(scope: Any, operator: Any, container: Any) -> None:
    writer, model = Writer(scope, container), operator.raw_operator
    give(writer, _VALUES[type(model)](writer, model, operator.inputs), operator.outputs[0])


responses.VALUES.update(_VALUES)
responses.PROBABILITIES.update({VotingClassifier: _soft, BaggingClassifier: _bag_odds, StackingClassifier: _stack_odds})
responses.DECISIONS[StackingClassifier] = _stack_decisions

for _kind in (VotingClassifier, VotingRegressor, StackingClassifier, StackingRegressor):
    responses.MEMBERS[_kind] = lambda model: model.estimators_

CONVERTERS = (
    Converter(VotingClassifier, classifier_shape, _vote, "equal votes give the first class", options=OPTIONS),
    Converter(BaggingClassifier, classifier_shape, _bag, "equal votes give the first class", options=OPTIONS),
    Converter(StackingClassifier, classifier_shape, _stack, "stacked in double", options=OPTIONS),
    *(Converter(kind, regressor_shape, _value, "put together in double") for kind in _VALUES),
)

"""Many classes out of classifiers of two: one against the rest, one against another, and a code of bits."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier, _ConstantPredictor
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain

from hakobu.export.converters import responses
from hakobu.export.converters.classes import (
    OPTIONS,
    above,
    both,
    classifier_shape,
    give_classes,
    give_scores,
    largest,
    opposite,
)
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import binary_score, codes_of, decisions_of, matrix_of, probabilities_of
from hakobu.export.converters.writer import Writer


def _rest_odds(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    parts = [writer.column(probabilities_of(writer, part, given), 1) for part in model.estimators_]
    odds = both(writer, parts[0]) if len(parts) == 1 else writer.add("Concat", *parts, axis=1)
    total = writer.sum_of(odds)
    return writer.add("Div", odds, writer.add("Where", writer.add("Equal", total, 0.0), 1.0, total))


def _rest_decisions(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    parts = [decisions_of(writer, part, given) for part in model.estimators_]
    return parts[0] if len(parts) == 1 else writer.add("Concat", *parts, axis=1)


def _rest(scope: Any, operator: Any, container: Any) -> None:
    writer, model, given = Writer(scope, container), operator.raw_operator, operator.inputs
    if model.multilabel_:
        raise NotImplementedError("it gives several labels a row: train one model for each of them")
    scores = [binary_score(writer, part, given) for part in model.estimators_]
    if len(scores) == 1:
        usual = 0.0 if hasattr(model.estimators_[0], "decision_function") else 0.5
        give_classes(writer, operator, above(writer, scores[0], usual))
        beside = opposite(writer, scores[0])
    else:
        beside = writer.add("Concat", *scores, axis=1)
        give_classes(writer, operator, largest(writer, beside))
    odds = hasattr(model, "predict_proba")
    give_scores(writer, operator, _rest_odds(writer, model, given) if odds else beside)


def _pair_decisions(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    """Return the votes, and the sum of confidences squeezed between a vote and the next, (n, classes)."""
    if model.pairwise_indices_ is not None:
        raise NotImplementedError("its kernel is computed before it: use one that is computed inside it")
    codes = [codes_of(writer, part, given) for part in model.estimators_]
    scores = [binary_score(writer, part, given) for part in model.estimators_]
    second = writer.double(writer.add("Concat", *codes, axis=1))
    return votes_of(writer, second, writer.add("Concat", *scores, axis=1), len(model.classes_))


def votes_of(writer: Writer, second: str, scores: str, classes: int) -> str:
    """Return what pairs of classes make together: `second` is 1 where a pair's second class won, `scores` how much."""
    pairs = list(combinations(range(classes), 2))
    places = np.arange(len(pairs))
    firsts, seconds = np.zeros((len(pairs), classes)), np.zeros((len(pairs), classes))
    firsts[places, [pair[0] for pair in pairs]] = 1.0
    seconds[places, [pair[1] for pair in pairs]] = 1.0
    won = writer.add("MatMul", writer.add("Sub", np.array(1.0), second), firsts)
    votes = writer.add("Add", won, writer.add("MatMul", second, seconds))
    trust = writer.add("MatMul", scores, seconds - firsts)
    size = writer.add("Mul", writer.add("Add", writer.add("Abs", trust), 1.0), 3.0)
    return writer.add("Add", votes, writer.add("Div", trust, size))


def _pairs(scope: Any, operator: Any, container: Any) -> None:
    writer, model = Writer(scope, container), operator.raw_operator
    scores = _pair_decisions(writer, model, operator.inputs)
    if len(model.classes_) == 2:
        usual = 0.0 if hasattr(model.estimators_[0], "decision_function") else 0.5
        give_classes(writer, operator, above(writer, writer.column(scores, 1), usual))
    else:
        give_classes(writer, operator, largest(writer, scores))
    give_scores(writer, operator, scores)


def _bits(scope: Any, operator: Any, container: Any) -> None:
    writer, model = Writer(scope, container), operator.raw_operator
    scores = [binary_score(writer, part, operator.inputs) for part in model.estimators_]
    bits, book = writer.add("Concat", *scores, axis=1), np.asarray(model.code_book_, dtype=np.float64)
    # In the order in which scikit-learn adds up: codes are often equally far but for the last digit.
    size = writer.sum_of(writer.add("Mul", bits, bits))
    apart = writer.add("Add", size, writer.add("MatMul", bits, -2.0 * book.T))
    apart = writer.add("Max", writer.add("Add", apart, (book**2).sum(axis=1).reshape(1, -1)), 0.0)
    give_classes(writer, operator, writer.add("ArgMin", apart, axis=1, keepdims=0))
    give_scores(writer, operator, writer.add("Neg", apart))


def _constant(column: int) -> responses.Scorer:
    """Return the scorer of what stands for a class that every row had, or none."""

    def score(writer: Writer, model: Any, given: Sequence[Any]) -> str:
        value = float(np.ravel(model.y_)[0])
        rows = writer.add("IsNaN", writer.column(matrix_of(writer, given), 0))
        second = writer.add("Where", rows, value, value)
        return both(writer, second) if column else second

    return score


def _several(operator: Any) -> None:
    name = type(operator.raw_operator).__name__
    raise NotImplementedError(f"{name} has several targets: train one model for each of them")


responses.PROBABILITIES[OneVsRestClassifier] = _rest_odds
responses.DECISIONS[OneVsRestClassifier] = _rest_decisions
responses.DECISIONS[OneVsOneClassifier] = lambda writer, model, given: (
    writer.column(_pair_decisions(writer, model, given), 1)
    if len(model.classes_) == 2
    else _pair_decisions(writer, model, given)
)
responses.PROBABILITIES[_ConstantPredictor] = _constant(1)
responses.DECISIONS[_ConstantPredictor] = _constant(0)
responses.MEMBERS[OneVsRestClassifier] = lambda model: model.estimators_

CONVERTERS = (
    Converter(OneVsRestClassifier, classifier_shape, _rest, "scores compared in double", options=OPTIONS),
    Converter(OneVsOneClassifier, classifier_shape, _pairs, "votes counted in double", options=OPTIONS),
    Converter(OutputCodeClassifier, classifier_shape, _bits, "codes compared in double", options=OPTIONS),
    *(
        Converter(kind, _several, lambda scope, operator, container: None, "refused", options=OPTIONS)
        for kind in (ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain)
    ),
)

"""AdaBoostClassifier: the weighted votes of its trees, in double."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import AdaBoostClassifier
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from hakobu.export.converters import responses
from hakobu.export.converters.classes import (
    OPTIONS,
    above,
    classifier_shape,
    give_classes,
    give_scores,
    labels_of,
    largest,
    opposite,
)
from hakobu.export.converters.forests import wood_of
from hakobu.export.converters.groves import Wood, sums_of
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import codes_of, matrix_of
from hakobu.export.converters.writer import Writer

_TREES = (DecisionTreeClassifier, ExtraTreeClassifier)


def _decisions(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    """Return decision_function, doubles (n, 1), or (n, classes) where there are more than two."""
    count, weights = len(model.classes_), np.asarray(model.estimator_weights_, dtype=np.float64)
    if any(len(part.classes_) != count for part in model.estimators_):
        raise NotImplementedError("one of its estimators saw fewer classes than the others: use more rows")
    if all(isinstance(part, _TREES) for part in model.estimators_):
        trees = [_voting(part, weight) for part, weight in zip(model.estimators_, weights, strict=False)]
        columns = [np.arange(count)] * len(trees)
        votes = sums_of(writer, trees, writer.float32(matrix_of(writer, given)), columns, narrow=True)
    else:
        table = [_votes(np.arange(count), count, weight) for weight in weights[: len(model.estimators_)]]
        parts = [
            writer.add("Gather", rows, writer.add("Reshape", codes_of(writer, part, given), np.array([-1])), axis=0)
            for rows, part in zip(table, model.estimators_, strict=True)
        ]
        votes = writer.total(parts)
    votes = writer.add("Div", votes, float(weights.sum()))
    if count > 2:
        return votes
    return writer.add("Sub", writer.column(votes, 1), writer.column(votes, 0))


def _votes(codes: Any, count: int, weight: float) -> Any:
    """Return what each of `codes` adds to each class."""
    return np.where(np.asarray(codes)[:, None] == np.arange(count), weight, -1 / (count - 1) * weight)


def _voting(part: Any, weight: float) -> Wood:
    """Return a tree whose leaves hold the votes of one estimator."""
    wood = wood_of(part.tree_)
    votes = _votes(np.argmax(wood.weights, axis=1), len(part.classes_), weight)
    return Wood(wood.features, wood.modes, wood.values, wood.yes, wood.no, wood.missing, wood.leaves, votes)


def _odds(writer: Writer, scores: str, count: int) -> str:
    spread = opposite(writer, scores) if count == 2 else scores
    return writer.add("Softmax", writer.add("Div", spread, 2.0 if count == 2 else count - 1.0), axis=1)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    writer, model = Writer(scope, container), operator.raw_operator
    scores, count = _decisions(writer, model, operator.inputs), len(labels_of(model))
    give_classes(writer, operator, above(writer, scores, 0.0) if count == 2 else largest(writer, scores))
    give_scores(writer, operator, _odds(writer, scores, count))


responses.DECISIONS[AdaBoostClassifier] = _decisions
responses.PROBABILITIES[AdaBoostClassifier] = lambda writer, model, given: _odds(
    writer, _decisions(writer, model, given), len(model.classes_)
)

CONVERTERS = (
    Converter(
        AdaBoostClassifier,
        classifier_shape,
        _convert,
        "votes counted in double",
        options={**OPTIONS, "raw_scores": [True, False]},
    ),
)

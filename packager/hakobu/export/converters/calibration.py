"""CalibratedClassifierCV: every method, on scores in double, for isotonic steps are finer than float32."""

from collections.abc import Sequence
from typing import Any

from sklearn.calibration import CalibratedClassifierCV

from hakobu.export.converters import responses
from hakobu.export.converters.classes import (
    OPTIONS,
    both,
    classifier_shape,
    give_classes,
    give_scores,
    largest,
    opposite,
)
from hakobu.export.converters.piecewise import interpolated
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import decisions_of, probabilities_of
from hakobu.export.converters.writer import Writer


def _probabilities(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    parts = [_one(writer, part, given) for part in model.calibrated_classifiers_]
    return writer.add("Div", writer.total(parts), float(len(parts)))


def _one(writer: Writer, part: Any, given: Sequence[Any]) -> str:
    decides, classes = hasattr(part.estimator, "decision_function"), len(part.classes)
    if len(part.estimator.classes_) != classes:
        raise NotImplementedError("one of its folds saw fewer classes than the others: use fewer folds, or more rows")
    scores = (decisions_of if decides else probabilities_of)(writer, part.estimator, given)
    if part.method == "temperature":
        return _cap(writer, _tempered(writer, part.calibrators[0], scores, decides=decides, classes=classes))
    if classes == 2:
        score = scores if decides else writer.column(scores, 1)
        return _cap(writer, both(writer, _calibrated(writer, part.calibrators[0], score)))
    columns = [
        _calibrated(writer, calibrator, writer.column(scores, place))
        for place, calibrator in enumerate(part.calibrators)
    ]
    odds = writer.add("Concat", *columns, axis=1)
    total = writer.sum_of(odds)
    nothing = writer.add("Equal", total, 0.0)
    shared = writer.add("Div", odds, writer.add("Where", nothing, 1.0, total))
    return _cap(writer, writer.add("Where", nothing, 1.0 / classes, shared))


def _calibrated(writer: Writer, calibrator: Any, score: str) -> str:
    """Return what one calibrator makes of `score` (n, 1)."""
    if hasattr(calibrator, "a_"):
        exponent = writer.add("Add", writer.add("Mul", score, float(calibrator.a_)), float(calibrator.b_))
        return writer.add("Sigmoid", writer.add("Neg", exponent))
    return interpolated(writer, score, calibrator.X_thresholds_, calibrator.y_thresholds_)


def _tempered(writer: Writer, calibrator: Any, scores: str, *, decides: bool, classes: int) -> str:
    if not decides:
        scores = writer.add("Log", writer.add("Add", scores, 1e-12))
    elif classes == 2:
        scores = opposite(writer, scores)
    return writer.add("Softmax", writer.add("Mul", scores, float(calibrator.beta_)), axis=1)


def _cap(writer: Writer, odds: str) -> str:
    return writer.add("Min", odds, 1.0)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    writer = Writer(scope, container)
    odds = _probabilities(writer, operator.raw_operator, operator.inputs)
    give_classes(writer, operator, largest(writer, odds))
    give_scores(writer, operator, odds)


responses.PROBABILITIES[CalibratedClassifierCV] = _probabilities
responses.MEMBERS[CalibratedClassifierCV] = lambda model: [part.estimator for part in model.calibrated_classifiers_]

CONVERTERS = (Converter(CalibratedClassifierCV, classifier_shape, _convert, "calibrated in double", options=OPTIONS),)

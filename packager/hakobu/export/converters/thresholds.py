"""Classifiers of two classes with a threshold of their own."""

from typing import Any

import numpy as np
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

from hakobu.export.converters import responses
from hakobu.export.converters.classes import OPTIONS, above, classifier_shape, give_classes, give_scores
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import decisions_of, probabilities_of
from hakobu.export.converters.writer import Writer


def _convert(scope: Any, operator: Any, container: Any) -> None:
    writer, model = Writer(scope, container), operator.raw_operator
    inner, given = _inner(model), operator.inputs
    odds = probabilities_of(writer, inner, given) if hasattr(inner, "predict_proba") else ""
    classes, pos_label = list(model.classes_), _pos_label(model)
    wanted = 1 if pos_label is None else classes.index(pos_label)
    by_odds = odds and model.response_method in ("auto", "predict_proba")
    if by_odds:
        score = writer.column(odds, wanted)
    else:
        score = decisions_of(writer, inner, given)
        score = score if wanted else writer.add("Neg", score)
    place = above(writer, score, _threshold(model, 0.5 if by_odds else 0.0), equal=True)
    give_classes(writer, operator, place if wanted else writer.add("Sub", np.array(1, dtype=np.int64), place))
    give_scores(writer, operator, odds or decisions_of(writer, inner, given))


def _inner(model: Any) -> Any:
    return getattr(model, "estimator_", model.estimator)


def _threshold(model: Any, usual: float) -> float:
    if isinstance(model, TunedThresholdClassifierCV):
        return float(model.best_threshold_)
    return usual if model.threshold == "auto" else float(model.threshold)


def _pos_label(model: Any) -> Any:
    if isinstance(model, TunedThresholdClassifierCV):
        return model._curve_scorer._get_pos_label()
    return model.pos_label


_KINDS = (TunedThresholdClassifierCV, FixedThresholdClassifier)

for _kind in _KINDS:
    responses.PROBABILITIES[_kind] = lambda writer, model, given: probabilities_of(writer, _inner(model), given)
    responses.DECISIONS[_kind] = lambda writer, model, given: decisions_of(writer, _inner(model), given)
    responses.MEMBERS[_kind] = lambda model: [_inner(model)]

CONVERTERS = tuple(
    Converter(kind, classifier_shape, _convert, "its threshold applied", options=OPTIONS) for kind in _KINDS
)

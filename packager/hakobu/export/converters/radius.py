"""The training rows within a radius: their votes, their means, and how far they are, by distances in double."""

from typing import Any

import numpy as np
from sklearn.neighbors import (
    NearestCentroid,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
    RadiusNeighborsTransformer,
)

from hakobu.export.converters import distances
from hakobu.export.converters.classes import (
    OPTIONS,
    classifier_shape,
    give,
    give_classes,
    give_scores,
    labels_of,
    largest,
    regressor_shape,
)
from hakobu.export.converters.neighbours import measure, points_count, single_target
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, gives


def _within(step: Step, model: Any) -> tuple[str, str]:
    """Return which training rows are within the radius, and how far all of them are: both (n, points)."""
    measured = measure(step, model, step.numbers())
    inside = step.add("LessOrEqual", measured.reduced, float(model.radius) ** measured.root)
    return inside, measured.distance(step, measured.reduced)


def _weights(step: Step, model: Any) -> str:
    """Return the weight of each training row, 0 for those beyond the radius: doubles (n, points)."""
    inside, far = _within(step, model)
    if model.weights in (None, "uniform"):
        return step.double(inside)
    if model.weights != "distance":
        raise NotImplementedError("weights made by a function cannot be exported: use 'uniform' or 'distance'")
    same = step.double(step.add("Equal", far, 0.0))
    any_same = step.add("ReduceMax", same, np.array([1], dtype=np.int64), keepdims=1)
    inverse = step.add("Div", step.double(inside), step.add("Where", step.add("Equal", far, 0.0), 1.0, far))
    return step.add("Where", step.add("Greater", any_same, 0.0), same, inverse)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model, labels = step.estimator, labels_of(operator.raw_operator)
    known = [None] if model.outlier_label_ is None else np.ravel(model.outlier_label_).tolist()
    if known[0] not in labels.tolist():
        raise NotImplementedError("rows far from all others have no class: set outlier_label='most_frequent'")
    one_hot = (single_target(model)[:, None] == np.arange(len(labels))[None, :]).astype(np.float64)
    votes = step.add("MatMul", _weights(step, model), one_hot)
    total = step.sum_of(votes)
    alone = (labels == known[0]).astype(np.float64)[None, :]
    lonely = step.add("Equal", total, 0.0)
    votes = step.add("Where", lonely, alone, votes)
    odds = step.add("Div", votes, step.add("Where", lonely, 1.0, total))
    give_classes(step, operator, largest(step, odds))
    give_scores(step, operator, odds)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    weights, values = _weights(step, step.estimator), single_target(step.estimator).astype(np.float64)
    total = step.add("MatMul", weights, values[:, None])
    give(step, step.add("Div", total, step.sum_of(weights)), operator.outputs[0])


def _convert_graph(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    inside, far = _within(step, step.estimator)
    by_distance = step.estimator.mode == "distance"
    step.give(step.add("Where", inside, far if by_distance else 1.0, 0.0))


def _convert_centroids(scope: Any, operator: Any, container: Any) -> None:
    """Take the nearest centroid, or the likeliest class where the classes are not equally likely."""
    step = Step(scope, operator, container)
    model, given = step.estimator, step.numbers()
    if model.metric not in ("euclidean", "manhattan"):
        raise NotImplementedError(f"its metric {model.metric!r} has no converter: use 'euclidean' or 'manhattan'")
    plain = model.metric == "manhattan"
    centroids = distances.points_of(model.centroids_)
    scale = np.where(model.within_class_std_dev_ != 0, model.within_class_std_dev_, 1.0).astype(np.float64)
    measured = (distances.manhattan if plain else distances.expanded)(
        step, step.add("Div", given, scale), centroids / scale
    )
    if plain:
        measured = step.add("Mul", measured, measured)
    scores = step.add("Sub", 2.0 * np.log(model.class_prior_)[None, :], measured)
    if np.isclose(model.class_prior_, 1 / len(model.classes_)).all():
        near = (distances.manhattan if plain else distances.expanded)(step, given, centroids)
        give_classes(step, operator, step.add("ArgMin", near, axis=1, keepdims=0))
    else:
        give_classes(step, operator, largest(step, scores))
    give_scores(step, operator, step.add("Softmax", scores, axis=1))


CONVERTERS = (
    Converter(RadiusNeighborsClassifier, classifier_shape, _convert_classifier, "distances in double", options=OPTIONS),
    Converter(RadiusNeighborsRegressor, regressor_shape, _convert_regressor, "distances in double"),
    Converter(RadiusNeighborsTransformer, gives(points_count), _convert_graph, "distances in double"),
    Converter(NearestCentroid, classifier_shape, _convert_centroids, "distances in double", options=OPTIONS),
)

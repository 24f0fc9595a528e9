"""The nearest of the training rows: their votes, their means, and how far they are, by distances in double."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, KNeighborsTransformer

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
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, gives
from hakobu.export.converters.ties import refuse_ties


@dataclass(frozen=True, slots=True)
class Measured:
    """How far each row lies from all known points."""

    reduced: str
    """Doubles (n, points) in the order of the distances, like their squares."""
    root: float
    """The distance is the reduced one to the power of 1 / root."""

    def distance(self, step: Step, reduced: str) -> str:
        """Return the distances that some of the `reduced` ones stand for."""
        if self.root == 1.0:
            return reduced
        return step.add("Sqrt", reduced) if self.root == 2.0 else step.add("Pow", reduced, 1.0 / self.root)


def measure(step: Step, model: Any, given: str) -> Measured:
    """Return how far the rows `given` lie from what `model` was fitted on, by the metric that it has."""
    metric, words = model.effective_metric_, model.effective_metric_params_ or {}
    points = distances.points_of(model._fit_X)
    power = {"euclidean": 2.0, "manhattan": 1.0, "cityblock": 1.0, "l1": 1.0, "l2": 2.0}.get(metric)
    if metric in ("minkowski", "p") and words.get("w") is None:
        power = float(words.get("p", 2))
    if metric in ("chebyshev", "infinity") or power == np.inf:
        return Measured(distances.chebyshev(step, given, points), 1.0)
    brute = model._fit_method == "brute"
    if metric == "sqeuclidean":
        return Measured(distances.expanded(step, given, points), 1.0)
    if metric == "cosine":
        found = step.add("Sub", 1.0, distances.cosines(step, given, points))
        return Measured(step.add("Min", step.add("Max", found, 0.0), 2.0), 1.0)
    if power == 2.0:
        return Measured((distances.expanded if brute else distances.squared)(step, given, points), 2.0)
    if power == 1.0:
        return Measured(distances.manhattan(step, given, points), 1.0)
    if power is None:
        raise NotImplementedError(f"its metric {metric!r} has no converter: use 'euclidean', 'manhattan' or 'cosine'")
    return Measured(distances.powers(step, given, points, power), power)


def nearest(step: Step, model: Any, given: str, count: int) -> tuple[str, str]:
    """Return the distances and the places of the `count` nearest points, the nearest first: both (n, count)."""
    measured = measure(step, model, given)
    found = [step.add("Identity", measured.reduced) + end for end in ("_near", "_place")]
    step.put("TopK", [measured.reduced, np.array([count], dtype=np.int64)], found, axis=1, largest=0, sorted=1)
    return measured.distance(step, found[0]), found[1]


def weighed(step: Step, model: Any, far: str) -> str:
    """Return the weight of each neighbour, doubles of the shape of the distances `far`."""
    if model.weights in (None, "uniform"):
        return step.add("Where", step.add("IsNaN", far), 0.0, 1.0)
    if model.weights != "distance":
        raise NotImplementedError("weights made by a function cannot be exported: use 'uniform' or 'distance'")
    same = step.add("Equal", far, 0.0)
    # On a training row itself, that one and its like count alone.
    alone = step.double(same)
    any_same = step.add("ReduceMax", alone, np.array([1], dtype=np.int64), keepdims=1)
    inverse = step.add("Div", 1.0, step.add("Where", same, 1.0, far))
    return step.add("Where", step.add("Greater", any_same, 0.0), alone, inverse)


def single_target(model: Any) -> NDArray[Any]:
    """Return what `model` learned of each training row, (rows,); raise NotImplementedError for several targets."""
    targets = np.asarray(model._y)
    if targets.ndim == 2 and targets.shape[1] != 1:
        raise NotImplementedError("it has several targets: train one model for each of them")
    return targets.reshape(-1)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model, classes = step.estimator, len(labels_of(operator.raw_operator))
    far, places = nearest(step, model, step.numbers(), model.n_neighbors)
    refuse_ties(model, model.n_neighbors, single_target(model))
    codes = step.widen(step.add("Gather", single_target(model).astype(np.int64), places))
    votes = step.double(step.add("Equal", codes, np.arange(classes).reshape(1, 1, -1)))
    votes = step.sum_of(step.add("Mul", votes, step.widen(weighed(step, model, far))), keepdims=0)
    give_classes(step, operator, largest(step, votes))
    give_scores(step, operator, step.add("Div", votes, step.sum_of(votes)))


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model = step.estimator
    far, places = nearest(step, model, step.numbers(), model.n_neighbors)
    refuse_ties(model, model.n_neighbors, single_target(model))
    values = step.add("Gather", single_target(model).astype(np.float64), places)
    weights = weighed(step, model, far)
    total = step.sum_of(step.add("Mul", values, weights))
    give(step, step.add("Div", total, step.sum_of(weights)), operator.outputs[0])


def _convert_graph(scope: Any, operator: Any, container: Any) -> None:
    """Write the distances of the nearest, or 1, in the places of the training rows, and 0 in the others."""
    step = Step(scope, operator, container)
    model, by_distance = step.estimator, step.estimator.mode == "distance"
    refuse_ties(model, model.n_neighbors + by_distance, np.arange(model.n_samples_fit_))
    given = step.numbers()
    far, places = nearest(step, model, given, model.n_neighbors + by_distance)
    nothing = step.add("MatMul", step.add("Mul", given, 0.0), np.zeros((model.n_features_in_, model.n_samples_fit_)))
    ones = step.double(step.add("GreaterOrEqual", far, 0.0))
    step.give(step.add("ScatterElements", nothing, places, far if by_distance else ones, axis=1))


def points_count(model: Any) -> int:
    """Count the rows that `model` was fitted on."""
    return int(model.n_samples_fit_)


CONVERTERS = (
    Converter(KNeighborsClassifier, classifier_shape, _convert_classifier, "distances in double", options=OPTIONS),
    Converter(KNeighborsRegressor, regressor_shape, _convert_regressor, "distances in double"),
    Converter(KNeighborsTransformer, gives(points_count), _convert_graph, "distances in double"),
)

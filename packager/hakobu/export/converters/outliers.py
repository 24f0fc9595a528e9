"""What tells rows that are unlike the others: 1 inside, -1 outside, by scores in double."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._iforest import _average_path_length
from sklearn.linear_model import SGDOneClassSVM
from sklearn.neighbors import LocalOutlierFactor

from hakobu.export.converters.forests import wood_of
from hakobu.export.converters.groves import Wood, leaf_values
from hakobu.export.converters.linear import weights_of
from hakobu.export.converters.neighbours import nearest
from hakobu.export.converters.single import give_sides, labels_only
from hakobu.export.converters.step import Step


def _not_below(step: Step, score: str, offset: Any) -> str:
    """Say where the `score` is not below the offset, as the models that subtract it say."""
    gap = step.add("Sub", score, np.ravel(np.asarray(offset, dtype=np.float64))[:1])
    return step.add("GreaterOrEqual", gap, 0.0)


def _side(step: Step) -> str:
    model = step.estimator
    score = step.add("MatMul", step.numbers(), weights_of(model).T)
    return _not_below(step, score, model.offset_)


def _ellipse(step: Step) -> str:
    model = step.estimator
    centred = step.add("Sub", step.numbers(), np.asarray(model.location_, dtype=np.float64))
    turned = step.add("MatMul", centred, np.asarray(model.get_precision(), dtype=np.float64))
    far = step.sum_of(step.add("Mul", turned, centred))
    return _not_below(step, step.add("Neg", far), model.offset_)


def _density(step: Step) -> str:
    model, count = step.estimator, step.estimator.n_neighbors_
    if not model.novelty:
        raise NotImplementedError("it judges only the rows that it was fitted on: set novelty=True")
    far, places = nearest(step, model, step.numbers(), count)
    reach = np.asarray(model._distances_fit_X_[:, count - 1], dtype=np.float64)
    reached = step.add("Max", far, step.add("Gather", reach, places))
    mean = step.add("Div", step.sum_of(reached), float(count))
    density = step.add("Div", 1.0, step.add("Add", mean, 1e-10))
    known = step.add("Gather", np.asarray(model._lrd, dtype=np.float64), places)
    score = step.add("Div", step.sum_of(step.add("Div", known, density)), float(count))
    return _not_below(step, step.add("Neg", score), model.offset_)


def _wood(forest: Any, place: int) -> Wood:
    """Return a tree whose leaves say how deep they are."""
    tree, columns = forest.estimators_[place].tree_, np.asarray(forest.estimators_features_[place])
    depths = forest._decision_path_lengths[place] + forest._average_path_length_per_tree[place] - 1.0
    wood = wood_of(tree)
    features = columns[wood.features].astype(np.int64)
    return replace(wood, features=features, weights=np.asarray(depths, dtype=np.float64)[wood.leaves][:, None])


def _isolation(step: Step) -> str:
    forest = step.estimator
    trees = [_wood(forest, place) for place in range(len(forest.estimators_))]
    leaves = leaf_values(step, trees, step.numbers(np.float32), narrow=True)
    depths = [step.add("Gather", leaves, np.array(place, dtype=np.int64), axis=1) for place in range(len(trees))]
    usual = len(trees) * float(_average_path_length([forest._max_samples])[0])
    if usual == 0:
        raise NotImplementedError("each of its trees saw one row: let max_samples be larger")
    score = step.add("Pow", 2.0, step.add("Neg", step.add("Div", step.total(depths), usual)))
    return _not_below(step, step.add("Neg", score), forest.offset_)


def _converts(inside: Callable[[Step], str]) -> Callable[[Any, Any, Any], None]:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        step = Step(scope, operator, container)
        give_sides(step, inside(step))

    return convert


_KINDS: dict[type, Callable[[Step], str]] = {
    EllipticEnvelope: _ellipse,
    IsolationForest: _isolation,
    LocalOutlierFactor: _density,
    SGDOneClassSVM: _side,
}

CONVERTERS = tuple(labels_only(kind, _converts(inside), "scores in double") for kind, inside in _KINDS.items())

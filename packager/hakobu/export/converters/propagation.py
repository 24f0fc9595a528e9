"""Labels that spread from known rows to others, by kernels or neighbours in double."""

from typing import Any

import numpy as np
from sklearn.semi_supervised import LabelPropagation, LabelSpreading

from hakobu.export.converters import distances
from hakobu.export.converters.classes import OPTIONS, classifier_shape, give_classes, give_scores, largest
from hakobu.export.converters.kernels import kernel_of
from hakobu.export.converters.neighbours import nearest
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step
from hakobu.export.converters.ties import refuse_ties


def _convert(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model, given = step.estimator, step.numbers()
    known = np.asarray(model.label_distributions_, dtype=np.float64)
    if model.kernel == "knn":
        refuse_ties(model.nn_fit, model.n_neighbors, np.unique(known, axis=0, return_inverse=True)[1].ravel())
        _, places = nearest(step, model.nn_fit, given, model.n_neighbors)
        votes = step.sum_of(step.add("Gather", known, places, axis=0), keepdims=0)
    else:
        if callable(model.kernel):
            raise NotImplementedError("a kernel that is a function cannot be exported: use 'rbf' or 'knn'")
        weights = kernel_of(step, given, distances.points_of(model.X_), "rbf", {"gamma": model.gamma})
        votes = step.add("MatMul", weights, known)
    odds = step.add("Div", votes, step.sum_of(votes))
    give_classes(step, operator, largest(step, odds))
    give_scores(step, operator, odds)


CONVERTERS = tuple(
    Converter(kind, classifier_shape, _convert, "distances in double", options=OPTIONS)
    for kind in (LabelPropagation, LabelSpreading)
)

"""Isomap and LocallyLinearEmbedding: where a new row lies among those that were unrolled, in double."""

from typing import Any

import numpy as np
from sklearn.manifold import Isomap, LocallyLinearEmbedding

from hakobu.export.converters.kernels import components_of
from hakobu.export.converters.neighbours import nearest
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, gives
from hakobu.export.converters.ties import refuse_ties

_AXIS = np.array([1], dtype=np.int64)


def _convert_isomap(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model = step.estimator
    if model.n_neighbors is None:
        raise NotImplementedError("neighbours by radius have no converter here: set n_neighbors")
    refuse_ties(model.nbrs_, model.n_neighbors, np.arange(model.nbrs_.n_samples_fit_))
    far, places = nearest(step, model.nbrs_, step.numbers(), model.n_neighbors)
    ways = step.add("Gather", np.asarray(model.dist_matrix_, dtype=np.float64), places, axis=0)
    shortest = step.add("ReduceMin", step.add("Add", ways, step.widen(far)), _AXIS, keepdims=0)
    kernel = step.add("Mul", step.add("Mul", shortest, shortest), -0.5)
    step.give(components_of(step, kernel, model.kernel_pca_))


def _convert_local(scope: Any, operator: Any, container: Any) -> None:
    """Find the weights of the neighbours that give the row, and take so much of what they became."""
    step = Step(scope, operator, container)
    model, count, given = step.estimator, step.estimator.n_neighbors, step.numbers()
    refuse_ties(model.nbrs_, count, np.arange(model.nbrs_.n_samples_fit_))
    _, places = nearest(step, model.nbrs_, given, count)
    points = step.add("Gather", np.asarray(model.nbrs_._fit_X, dtype=np.float64), places, axis=0)
    gaps = step.add("Sub", points, step.add("Unsqueeze", given, _AXIS))
    products = step.add("MatMul", gaps, step.add("Transpose", gaps, perm=[0, 2, 1]))
    weights = _solved(step, _steadied(step, products, count, float(model.reg)), count)
    weights = step.add("Div", weights, step.add("ReduceSum", weights, _AXIS, keepdims=1))
    became = step.add("Gather", np.asarray(model.embedding_, dtype=np.float64), places, axis=0)
    step.give(step.add("ReduceSum", step.add("Mul", became, weights), _AXIS, keepdims=0))


def _steadied(step: Step, products: str, count: int, share: float) -> str:
    """Return the matrices with a `share` of their trace on the diagonal, or `share` itself where that is nothing."""
    unit = np.eye(count)[None]
    both = np.array([1, 2], dtype=np.int64)
    trace = step.add("ReduceSum", step.add("Mul", products, unit), both, keepdims=1)
    some = step.add("Where", step.add("Greater", trace, 0.0), step.add("Mul", trace, share), share)
    return step.add("Add", products, step.add("Mul", some, unit))


def _solved(step: Step, matrices: str, count: int) -> str:
    """Return the x of `matrices` x = 1, (n, count, 1), by elimination: they are positive, so no pivots are needed."""
    ones = step.add("ReduceMax", step.add("Mul", matrices, 0.0), np.array([2], dtype=np.int64), keepdims=1)
    wide = step.add("Concat", matrices, step.add("Add", ones, 1.0), axis=2)
    for place in range(count):
        row = step.add("Gather", wide, np.array([place], dtype=np.int64), axis=1)
        column = step.add("Gather", wide, np.array([place], dtype=np.int64), axis=2)
        pivot = step.add("Gather", row, np.array([place], dtype=np.int64), axis=2)
        others = (np.arange(count) != place).astype(np.float64)[None, :, None]
        taken = step.add("Mul", step.add("Div", step.add("Mul", column, others), pivot), row)
        wide = step.add("Sub", wide, taken)
    left = step.add("Gather", wide, np.arange(count), axis=2)
    diagonal = step.add(
        "ReduceSum", step.add("Mul", left, np.eye(count)[None]), np.array([2], dtype=np.int64), keepdims=1
    )
    return step.add("Div", step.add("Gather", wide, np.array([count], dtype=np.int64), axis=2), diagonal)


def _components(model: Any) -> int:
    return int(model.embedding_.shape[1])


CONVERTERS = (
    Converter(Isomap, gives(_components), _convert_isomap, "distances in double"),
    Converter(LocallyLinearEmbedding, gives(_components), _convert_local, "distances in double"),
)

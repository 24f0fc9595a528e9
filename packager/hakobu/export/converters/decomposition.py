"""Steps that turn rows into sums of their features, in double."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse import issparse
from sklearn import decomposition, random_projection
from sklearn.linear_model import ridge_regression
from sklearn.neural_network import BernoulliRBM

from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, gives

Matrix = NDArray[np.float64]

_STEPS = 256
"""Sums of more numbers are not added up one by one."""


def _doubles(found: Any) -> Matrix:
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=np.float64)


def _parts(model: Any) -> Matrix:
    return _doubles(model.components_)


def _centred(step: Step, mean: Any) -> str:
    return step.add("Sub", step.numbers(), _doubles(mean))


def _principal(step: Step) -> str:
    """Return the principal components: centred behind the product, as scikit-learn does."""
    model = step.estimator
    found = step.add("MatMul", step.numbers(), _parts(model).T)
    if model.mean_ is not None:
        found = step.add("Sub", found, _doubles(model.mean_).reshape(1, -1) @ _parts(model).T)
    if not model.whiten:
        return found
    scale = np.sqrt(_doubles(model.explained_variance_))
    return step.add("Div", found, np.maximum(scale, np.finfo(np.float64).eps))


def _projected(step: Step) -> str:
    return step.add("MatMul", step.numbers(), _parts(step.estimator).T)


def _sparsely_projected(step: Step) -> str:
    """Return the projection by a sparse matrix, of float32 added up one by one in float32, as scipy does it.

    Sums of large numbers that cancel each other out are what their rounding makes of them.
    """
    parts = step.estimator.components_
    if step.dtype is np.float64 or not issparse(parts) or parts.dtype != np.float32:
        return _projected(step)
    counts = np.diff(parts.indptr)
    if not 0 < counts.max() <= _STEPS:
        return _projected(step)
    given = step.numbers(np.float32)
    terms = []
    for place in range(counts.max()):
        at = np.minimum(parts.indptr[:-1] + place, parts.nnz - 1)
        weights = np.where(place < counts, parts.data[at], np.float32(0))
        column = step.add("Gather", given, parts.indices[at].astype(np.int64), axis=1)
        terms.append(step.add("Mul", column, weights))
    return step.total(terms)


def _factors(step: Step) -> str:
    model = step.estimator
    weights = _parts(model) / _doubles(model.noise_variance_)
    spread = linalg.inv(np.eye(len(weights)) + weights @ _parts(model).T)
    return step.add("MatMul", step.add("MatMul", _centred(step, model.mean_), weights.T), spread)


def _sources(step: Step) -> str:
    model = step.estimator
    given = _centred(step, model.mean_) if model.whiten else step.numbers()
    return step.add("MatMul", given, _parts(model).T)


def _sparse_parts(step: Step) -> str:
    """Return the ridge regression of each row on the components, which is linear in the row."""
    model = step.estimator
    weights = ridge_regression(_parts(model).T, np.eye(model.n_features_in_), model.ridge_alpha, solver="cholesky")
    return step.add("MatMul", _centred(step, model.mean_), _doubles(weights))


def _hidden(step: Step) -> str:
    model = step.estimator
    found = step.add("MatMul", step.numbers(), _parts(model).T)
    return step.add("Sigmoid", step.add("Add", found, _doubles(model.intercept_hidden_)))


def _count(model: Any) -> int:
    return int(model.components_.shape[0])


def _converts(found: Callable[[Step], str]) -> Callable[[Any, Any, Any], None]:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        step = Step(scope, operator, container)
        step.give(found(step))

    return convert


_KINDS: dict[type, Callable[[Step], str]] = {
    BernoulliRBM: _hidden,
    decomposition.FactorAnalysis: _factors,
    decomposition.FastICA: _sources,
    decomposition.IncrementalPCA: _principal,
    decomposition.MiniBatchSparsePCA: _sparse_parts,
    decomposition.PCA: _principal,
    decomposition.SparsePCA: _sparse_parts,
    decomposition.TruncatedSVD: _projected,
    random_projection.GaussianRandomProjection: _projected,
    random_projection.SparseRandomProjection: _sparsely_projected,
}

_RIGHT = (decomposition.PCA, decomposition.IncrementalPCA, decomposition.TruncatedSVD)


def _mended(model: Any) -> bool:
    """Say whether the standard exporter has none, or one that is wrong beyond the rounding of float32."""
    return not isinstance(model, (*_RIGHT, random_projection.GaussianRandomProjection))


_REPAIRS = {random_projection.SparseRandomProjection: "added up in the source's own type and order"}

CONVERTERS = tuple(
    Converter(kind, gives(_count), _converts(found), _REPAIRS.get(kind, "added up in double"), mends=_mended)
    for kind, found in _KINDS.items()
)

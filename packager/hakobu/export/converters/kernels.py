"""Kernels between rows and known points, and the models that are sums of them, in double."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.decomposition import KernelPCA
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.preprocessing import KernelCenterer

from hakobu.export.converters import distances
from hakobu.export.converters.classes import give, regressor_shape
from hakobu.export.converters.distances import Points
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, as_many, gives


def kernel_of(step: Step, given: str, points: Points, kernel: Any, words: Mapping[str, Any]) -> str:
    """Return sklearn.metrics.pairwise_kernels of the rows `given` and `points`, doubles (n, points)."""
    gamma = words.get("gamma")
    gamma = 1.0 / points.shape[1] if gamma is None else float(gamma)
    if kernel == "rbf":
        return _falling(step, distances.expanded(step, given, points), gamma)
    if kernel == "laplacian":
        return _falling(step, distances.manhattan(step, given, points), gamma)
    if kernel == "cosine":
        return distances.cosines(step, given, points)
    if kernel == "additive_chi2":
        return step.add("Neg", distances.chi_squared(step, given, points))
    if kernel == "chi2":
        gamma = 1.0 if words.get("gamma") is None else gamma
        return _falling(step, distances.chi_squared(step, given, points), gamma)
    if kernel not in ("linear", "poly", "polynomial", "sigmoid"):
        raise NotImplementedError(f"its kernel {kernel!r} has no converter: use 'rbf', 'poly', 'linear' or 'sigmoid'")
    products = step.add("MatMul", given, points.T)
    if kernel == "linear":
        return products
    start = 1.0 if words.get("coef0") is None else float(words["coef0"])
    products = step.add("Add", step.add("Mul", products, gamma), start)
    if kernel == "sigmoid":
        return step.add("Tanh", products)
    return step.add("Pow", products, 3.0 if words.get("degree") is None else float(words["degree"]))


def _falling(step: Step, far: str, gamma: float) -> str:
    return step.add("Exp", step.add("Mul", far, -gamma))


def _words(model: Any, gamma: Any) -> dict[str, Any]:
    return {"gamma": gamma, "degree": model.degree, "coef0": model.coef0}


def _convert_ridge(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model = step.estimator
    weights = np.asarray(model.dual_coef_, dtype=np.float64).reshape(len(model.X_fit_), -1)
    if weights.shape[1] != 1:
        raise NotImplementedError("it has several targets: train one model for each of them")
    points = distances.points_of(model.X_fit_)
    found = kernel_of(step, step.numbers(), points, model.kernel, _words(model, model.gamma))
    give(step, step.add("MatMul", found, weights), operator.outputs[0])


def centred(step: Step, kernel: str, centerer: Any) -> str:
    """Return what the fitted KernelCenterer makes of `kernel`, (n, points)."""
    rows = np.asarray(centerer.K_fit_rows_, dtype=np.float64)
    mean = step.add("Div", step.sum_of(kernel), float(len(rows)))
    found = step.add("Sub", step.add("Sub", kernel, rows[None, :]), mean)
    return step.add("Add", found, float(centerer.K_fit_all_))


def components_of(step: Step, kernel: str, model: Any) -> str:
    """Return what the fitted KernelPCA makes of `kernel`, (n, components)."""
    values = np.asarray(model.eigenvalues_, dtype=np.float64)
    vectors = np.asarray(model.eigenvectors_, dtype=np.float64)
    scaled = np.where(values != 0, vectors / np.sqrt(np.where(values != 0, values, 1.0)), 0.0)
    return step.add("MatMul", centred(step, kernel, model._centerer), scaled)


def _convert_components(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model = step.estimator
    given, words = step.numbers(), _words(model, model.gamma_)
    known = (
        given
        if model.kernel == "precomputed"
        else kernel_of(step, given, distances.points_of(model.X_fit_), model.kernel, words)
    )
    step.give(components_of(step, known, model))


def _convert_approximated(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model = step.estimator
    if callable(model.kernel):
        raise NotImplementedError("a kernel that is a function cannot be exported: use 'rbf', 'poly' or 'linear'")
    points = distances.points_of(model.components_)
    found = kernel_of(step, step.numbers(), points, model.kernel, model._get_kernel_params())
    step.give(step.add("MatMul", found, np.asarray(model.normalization_, dtype=np.float64).T))


def _convert_centerer(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    step.give(centred(step, step.numbers(), step.estimator))


def _components(model: Any) -> int:
    return int(model.eigenvalues_.shape[0])


def _samples(model: Any) -> int:
    return int(model.normalization_.shape[0])


CONVERTERS = (
    Converter(KernelRidge, regressor_shape, _convert_ridge, "kernels in double"),
    Converter(KernelPCA, gives(_components), _convert_components, "kernels in double"),
    Converter(Nystroem, gives(_samples), _convert_approximated, "kernels in double"),
    Converter(KernelCenterer, gives(as_many), _convert_centerer, "centred in double"),
)

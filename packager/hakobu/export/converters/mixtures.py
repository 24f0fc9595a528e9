"""Mixtures of normal distributions: the likeliest component, in double."""

from typing import Any

import numpy as np
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

from hakobu.export.converters.single import give_labels, labels_only
from hakobu.export.converters.step import Step


def _spread(step: Step, model: Any, given: str) -> str:
    """Return the squared distance of each row from each mean, by the shape of each component: (n, components)."""
    means = np.asarray(model.means_, dtype=np.float64)
    roots = np.asarray(model.precisions_cholesky_, dtype=np.float64)
    if model.covariance_type in ("diag", "spherical"):
        weights = roots**2 if roots.ndim == 2 else np.repeat(roots[:, None] ** 2, means.shape[1], axis=1)
        crossed = step.add("Mul", step.add("MatMul", given, (means * weights).T), 2.0)
        found = step.add("Sub", np.sum(means**2 * weights, axis=1)[None, :], crossed)
        return step.add("Add", found, step.add("MatMul", step.add("Mul", given, given), weights.T))
    parts = []
    for mean, root in zip(means, roots if roots.ndim == 3 else [roots] * len(means), strict=True):
        turned = step.add("Sub", step.add("MatMul", given, root), (mean @ root)[None, :])
        parts.append(step.sum_of(step.add("Mul", turned, turned)))
    return str(step.side_by_side(parts))


def _convert(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model = step.estimator
    # On its own mean a component's likelihood is all but the distance.
    means = np.asarray(model.means_, dtype=np.float64)
    starts = np.diag(model._estimate_log_prob(means)) + model._estimate_log_weights()
    far = step.add("Mul", _spread(step, model, step.numbers()), -0.5)
    give_labels(step, step.add("ArgMax", step.add("Add", far, starts[None, :]), axis=1, keepdims=0))


CONVERTERS = tuple(
    labels_only(kind, _convert, "likelihoods compared in double") for kind in (GaussianMixture, BayesianGaussianMixture)
)

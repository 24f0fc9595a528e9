"""The cluster that a row belongs to, by distances in double, and features that were merged."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import cluster

from hakobu.export.converters.distances import expanded, points_of
from hakobu.export.converters.single import give_labels, labels_only, step_only
from hakobu.export.converters.step import Step

_POOLS = {np.max: "ReduceMax", np.min: "ReduceMin"}


def _nearest(step: Step, centres: Any) -> str:
    """Return the place of the nearest of `centres`, the first of equally near ones, (n,)."""
    return step.add("ArgMin", expanded(step, step.numbers(), points_of(centres)), axis=1, keepdims=0)


def _means_distances(step: Step, given: str, centres: NDArray[np.float64]) -> str:
    """Return squared distances less what all centres share, as k-means compares them."""
    products = step.add("Mul", step.add("MatMul", given, centres.T), -2.0)
    return step.add("Add", products, np.einsum("ij,ij->i", centres, centres)[None, :])


def _means(step: Step) -> str:
    centres = points_of(step.estimator.cluster_centers_)
    return step.add("ArgMin", _means_distances(step, step.numbers(), centres), axis=1, keepdims=0)


def _bisected(step: Step) -> str:
    """Return the leaf that each row comes to, going down to the nearer centre at every fork."""
    model, given = step.estimator, step.numbers()
    shift = getattr(model, "_X_mean", 0.0)

    def below(node: Any) -> str | NDArray[np.int64]:
        if node.left is None:
            return np.array([node.label], dtype=np.int64)
        centres = points_of(np.vstack((node.left.center, node.right.center)) + shift)
        turn = step.add("ArgMin", _means_distances(step, given, centres), axis=1, keepdims=0)
        left = step.add("Equal", turn, np.array(0, dtype=np.int64))
        return step.add("Where", left, below(node.left), below(node.right))

    found = below(model._bisecting_tree)
    if not isinstance(found, str):
        raise NotImplementedError("it found one cluster alone: ask for two or more")
    return found


def _subclusters(step: Step) -> str:
    model = step.estimator
    labels = np.asarray(model.subcluster_labels_, dtype=np.int64)
    return step.add("Gather", labels, _nearest(step, model.subcluster_centers_))


def _exemplars(step: Step) -> str:
    centres = getattr(step.estimator, "cluster_centers_", None)
    if centres is None or len(centres) == 0:
        raise NotImplementedError("it found no clusters, or knows distances alone: fit it on rows until it converges")
    return _nearest(step, centres)


def _centres(step: Step) -> str:
    return _nearest(step, step.estimator.cluster_centers_)


def _labels(found: Callable[[Step], str]) -> Callable[[Any, Any, Any], None]:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        step = Step(scope, operator, container)
        give_labels(step, found(step))

    return convert


def _convert_merged(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    labels, pool = np.asarray(step.estimator.labels_), step.estimator.pooling_func
    given = step.numbers()
    if pool is np.mean:
        shares = (labels[:, None] == np.arange(labels.max() + 1)[None, :]).astype(np.float64)
        step.give(step.add("Div", step.add("MatMul", given, shares), shares.sum(axis=0)))
        return
    if pool not in _POOLS:
        raise NotImplementedError("its pooling_func has no converter: use numpy's mean, min or max")
    groups = [np.flatnonzero(labels == label).astype(np.int64) for label in np.unique(labels)]
    axis = np.array([1], dtype=np.int64)
    parts = [step.add(_POOLS[pool], step.add("Gather", given, group, axis=1), axis, keepdims=1) for group in groups]
    step.give(step.side_by_side(parts))


def _groups(model: Any) -> int:
    return len(np.unique(model.labels_))


_KINDS: dict[type, Callable[[Step], str]] = {
    cluster.AffinityPropagation: _exemplars,
    cluster.Birch: _subclusters,
    cluster.BisectingKMeans: _bisected,
    cluster.KMeans: _means,
    cluster.MeanShift: _centres,
    cluster.MiniBatchKMeans: _means,
}

CONVERTERS = (
    *(labels_only(kind, _labels(found), "distances in double") for kind, found in _KINDS.items()),
    step_only(cluster.FeatureAgglomeration, _groups, _convert_merged, "merged in double"),
)

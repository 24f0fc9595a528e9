"""Converters of our own: what people use and the standard exporter lacks, or gets silently wrong."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from hakobu.export.converters import (
    adaptive,
    binning,
    boosting,
    calibration,
    clusters,
    crossed,
    decomposition,
    discriminant,
    donors,
    dummies,
    embedding,
    encoding,
    forests,
    functions,
    gaussian,
    gradient,
    imputing,
    isotonic,
    iterative,
    kernels,
    linear,
    manifolds,
    mixtures,
    neighbours,
    outliers,
    planes,
    powers,
    propagation,
    quantiles,
    radius,
    samplers,
    scaling,
    selection,
    splines,
    stand_ins,
    support,
    targets,
    text,
    thresholds,
    versus,
    votes,
)
from hakobu.export.converters.boosters import register_boosters
from hakobu.export.converters.registry import Converter
from hakobu.export.inside import inside

FAMILIES: tuple[tuple[Converter, ...], ...] = (
    text.CONVERTERS,
    encoding.CONVERTERS,
    imputing.CONVERTERS,
    functions.CONVERTERS,
    binning.CONVERTERS,
    quantiles.CONVERTERS,
    powers.CONVERTERS,
    splines.CONVERTERS,
    scaling.CONVERTERS,
    stand_ins.CONVERTERS,
    boosting.CONVERTERS,
    gradient.CONVERTERS,
    forests.CONVERTERS,
    planes.CONVERTERS,
    support.CONVERTERS,
    discriminant.CONVERTERS,
    adaptive.CONVERTERS,
    votes.CONVERTERS,
    versus.CONVERTERS,
    calibration.CONVERTERS,
    thresholds.CONVERTERS,
    targets.CONVERTERS,
    clusters.CONVERTERS,
    crossed.CONVERTERS,
    decomposition.CONVERTERS,
    donors.CONVERTERS,
    dummies.CONVERTERS,
    embedding.CONVERTERS,
    gaussian.CONVERTERS,
    isotonic.CONVERTERS,
    iterative.CONVERTERS,
    kernels.CONVERTERS,
    linear.CONVERTERS,
    manifolds.CONVERTERS,
    mixtures.CONVERTERS,
    neighbours.CONVERTERS,
    outliers.CONVERTERS,
    propagation.CONVERTERS,
    radius.CONVERTERS,
    samplers.CONVERTERS,
    selection.CONVERTERS,
)
"""Each module's own converters."""

_FORESTS = (ExtraTreesClassifier, RandomForestClassifier)
"""Their trees are exported with them: what is mended in a tree by itself is of no meaning there."""


def register() -> None:
    """Put every converter of ours before the standard ones, once a process."""
    _register_families()
    register_boosters()


@cache
def _register_families() -> None:
    for family in FAMILIES:
        for converter in family:
            converter.register()


def repairs_of(estimator: Any) -> tuple[str, ...]:
    """Return, in words, what our converters mend in the fitted `estimator`, each once."""
    hidden = {id(part) for part in _hidden(estimator)}
    parts: dict[type, list[Any]] = {}
    for part in inside(estimator, (BaseEstimator,)):
        if id(part) not in hidden and _is_fitted(part):
            parts.setdefault(type(part), []).append(part)
    found = (
        f"{converter.kind.__name__}: {converter.repair}"
        for family in FAMILIES
        for converter in family
        for part in parts.get(converter.kind, ())
        if converter.applies(part) and converter.mends(part)
    )
    return tuple(dict.fromkeys(found))


def _hidden(estimator: Any) -> Iterator[Any]:
    """Yield the trees that are never exported by themselves."""
    for forest in inside(estimator, _FORESTS):
        yield from getattr(forest, "estimators_", ())


def _is_fitted(part: Any) -> bool:
    """Say whether `part` learned something: a pipeline keeps the unfitted parts that it was made of."""
    try:
        check_is_fitted(part)
    except NotFittedError:
        return False
    return True

"""Looking into a fitted estimator for the estimators that it is made of."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

_PLAIN = frozenset({str, int, float, bool, np.int64, np.int32, np.str_, type(None)})
"""What a vocabulary or a list of categories holds by the hundred thousand."""

_MADE = frozenset({"_preprocessor", "transformer_"})
"""What boosting and TransformedTargetRegressor make for themselves: it goes with them, as a part of theirs alone."""


def inside(part: object, kinds: tuple[type, ...]) -> Iterator[Any]:
    """Yield every estimator of `kinds` in `part`, however it is nested, once each, in the order of fitting."""
    yield from _walk(part, kinds, set())


def _walk(part: object, kinds: tuple[type, ...], seen: set[int]) -> Iterator[Any]:
    if id(part) in seen:
        return
    if isinstance(part, list | tuple | dict) or _is_estimator(part):
        seen.add(id(part))
    if isinstance(part, kinds):
        yield part
    if _is_estimator(part):
        for name, inner in vars(part).items():
            if name not in _MADE:
                yield from _walk(inner, kinds, seen)
    elif isinstance(part, dict):
        for inner in part.values():
            if type(inner) not in _PLAIN:
                yield from _walk(inner, kinds, seen)
    elif isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.dtype == object):
        for inner in part:
            if type(inner) not in _PLAIN:
                yield from _walk(inner, kinds, seen)


def _is_estimator(part: object) -> bool:
    """Say whether `part` may hold estimators: one itself, or one of scikit-learn's own that has no such base."""
    inner = type(part).__module__.partition(".")[0] == "sklearn" and hasattr(part, "__dict__")
    return not isinstance(part, type) and (isinstance(part, BaseEstimator) or inner)

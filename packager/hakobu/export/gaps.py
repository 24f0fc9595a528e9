"""Missing texts: None or NaN in the tables of training libraries, and the empty text everywhere here."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.impute import SimpleImputer

from hakobu.export.inside import inside


def missing_text(estimator: Any) -> Any:
    """Return what `estimator` learned a missing text to be: NaN or None where a part of it knows one, else ""."""
    for imputer in _text_imputers(estimator):
        return imputer.missing_values
    for encoder in inside(estimator, (BaseEstimator,)):
        for known in getattr(encoder, "categories_", ()):
            values = np.asarray(known).tolist()
            if _holds_texts(values) and "" not in values:
                for value in values:
                    if _is_gap(value):
                        return value
    return ""


def with_empty_texts(estimator: Any) -> Any:
    """Return `estimator` with "" in place of None or NaN among the texts that its parts learned.

    onnxruntime would take a text "nan" for the missing one, and ours never for "nan".
    """
    if missing_text(estimator) == "":
        return estimator
    estimator = deepcopy(estimator)
    for imputer in list(_text_imputers(estimator)):
        imputer.missing_values = ""
    for encoder in inside(estimator, (BaseEstimator,)):
        if hasattr(encoder, "categories_"):
            encoder.categories_ = [_filled(np.asarray(known)) for known in encoder.categories_]
    return estimator


def _text_imputers(estimator: Any) -> Iterator[SimpleImputer]:
    """Yield the imputers of `estimator` that fill None or NaN with texts, unless "" is a category among others."""
    encoders = [part for part in inside(estimator, (BaseEstimator,)) if hasattr(part, "categories_")]
    if any("" in np.asarray(known).tolist() for encoder in encoders for known in encoder.categories_):
        return
    for imputer in inside(estimator, (SimpleImputer,)):
        if _holds_texts(np.asarray(getattr(imputer, "statistics_", ())).tolist()) and _is_gap(imputer.missing_values):
            yield imputer


def _filled(known: Any) -> Any:
    values = known.tolist()
    if not _holds_texts(values) or "" in values:
        return known
    return np.array(["" if _is_gap(value) else value for value in values], dtype=object)


def _holds_texts(values: list[Any]) -> bool:
    return any(isinstance(value, str) for value in values)


def _is_gap(value: Any) -> bool:
    return value is None or value != value

"""Gaps filled as in training: with indicators, without the columns that were empty, and for texts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.impute import MissingIndicator, SimpleImputer

from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, gives, is_text


def _convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    step, imputer = Step(scope, operator, container), operator.raw_operator
    if is_text(operator.inputs[0].type):
        _fill_texts(step, imputer)
        return
    kept, matrix = _kept(imputer), step.numbers(step.dtype)
    gaps = _gaps(step, imputer, matrix)
    values = imputer.statistics_[kept].astype(step.dtype)[None, :]
    parts = [step.add("Where", _pick(step, gaps, kept), values, _pick(step, matrix, kept))]
    if imputer.add_indicator:
        parts.append(step.cast(_pick(step, gaps, imputer.indicator_.features_), step.dtype))
    step.give(step.side_by_side(parts))


def _fill_texts(step: Step, imputer: Any) -> None:
    """Fill the gaps of texts; None and NaN never come, for a missing text is "" here."""
    if imputer.add_indicator:
        raise NotImplementedError("add_indicator mixes texts and truth values: put a MissingIndicator beside it")
    if not all(is_text(entry.type) for entry in step.inputs):
        raise NotImplementedError("it reads texts and numbers at once: impute them in two steps")
    kept = _kept(imputer)
    found = _pick(step, step.side_by_side([entry.full_name for entry in step.inputs]), kept)
    if isinstance(imputer.missing_values, str):
        values = imputer.statistics_[kept]
        if not all(isinstance(value, str) for value in values):
            raise NotImplementedError("it fills texts with a number: set strategy='constant' and fill_value to a text")
        gaps = step.add("Equal", found, np.array(imputer.missing_values, dtype=object))
        found = step.add("Where", gaps, np.array(values, dtype=object)[None, :], found)
    step.give_texts(found)


def _kept(imputer: Any) -> NDArray[np.int64]:
    """Return the features that come out: without those that held nothing in training, unless they are to stay."""
    empty = np.array([value != value for value in imputer.statistics_], dtype=np.bool_)
    return np.flatnonzero(~empty | imputer.keep_empty_features)


def _gaps(step: Step, imputer: Any, matrix: str) -> str:
    missing = imputer.missing_values
    if isinstance(missing, bool) or not isinstance(missing, int | float | np.number):
        raise NotImplementedError(f"missing_values={missing!r} is no number, and its columns are: leave it NaN")
    if np.isnan(missing):
        return step.add("IsNaN", matrix)
    return step.add("Equal", step.double(matrix), step.held(missing))


def _pick(step: Step, matrix: str, features: NDArray[Any]) -> str:
    return step.add("Gather", matrix, np.asarray(features, dtype=np.int64), axis=1)


def _convert_indicator(scope: Any, operator: Any, container: Any) -> None:
    step, indicator = Step(scope, operator, container), operator.raw_operator
    if is_text(operator.inputs[0].type):
        matrix = step.side_by_side([entry.full_name for entry in step.inputs])
        if not isinstance(indicator.missing_values, str):
            raise NotImplementedError('a missing text is "" here: set missing_values=""')
        gaps = step.add("Equal", matrix, np.array(indicator.missing_values, dtype=object))
    else:
        gaps = _gaps(step, indicator, step.numbers(step.dtype))
    step.give(_pick(step, gaps, indicator.features_))


def _imputed_columns(imputer: Any) -> int:
    return len(_kept(imputer)) + (len(imputer.indicator_.features_) if imputer.add_indicator else 0)


def _imputed(operator: Any) -> None:
    """Set the type that comes out of an imputer: texts of texts."""
    gives(_imputed_columns)(operator)
    if is_text(operator.inputs[0].type):
        operator.outputs[0].type = type(operator.inputs[0].type)(operator.outputs[0].type.shape)


def _mended(imputer: Any) -> bool:
    """Say whether there is more to it than filling NaN in columns that all stay."""
    missing = imputer.missing_values
    plain = isinstance(missing, float) and np.isnan(missing)
    return not plain or imputer.add_indicator or any(value != value for value in imputer.statistics_)


CONVERTERS: tuple[Converter, ...] = (
    Converter(
        SimpleImputer, _imputed, _convert_imputer, "texts, indicators and empty columns as in training", mends=_mended
    ),
    Converter(
        MissingIndicator,
        gives(lambda indicator: len(indicator.features_)),
        _convert_indicator,
        "missing values told apart",
    ),
)

"""Where each value of a categorical column goes: an exact look-up of texts and numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu.export.converters.step import Step, is_double, is_text

Places = NDArray[np.int64]
"""Shape (categories + 1,): where each category goes, and an unknown one at the end."""


@dataclass(frozen=True, slots=True)
class Column:
    """One feature as an encoder gets it, shape (n, 1)."""

    name: str
    text: bool
    dtype: type[np.generic]
    """float32, float64 or int64; of no meaning for a text."""


def columns(step: Step) -> Iterator[Column]:
    """Yield each feature that an encoder reads, in the order of training."""
    wide = len(step.estimator.categories_)
    for entry in step.inputs:
        width = entry.type.shape[1] or (wide if len(step.inputs) == 1 else 1)
        text, dtype, name = is_text(entry.type), _dtype_of(entry.type), entry.full_name
        if dtype is np.int64 and not text:
            name = step.cast(name, np.int64)
        for place in range(width):
            yield Column(name if width == 1 else step.column(name, place), text, dtype)


def _dtype_of(kind: Any) -> type[np.generic]:
    from skl2onnx.common.data_types import FloatTensorType

    if is_double(kind):
        return np.float64
    return np.float32 if isinstance(kind, FloatTensorType) else np.int64


def look_up(step: Step, column: Column, categories: NDArray[Any], places: Places) -> str:
    """Give, in the column's shape, where each value goes; raise NotImplementedError where none can be found."""
    numbers = [_is_number(category) for category in categories]
    if column.text:
        if any(number and category == category for number, category in zip(numbers, categories, strict=True)):
            raise NotImplementedError(
                "the categories are numbers, and the column is text: encode number and text columns in two steps"
            )
        # A missing text is "" here; None and NaN, which stand for it elsewhere, never come.
        known = np.array([isinstance(category, str) for category in categories], dtype=np.bool_)
        return _labels(step, column.name, places[:-1][known], places[-1], keys_strings=categories[known].tolist())
    if not all(numbers):
        raise NotImplementedError("the categories are texts, and the column is a number: declare it a category")
    exact = np.array(categories, dtype=np.float64)
    missing = np.isnan(exact)
    find = _find_double if column.dtype is np.float64 else _find_held
    found = find(step, column, exact[~missing], np.append(places[:-1][~missing], places[-1]))
    if column.dtype is np.int64 or not missing.any():
        return found
    return step.add("Where", step.add("IsNaN", column.name), places[:-1][missing], found)


def _is_number(category: Any) -> bool:
    return isinstance(category, bool | int | float | np.bool_ | np.number)


def _find_held(step: Step, column: Column, exact: NDArray[np.float64], places: Places) -> str:
    """Find among the categories that the column's own type holds; the others never come."""
    with np.errstate(over="ignore"):
        held = exact.astype(column.dtype)
    reached = held.astype(np.float64) == exact
    kind = "keys_floats" if column.dtype is np.float32 else "keys_int64s"
    return _labels(step, column.name, places[:-1][reached], places[-1], **{kind: held[reached]})


def _find_double(step: Step, column: Column, exact: NDArray[np.float64], places: Places) -> str:
    """Find a double: no LabelEncoder of ai.onnx.ml 3 does. One category at most is equal, so the sum is its place."""
    hit = step.double(step.add("Equal", column.name, exact[None, :]))
    shift = step.add("MatMul", hit, (places[:-1] - places[-1]).astype(np.float64)[:, None])
    return step.cast(step.add("Add", shift, float(places[-1])), np.int64)


def _labels(step: Step, name: str, places: Places, unknown: Any, **keys: Any) -> str:
    if len(places) == 0:
        raise NotImplementedError("none of its categories is one that the column can hold: train it on such data")
    # Version 2 is the newest that ai.onnx.ml 3 holds, and skl2onnx has to be told.
    return step.add("LabelEncoder", name, values_int64s=places, default_int64=int(unknown), op_version=2, **keys)

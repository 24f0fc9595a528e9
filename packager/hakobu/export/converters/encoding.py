"""Encoders of categories: rare ones, numbers and truth values among them, and what to do with unknown ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from hakobu.export.converters.lookup import Places, columns, look_up
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, gives


def _convert_one_hot(scope: Any, operator: Any, container: Any) -> None:
    step, encoder = Step(scope, operator, container), operator.raw_operator
    parts = []
    for index, column in enumerate(columns(step)):
        places, width = _one_hot_places(encoder, index)
        if width == 0:
            continue
        place = look_up(step, column, np.asarray(encoder.categories_[index]), places)
        # A place beyond the last column sets none.
        hot = step.add("OneHot", place, np.array(width), np.array([0, 1], dtype=np.float32), axis=-1)
        parts.append(step.reshape(hot, 0, width))
    if not parts:
        raise NotImplementedError("it gives no column at all: take it out, or drop fewer categories")
    step.give(step.side_by_side(parts))


def _one_hot_places(encoder: Any, index: int) -> tuple[Places, int]:
    """Return the column of each category of one feature, and how many columns there are: that number means none."""
    count, grouped = len(encoder.categories_[index]), _grouped(encoder, index)
    width = count if grouped is None else int(grouped.max()) + 1
    places = np.append(np.arange(count) if grouped is None else grouped, width)
    if grouped is not None and encoder.handle_unknown in ("infrequent_if_exist", "warn"):
        places[-1] = width - 1  # the rare ones come last
    dropped = None if encoder._drop_idx_after_grouping is None else encoder._drop_idx_after_grouping[index]
    if dropped is None:
        return places, width
    places = np.where(places == dropped, width, places)
    return np.where(places > dropped, places - 1, places), width - 1


def _grouped(encoder: Any, index: int) -> Places | None:
    """Return where each category goes once the rare ones are one; None where none is rare."""
    if not getattr(encoder, "_infrequent_enabled", False):
        return None
    found = encoder._default_to_infrequent_mappings[index]
    return None if found is None else np.asarray(found, dtype=np.int64)


def _one_hot_columns(encoder: Any) -> int:
    return sum(_one_hot_places(encoder, index)[1] for index in range(len(encoder.categories_)))


def _convert_table(scope: Any, operator: Any, container: Any) -> None:
    step, encoder = Step(scope, operator, container), operator.raw_operator
    tables = _ordinal_table if isinstance(encoder, OrdinalEncoder) else _target_table
    parts = []
    for index, column in enumerate(columns(step)):
        table = tables(encoder, index).astype(step.dtype)
        place = look_up(step, column, np.asarray(encoder.categories_[index]), np.arange(len(table)))
        parts.append(step.reshape(step.add("Gather", table, place, axis=0), 0, table.shape[1]))
    step.give(step.side_by_side(parts))


def _ordinal_table(encoder: Any, index: int) -> NDArray[np.float64]:
    """Return the code of each category of one feature, and of an unknown one at the end."""
    count, grouped = len(encoder.categories_[index]), _grouped(encoder, index)
    codes = np.arange(count + 1, dtype=np.float64)
    if grouped is not None:
        codes[: len(grouped)] = grouped  # a missing one is never rare, and not among them
    missing = encoder._missing_indices.get(index)
    if missing is not None:
        codes[missing] = encoder.encoded_missing_value
    codes[-1] = encoder.unknown_value if encoder.handle_unknown == "use_encoded_value" else -1
    return codes[:, None]


def _target_table(encoder: Any, index: int) -> NDArray[np.float64]:
    """Return what each category of one feature stands for, one number a class, and an unknown one at the end."""
    classes = len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    means = np.broadcast_to(np.asarray(encoder.target_mean_, dtype=np.float64), (classes,))
    found = encoder.encodings_[index * classes : (index + 1) * classes]
    return np.array([[*values, mean] for values, mean in zip(found, means, strict=True)], dtype=np.float64).T


def _target_columns(encoder: Any) -> int:
    return len(encoder.encodings_)


def _ordinal_columns(encoder: Any) -> int:
    return len(encoder.categories_)


def _mended(encoder: Any) -> bool:
    """Say whether there is more than texts, each for itself: those the standard exporter gets right."""
    texts = all(isinstance(category, str) for found in encoder.categories_ for category in found)
    return not texts or getattr(encoder, "_infrequent_enabled", False)


def _mended_target(encoder: Any) -> bool:
    return encoder.target_type_ == "multiclass" or _mended(encoder)


_REPAIR = "rare, missing and number categories encoded as in training"

CONVERTERS: tuple[Converter, ...] = (
    Converter(OneHotEncoder, gives(_one_hot_columns), _convert_one_hot, _REPAIR, mends=_mended),
    Converter(OrdinalEncoder, gives(_ordinal_columns), _convert_table, _REPAIR, mends=_mended),
    Converter(
        TargetEncoder,
        gives(_target_columns),
        _convert_table,
        "number categories and several classes encoded as in training",
        mends=_mended_target,
    ),
)

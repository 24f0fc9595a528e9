"""The categories that histogram gradient boosting tells apart by itself, as the numbers that its trees split on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu.export.converters.writer import Writer


def encoded(writer: Writer, preprocessor: Any, given: Sequence[Any]) -> str:
    """Return the matrix of doubles that the trees of a booster see, categories first.

    A category is its place among the known ones, from 1 on; an unknown or missing one is NaN, as scikit-learn has it.
    `preprocessor` is the ColumnTransformer that scikit-learn puts inside the booster.
    """
    encoder = preprocessor.named_transformers_["encoder"]
    (_, _, chosen), (_, _, others) = preprocessor.transformers_[:2]
    columns = _columns(writer, given, len(chosen))
    parts = [
        _codes(writer, columns[place], known)
        for place, known in zip(np.flatnonzero(chosen).tolist(), encoder.categories_, strict=True)
    ]
    parts += [writer.double(columns[place]) for place in np.flatnonzero(others).tolist()]
    return writer.add("Concat", *parts, axis=1)


def _columns(writer: Writer, given: Sequence[Any], width: int) -> list[str]:
    """Return the name of each of the `width` columns of `given`."""
    if len(given) == width:
        return [value.full_name for value in given]
    if len(given) > 1:
        raise NotImplementedError("its columns come in several blocks")
    return [writer.column(given[0].full_name, place) for place in range(width)]


def _codes(writer: Writer, column: str, known: NDArray[Any]) -> str:
    kept = [name for name in known.tolist() if name is not None and name == name]
    if all(isinstance(name, str) for name in kept):
        cells, names = column, np.array(kept, dtype=object)
    elif all(isinstance(name, int | float) for name in kept):
        cells, names = writer.double(column), np.array(kept, dtype=np.float64)
    else:
        raise NotImplementedError(f"its categories {kept[:3]} are neither all text nor all numbers")
    same = writer.double(writer.add("Equal", cells, names.reshape(1, -1)))
    place = writer.add("MatMul", same, np.arange(1.0, len(kept) + 1).reshape(-1, 1))
    return writer.add("Where", writer.add("Greater", place, 0.0), place, np.nan)

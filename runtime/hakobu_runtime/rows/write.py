"""Rows as bytes, CSV or JSON lines: the same columns give the same bytes on every machine."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import UsageError
from hakobu_runtime.rows.cells import is_missing, plain_text
from hakobu_runtime.rows.source import Layout


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of few distinct cells: the place of each row's cell in `cells`."""

    codes: NDArray[np.integer]
    cells: Sequence[object]

    def spread(self, texts: Sequence[str]) -> list[str]:
        """Return for each row the one of `texts`, the written cells, that its code says."""
        found: list[str] = np.array(texts, dtype=object)[self.codes].tolist()
        return found


Column = Sequence[object] | NDArray[np.generic] | Coded
_json_text = json.JSONEncoder(ensure_ascii=False).encode
_NOT_IN_JSON = frozenset({"inf", "-inf"})


def table_bytes(columns: Mapping[str, Column], layout: Layout, *, header: bool) -> bytes:
    """Return `columns`, all of one length, as UTF-8 with `\\n` at line ends; in CSV led by their names if `header`.

    A float is written with the fewest digits that read back as the same in its own width; NaN and None as nothing in
    CSV, and as null in JSON.
    """
    if layout.format == "jsonl":
        return _json_lines(columns).encode("utf-8", "replace")
    if layout.format in (None, "csv"):
        return _csv(columns, layout.delimiter or ",", header=header)
    raise UsageError(f"rows are written as csv or jsonl, not as {layout.format}")


def _csv(columns: Mapping[str, Column], delimiter: str, *, header: bool) -> bytes:
    out = io.BytesIO()
    if header:
        _write_csv([[name] for name in columns], delimiter, out)
    _write_csv(list(columns.values()), delimiter, out)
    return out.getvalue()


def _write_csv(columns: Sequence[Column], delimiter: str, out: io.BytesIO) -> None:
    from arro3.core import Table
    from arro3.io import write_csv

    # Arrow's own names are numbers: a NUL in a name would end the process.
    table = Table.from_pydict({str(place): _array(column) for place, column in enumerate(columns)})
    write_csv(table, out, header=False, delimiter=delimiter)


def _array(column: Column) -> Any:
    """Return `column` for Arrow, its gaps as nulls."""
    from arro3.core import Array

    if isinstance(column, Coded):
        return _text_array(column.cells).take(Array.from_numpy(np.ascontiguousarray(column.codes, dtype=np.int64)))
    if not isinstance(column, np.ndarray) or column.dtype.kind not in "fiu":
        return _text_array(column)
    if column.dtype.kind != "f":
        return Array.from_numpy(np.ascontiguousarray(column))
    return _float_array(np.ascontiguousarray(column, np.float32 if column.dtype == np.float32 else np.float64))


def arrow_column(column: Column) -> Any:
    """Return `column` as an Arrow array of its own type: whole numbers and booleans among few cells stay what they are.

    Gaps, and empty texts, are nulls.
    """
    from arro3.core import Array, DataType

    if isinstance(column, Coded):
        kinds = {type(cell) for cell in column.cells if cell is not None}
        if kinds in ({int}, {bool}):
            few = Array(list(column.cells), DataType.int64() if kinds == {int} else DataType.bool())
            return few.take(Array.from_numpy(np.ascontiguousarray(column.codes, dtype=np.int64)))
    return _array(column)


def _float_array(numbers: NDArray[np.floating]) -> Any:
    """Return `numbers` with null for NaN: an array of the others and a null, taken in the order of the rows."""
    from arro3.core import Array, ChunkedArray

    gaps = np.isnan(numbers)
    if not gaps.any():
        return Array.from_numpy(numbers)
    present = Array.from_numpy(np.ascontiguousarray(numbers[~gaps]))
    places = np.where(gaps, len(present), np.cumsum(~gaps) - 1)
    with_null = ChunkedArray([present, Array([None], present.type)]).combine_chunks()
    return with_null.take(Array.from_numpy(places))


def _text_array(cells: Sequence[object] | NDArray[np.generic]) -> Any:
    from arro3.core import Array, DataType

    texts = [_text(cell) or None for cell in cells]
    try:
        return Array(texts, DataType.utf8())
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can write and UTF-8 cannot
        return Array([text and text.encode("utf-8", "replace").decode() for text in texts], DataType.utf8())


def _text(cell: object) -> str:
    if isinstance(cell, str):
        return str(cell)
    return repr(cell) if type(cell) is float and cell == cell else plain_text(cell)


def _json_lines(columns: Mapping[str, Column]) -> str:
    names = [_json_text(name) + ": " for name in columns]
    cells = [_json_column(column) for column in columns.values()]
    lines = ["{" + ", ".join(map(add, names, row)) + "}" for row in zip(*cells, strict=True)]
    return "\n".join([*lines, ""])


def _json_column(column: Column) -> Sequence[str]:
    if isinstance(column, Coded):
        return column.spread(_json_column(column.cells))
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiu":
        return [_json_number(text) for text in _number_texts(column)]
    return [_json_cell(cell) for cell in column]


def _json_cell(cell: object) -> str:
    if isinstance(cell, str):
        return _json_text(cell)
    if is_missing(cell):
        return "null"
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    if isinstance(cell, (int, float, np.number)):
        return _json_number(_text(cell))
    return _json_text(plain_text(cell))


def _json_number(text: str) -> str:
    """Return a number for JSON, which has no infinities: they become texts, which a reader takes for numbers again."""
    return f'"{text}"' if text in _NOT_IN_JSON else text or "null"


def _number_texts(numbers: NDArray[np.generic]) -> list[str]:
    """Return each number with the fewest digits, "" for NaN."""
    if numbers.dtype.kind != "f":
        return [str(number) for number in numbers.tolist()]
    from arro3.core import Array, DataType

    narrow = np.float32 if numbers.dtype == np.float32 else np.float64
    cast = Array.from_numpy(np.ascontiguousarray(numbers, narrow)).cast(DataType.utf8())
    texts = [str(text) for text in cast.to_pylist()]
    for row in np.flatnonzero(np.isnan(numbers.astype(narrow))).tolist():
        texts[row] = ""
    return texts

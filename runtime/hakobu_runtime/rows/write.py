"""Rows as bytes, CSV or JSON lines: the same columns give the same bytes on every machine."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import add

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
        text = _json_lines(columns)
    elif layout.format in (None, "csv"):
        text = _csv(columns, layout.delimiter or ",", header=header)
    else:
        raise UsageError(f"rows are written as csv or jsonl, not as {layout.format}")
    return text.encode("utf-8", "replace")


def _csv(columns: Mapping[str, Column], delimiter: str, *, header: bool) -> str:
    special = re.compile(f'[{re.escape(delimiter)}"\r\n]')
    cells = [_csv_column(column, special) for column in columns.values()]
    lines = [delimiter.join(row) for row in zip(*cells, strict=True)]
    if header:
        lines.insert(0, delimiter.join(_csv_column(list(columns), special)))
    if len(columns) == 1:  # a blank line would be no row
        lines = [line or '""' for line in lines]
    return "\n".join([*lines, ""])


def _csv_column(column: Column, special: re.Pattern[str]) -> Sequence[str]:
    if isinstance(column, Coded):
        return column.spread(_csv_column(column.cells, special))
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiu":
        return _number_texts(column)
    quoted: dict[str, str] = {}
    texts = [_text(cell) for cell in column]
    for text in texts:
        if text not in quoted:
            quoted[text] = '"' + text.replace('"', '""') + '"' if special.search(text) else text
    return [quoted[text] for text in texts]


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

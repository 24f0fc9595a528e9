"""Parquet: typed columns, brought to the numbers and texts that a CSV of them would give."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from arro3.core import Array, DataType, RecordBatch
from arro3.io import read_parquet

from hakobu_runtime.errors import InputError
from hakobu_runtime.format.block import Block, Numbers, Texts, Wanted
from hakobu_runtime.rows.arrow import ArrowError, arrow_errors, numbers_of_numbers, numbers_of_texts, texts_of
from hakobu_runtime.rows.cells import Gaps, float_text, gaps_of, iso_text, shown
from hakobu_runtime.rows.columns import build_block, wanted_there
from hakobu_runtime.rows.footer import FooterError, count_rows
from hakobu_runtime.rows.names import check_names
from hakobu_runtime.rows.piece import Piece

T = TypeVar("T")
_AGAIN = "copy or export it again"


class ParquetReader:
    """The rows of a Parquet file of `size` bytes."""

    def __init__(self, path: Path, size: int, wanted: Wanted, where: str, block_rows: int) -> None:
        self._where = where
        self._size = size
        self._done = 0
        try:
            self._rows = count_rows(path)
            with arrow_errors():
                self._batches = read_parquet(path, batch_size=block_rows)
                schema = self._batches.schema
                fields = [schema.field(place) for place in range(len(schema))]
        except (ArrowError, FooterError, OSError) as error:
            raise InputError(f"{where}: this is no sound Parquet file ({shown(str(error))}): {_AGAIN}") from error
        self.columns = tuple(field.name for field in fields)
        check_names(where, self.columns, wanted)
        self._gaps = gaps_of(wanted.missing_values)
        self._wanted = wanted_there(wanted, self.columns)
        self._places = {name: self.columns.index(name) for name in (*self._wanted.forms, *sorted(self._wanted.carried))}
        for name, place in self._places.items():
            self._check_type(name, fields[place].type)

    @property
    def position(self) -> int:
        """How many bytes of the file were read, were each row as long as the others."""
        return self._size * self._done // max(self._rows, 1)

    def pieces(self) -> Iterator[Piece]:
        """Yield the batches of the file, in their order."""
        while batch := self._next():
            self._done += batch.num_rows
            if batch.num_rows:
                yield Piece(partial(self._block, batch), self.position, partial(int, batch.num_rows))

    def _next(self) -> RecordBatch | None:
        try:
            with arrow_errors():
                return next(self._batches, None)
        except (ArrowError, OSError) as error:
            raise InputError(
                f"{self._where}: the rows from {self._done + 1} on cannot be read ({shown(str(error))}): {_AGAIN}"
            ) from error

    def _block(self, batch: RecordBatch, first: int) -> Block:
        return build_block(
            first,
            batch.num_rows,
            self._wanted,
            lambda name: self._cells(name, batch, first, self._numbers),
            lambda name, gaps: self._cells(name, batch, first, partial(_texts, gaps=gaps)),
        )

    def _cells(self, name: str, batch: RecordBatch, first: int, taken: Callable[[Array], T]) -> T:
        try:
            return taken(batch.column(self._places[name]))
        except ArrowError as error:
            raise InputError(
                f"{self._where}: column {name!r} of the rows from {first + 1} on cannot be read "
                f"({shown(str(error))}): {_AGAIN}"
            ) from error

    def _numbers(self, array: Array) -> tuple[Numbers, Mapping[int, str]]:
        kind = _value_type(array)
        if DataType.is_numeric(kind) or DataType.is_null(kind):
            return numbers_of_numbers(array, self._gaps), {}
        if _is_text(kind):
            return numbers_of_texts(_as_texts(array), self._gaps)
        cells = _texts(array, self._gaps)
        wrong = {row: shown(text) for row, text in enumerate(cells) if text}
        return np.full(len(array), np.nan), wrong

    def _check_type(self, name: str, kind: DataType) -> None:
        value = kind.value_type if DataType.is_dictionary(kind) else kind
        known = (DataType.is_numeric, DataType.is_boolean, DataType.is_date, DataType.is_timestamp, DataType.is_time)
        if value is None or not (DataType.is_null(value) or _is_text(value) or any(test(value) for test in known)):
            words = str(kind).strip().removeprefix("arro3.core.DataType")
            raise InputError(
                f"{self._where}: column {name!r} has the type {words}; numbers, texts, true/false, dates and times "
                "can be read: write the column as one of them"
            )


def _texts(array: Array, gaps: Gaps) -> Texts:
    kind = _value_type(array)
    if DataType.is_floating(kind):
        return texts_of(_as_texts(array), gaps, float_text)
    if DataType.is_timestamp(kind):
        return texts_of(_as_texts(array), gaps, iso_text)
    return texts_of(_as_texts(array), gaps)


def _value_type(array: Array) -> DataType:
    kind = array.type
    return kind.value_type or kind if DataType.is_dictionary(kind) else kind


def _is_text(kind: DataType) -> bool:
    return DataType.is_string(kind) or DataType.is_large_string(kind) or DataType.is_string_view(kind)


def _as_texts(array: Array) -> Array:
    with arrow_errors():
        if DataType.is_date(_value_type(array)):
            array = array.cast(DataType.date32())  # a date64 would be written with a time
        return array.cast(DataType.utf8())

"""CSV and its kin: the fast way through Arrow, and the careful way for a block that holds a row of another length."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import partial

import numpy as np
from arro3.core import DataType, Field, RecordBatch, Schema
from arro3.io import read_csv

from hakobu_runtime.errors import InputError
from hakobu_runtime.format.block import Block, Form, Numbers, Wanted
from hakobu_runtime.rows.arrow import (
    ArrowError,
    arrow_errors,
    holds_words,
    numbers_of_floats,
    numbers_of_texts,
    texts_of,
)
from hakobu_runtime.rows.batch import first_batch
from hakobu_runtime.rows.cells import gaps_of
from hakobu_runtime.rows.columns import build_block, number_column, text_column, wanted_there
from hakobu_runtime.rows.encoding import UnreadableError, Utf8Stream
from hakobu_runtime.rows.names import check_names
from hakobu_runtime.rows.piece import Piece, broken_piece
from hakobu_runtime.rows.records import Records, count_plain, csv_end, first_end

_UNCLOSED = 'a quote (") is opened and never closed; delete it, or double it where it belongs to the text'
_LONGEST_FIELD = 2**31 - 1


class DelimitedReader:
    """The rows of a stream of delimited text; the first record is the header."""

    def __init__(self, stream: Utf8Stream, wanted: Wanted, delimiter: str, where: str, block_rows: int) -> None:
        self._where = where
        self._delimiter = delimiter
        self._records = Records(stream, csv_end(delimiter), _UNCLOSED)
        self.columns = self._header()
        check_names(where, self.columns, wanted, delimiter)
        self._gaps = gaps_of(wanted.missing_values)
        self._wanted = wanted_there(wanted, self.columns)
        self._places = {name: self.columns.index(name) for name in (*self._wanted.forms, *sorted(self._wanted.carried))}
        self._numbers = {
            self._places[name]
            for name, form in self._wanted.forms.items()
            if form is Form.NUMBER and name not in self._wanted.carried
        }
        self._schema = self._types(self._numbers)
        self._block_bytes = self._records.bytes_for(block_rows)

    @property
    def position(self) -> int:
        """How many bytes of the file were read."""
        return self._records.position

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces of the file after its header, in their order."""
        while True:
            try:
                content = self._records.take(self._block_bytes)
            except UnreadableError as problem:
                yield broken_piece(partial(self._refuse, problem), self.position)
                return
            if not content:
                return
            yield Piece(partial(self._block, content), self.position, partial(self._count, content))

    def _count(self, content: bytes) -> int | None:
        return count_plain(content) if len(self.columns) > 1 else None

    def _header(self) -> tuple[str, ...]:
        names: Sequence[str] = ()
        while not names:
            try:
                content = self._records.take(1, first_end(self._delimiter))
            except UnreadableError as problem:
                raise InputError(f"{self._where}: the header cannot be read: {problem}") from problem
            if not content:
                raise InputError(f"{self._where}: the file is empty; its first line must name the columns")
            names = next(iter(_split(content, self._delimiter)))
        # The first may be nameless: pandas and R write their row numbers so.
        nameless = [place for place, name in enumerate(names[1:], 2) if not name.strip()]
        if nameless:
            raise InputError(
                f"{self._where}: column {nameless[0]} of {len(names)} has no name in the header; "
                "name it, or delete the column"
            )
        return tuple(names)

    def _types(self, numbers: Set[int]) -> Schema:
        """Return the types of the columns: doubles for `numbers`, texts for the others that are wanted.

        Those that are not wanted have a type that takes no memory.
        """
        taken = set(self._places.values())

        def type_of(place: int) -> DataType:
            if place in numbers:
                return DataType.float64()
            return DataType.utf8() if place in taken else DataType.null()

        return Schema([Field(str(place), type_of(place), nullable=True) for place in range(len(self.columns))])

    def _refuse(self, problem: UnreadableError, first: int) -> InputError:
        return InputError(f"{self._where}: row {first + 1}: {problem}")

    def _block(self, content: bytes, first: int) -> Block:
        if len(self.columns) > 1:  # of a single column, Arrow skips the blank lines, which are missing cells
            try:
                return self._read(content, first)
            except ArrowError:
                pass  # a row of another length: the careful way says which
        return self._read_carefully(content, first)

    def _read(self, content: bytes, first: int) -> Block:
        try:
            batch = self._batch(content, self._schema)
        except ArrowError:
            batch = self._batch(content, self._types(frozenset()))
            self._learn(batch)
        if batch is None:
            return Block(first, 0, {}, {})
        columns = {name: batch.column(place) for name, place in self._places.items()}

        def numbers(name: str) -> tuple[Numbers, Mapping[int, str]]:
            if DataType.is_floating(columns[name].type):
                return numbers_of_floats(columns[name], self._gaps), {}
            return numbers_of_texts(columns[name], self._gaps)

        return build_block(
            first, batch.num_rows, self._wanted, numbers, lambda name, gaps: texts_of(columns[name], gaps)
        )

    def _batch(self, content: bytes, schema: Schema) -> RecordBatch | None:
        # Arrow makes room for a whole batch beforehand, so its size must be that of the block.
        most = _how_many(content, b"\n") + (_how_many(content, b"\r") if b"\r" in content else 0)
        with arrow_errors():
            reader = read_csv(content, schema, has_header=False, batch_size=most, delimiter=self._delimiter)
        return first_batch(reader)

    def _learn(self, batch: RecordBatch | None) -> None:
        """Read the columns in which Arrow met cells that are no numbers to it as texts from now on.

        It refuses a block for one such cell; that it need not be tried again is all that this changes.
        """
        if batch is not None:
            self._numbers = {place for place in self._numbers if not holds_words(batch.column(place))}
            self._schema = self._types(self._numbers)

    def _read_carefully(self, content: bytes, first: int) -> Block:
        width = len(self.columns)
        # A blank line is a missing cell in a table of one column, and nothing in a wider one.
        rows = [fields or [""] for fields in _split(content, self._delimiter) if fields or width == 1]
        broken = {row: self._ragged(fields) for row, fields in enumerate(rows) if len(fields) != width}

        def cells(name: str) -> list[str]:
            place = self._places[name]
            return ["" if row in broken else fields[place] for row, fields in enumerate(rows)]

        return build_block(
            first,
            len(rows),
            self._wanted,
            lambda name: number_column(cells(name), self._gaps),
            lambda name, gaps: text_column(cells(name), gaps),
            broken,
        )

    def _ragged(self, fields: Sequence[str]) -> str:
        return f"row has {len(fields)} field{'s' if len(fields) > 1 else ''}, the header has {len(self.columns)}"


def _how_many(content: bytes, sign: bytes) -> int:
    # bytes.count takes three times as long, and lets no other thread run.
    return int(np.count_nonzero(np.frombuffer(content, dtype=np.uint8) == ord(sign)))


def _split(content: bytes, delimiter: str) -> Iterator[Sequence[str]]:
    """Yield the fields of each record, none for a blank line."""
    csv.field_size_limit(_LONGEST_FIELD)
    return csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter)

"""JSON lines: an object a line."""

import json
from collections.abc import Iterator
from functools import partial

from hakobu_runtime.errors import InputError
from hakobu_runtime.format.block import Block, Wanted
from hakobu_runtime.rows.cells import gaps_of
from hakobu_runtime.rows.columns import build_block, number_column, text_column, wanted_there
from hakobu_runtime.rows.encoding import UnreadableError, Utf8Stream
from hakobu_runtime.rows.names import check_names
from hakobu_runtime.rows.piece import Piece, broken_piece
from hakobu_runtime.rows.records import Records, lines_end

_TOO_LONG = "the line is longer than 64 MB; JSON lines hold one object a line"
_KINDS = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number", type(None): "null"}


class JsonlReader:
    """The rows of a stream of JSON objects; the columns are the names that the objects of the first block use."""

    def __init__(self, stream: Utf8Stream, wanted: Wanted, where: str, block_rows: int) -> None:
        self._where = where
        self._records = Records(stream, lines_end, _TOO_LONG)
        self._gaps = gaps_of(wanted.missing_values)
        self._block_bytes = self._records.bytes_for(block_rows)
        try:
            self._ahead = self._records.take(self._block_bytes)
        except UnreadableError as problem:
            raise self._refuse(problem, 0) from problem
        self.columns = self._names()
        check_names(where, self.columns, wanted)
        self._wanted = wanted_there(wanted, self.columns)

    @property
    def position(self) -> int:
        """How many bytes of the file were read."""
        return self._records.position

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces of the file, in their order."""
        content, self._ahead = self._ahead, b""
        while content:
            lines = _lines(content)
            if lines:
                yield Piece(partial(self._block, lines), self.position, partial(len, lines))
            try:
                content = self._records.take(self._block_bytes)
            except UnreadableError as problem:
                yield broken_piece(partial(self._refuse, problem), self.position)
                return

    def _refuse(self, problem: UnreadableError, first: int) -> InputError:
        return InputError(f"{self._where}: row {first + 1}: {problem}")

    def _names(self) -> tuple[str, ...]:
        lines = _lines(self._ahead)
        if not lines:
            raise InputError(f"{self._where}: the file is empty; write one JSON object a line")
        rows = [row_of(line) for line in lines]
        names = dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row)
        if not any(isinstance(row, dict) for row in rows):
            raise InputError(
                f"{self._where}: no line holds a JSON object: the first: {rows[0]}; "
                'write one object a line, like {"name": 1}'
            )
        return tuple(names)

    def _block(self, lines: list[str], first: int) -> Block:
        found = [row_of(line) for line in lines]
        broken = {place: row for place, row in enumerate(found) if isinstance(row, str)}
        rows = [{} if isinstance(row, str) else row for row in found]
        return build_block(
            first,
            len(rows),
            self._wanted,
            lambda name: number_column([row.get(name) for row in rows], self._gaps),
            lambda name, gaps: text_column([row.get(name) for row in rows], gaps),
            broken,
        )


def _lines(content: bytes) -> list[str]:
    """Return the lines that are not blank."""
    return [line for line in content.decode().split("\n") if line and not line.isspace()]


def row_of(line: str) -> dict[str, object] | str:
    """Return the object on a line, or why there is none, in words."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        return f"line is no JSON: {error.msg} at character {error.colno}"
    except ValueError:  # Python reads no integer of more than 4,300 digits
        return "line holds a number with too many digits"
    except RecursionError:
        return "line is nested too deeply"
    if isinstance(found, dict):
        return found
    return f"line is {_KINDS[type(found)]}, not an object"

"""How a table is written bit by bit: a head, then rows as often as there are any, then an end.

Whatever the rows are cut into, the bytes of CSV and JSON lines are the same. Parquet cannot grow, since its end tells
where everything is: it grows as a stream of Arrow, and is made of that when it is whole.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hakobu_runtime.rows.arrow import ArrowError, arrow_errors
from hakobu_runtime.rows.source import Layout
from hakobu_runtime.rows.write import Column, arrow_column, table_bytes

Columns = Mapping[str, Column]
Join = Callable[[Path, Path], None]

WRITTEN = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
"""The formats that are written, by the ending of the file."""

_ROW_GROUP = 131_072
"""How many rows a row group of Parquet holds: enough to pack well, few enough to stay flat in memory."""
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


class JoinError(Exception):
    """Why what has grown could not be made into the table, in words."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How a table of one format grows."""

    head: Callable[[Columns], bytes]
    """What it begins with, given its columns without rows."""
    rows: Callable[[Columns], bytes]
    """Some rows; at least one."""
    end: bytes = b""
    join: Join | None = None
    """Makes the table out of the file that has grown; raises JoinError, or OSError. None: that is the table."""


def growth_of(kind: str) -> Growth:
    """Return how a table of the format `csv`, `jsonl` or `parquet` grows."""
    if kind == "parquet":
        return Growth(_arrow_head, _arrow_rows, _END_OF_STREAM, _join_parquet)
    layout = Layout(format=kind)
    return Growth(
        lambda columns: table_bytes(columns, layout, header=True),
        lambda columns: table_bytes(columns, layout, header=False),
    )


def _arrow_head(columns: Columns) -> bytes:
    return _split(columns)[0]


def _arrow_rows(columns: Columns) -> bytes:
    return _split(columns)[1]


def _split(columns: Columns) -> tuple[bytes, bytes]:
    """Return `columns` as a stream of Arrow: the message that tells their types, and those that hold the rows.

    Source of the format: https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
    """
    from arro3.io import write_ipc_stream

    out = io.BytesIO()
    with arrow_errors():
        write_ipc_stream(_table(columns), out, compression=None)
    content = out.getvalue()
    first = 8 + int.from_bytes(content[4:8], "little")  # after the mark of a message and the length of its head
    return content[:first], content[first : -len(_END_OF_STREAM)]


def _table(columns: Columns) -> Any:
    from arro3.core import Table

    # A NUL in a name would end the process.
    return Table.from_pydict(
        {name.replace("\0", "\N{REPLACEMENT CHARACTER}"): arrow_column(cells) for name, cells in columns.items()}
    )


def _join_parquet(grown: Path, table: Path) -> None:
    from arro3.io import read_ipc_stream, write_parquet

    try:
        with arrow_errors():
            write_parquet(read_ipc_stream(grown), table, compression="snappy", max_row_group_size=_ROW_GROUP)
    except ArrowError as error:
        raise JoinError(str(error)) from error

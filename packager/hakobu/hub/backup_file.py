"""The file of a backup: gzipped JSON lines, the same from SQLite and from PostgreSQL.

First a `Header`; then for each table a `Section`, followed by one line a row, its cells in the section's order; at last
an `End`, by which it is known that nothing is missing and nothing was changed on the way. `zcat FILE` shows all of it.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, TableClause, column, table

from hakobu.hub.tables import Moment, metadata, sessions
from hakobu_runtime.format.codec import Value

SCHEMA: Final = "hakobu.hub-backup/1"
LARGEST_LINE: Final = 256 << 20
"""Bytes; the largest box has a manifest of a fraction of that."""


class Header(Value, frozen=True, kw_only=True):
    """The first line."""

    schema: Literal["hakobu.hub-backup/1"]
    made: str
    """When, ISO 8601 in UTC."""
    hakobu: str
    """The version that wrote it."""
    revision: str
    """Of the tables: the migration that made them what they are."""


class Section(Value, frozen=True, kw_only=True):
    """What the lines that follow are."""

    table: str
    columns: tuple[str, ...]


class End(Value, frozen=True, kw_only=True):
    """The last line."""

    sha256: str
    """Of all lines before this one, in hex."""


END: Final = b'{"sha256":'
"""How the last line begins, and no other."""


def kept() -> tuple[Table, ...]:
    """Return the tables that a backup holds, each after those that it speaks of; nobody stays logged in by one."""
    return tuple(one for one in metadata.sorted_tables if one is not sessions)


def bare(whole: Table) -> TableClause:
    """Return `whole` so that its times are the numbers that they are in the database."""
    columns = [(one.name, one.type) for one in whole.columns]
    return table(
        whole.name, *(column(name, BigInteger() if isinstance(kind, Moment) else kind) for name, kind in columns)
    )


def cell_type(whole: Column[Any]) -> Any:
    """Return the Python type of the cells of a column."""
    kind = whole.type
    if isinstance(kind, Integer | Moment):
        found: Any = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
    else:
        found = bytes if isinstance(kind, LargeBinary) else kind.python_type
    return found | None if whole.nullable else found

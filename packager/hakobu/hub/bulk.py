"""Many rows at once, asked for or put by their keys: for SQLite and PostgreSQL each in the way that is fast there.

PostgreSQL gets a few arrays: reading a statement with thousands of values takes it, and its driver, longer than doing
what it says.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    cast,
    delete,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite

_MANY = 1000
"""How many keys are asked for at once."""

T = TypeVar("T")

Columns = Sequence[Column[Any]]
Keys = Collection[tuple[Any, ...]]


def find(connection: Connection, wanted: Columns, columns: Columns, keys: Keys) -> Iterator[Any]:
    """Yield the columns `wanted` of the rows of a table whose `columns`, numbers and texts, are one of `keys`."""
    for some in _parts(keys):
        if connection.dialect.name == "sqlite":
            # By a join: where a row of values is to be among others, SQLite looks at every row of the table.
            given = func.json_each(msgspec.json.encode(some).decode()).table_valued("value")
            places = (func.json_extract(given.c.value, f"$[{place}]") for place in range(len(columns)))
            match = and_(*(column == place for column, place in zip(columns, places, strict=True)))
            query = select(*wanted).select_from(given.join(columns[0].table, match))
        else:
            query = select(*wanted).where(_among(columns, some))
        yield from connection.execute(query)


def remove(connection: Connection, table: Table, columns: Columns, keys: Keys) -> None:
    """Delete the rows of a table whose `columns`, numbers and texts, are one of `keys`."""
    for some in _parts(keys):
        if connection.dialect.name == "sqlite":
            match = and_(*(column == bindparam(f"its_{column.name}") for column in columns))
            named = [{f"its_{column.name}": part for column, part in zip(columns, key, strict=True)} for key in some]
            connection.execute(delete(table).where(match), named)
        else:
            connection.execute(delete(table).where(_among(columns, some)))


def _parts(keys: Collection[T]) -> Iterator[list[T]]:
    every = list(keys)
    return (every[at : at + _MANY] for at in range(0, len(every), _MANY))


def _among(columns: Columns, keys: Sequence[tuple[Any, ...]]) -> ColumnElement[bool]:
    return tuple_(*columns).in_(_rows(columns, list(zip(*keys, strict=True))))


def put(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, replace: bool = True) -> None:
    """Insert `rows`, all of the same columns; those whose primary key is there `replace` it, or are left out.

    No two of them may have the same key.
    """
    if not rows:
        return
    names, keys = list(rows[0]), [column.name for column in table.primary_key]
    if connection.dialect.name == "sqlite":
        plain = sqlite.insert(table)
        connection.execute(_ending(plain, names, keys) if replace else plain.on_conflict_do_nothing(), list(rows))
        return
    given = _rows([table.c[name] for name in names], [[row[name] for row in rows] for name in names])
    insert = postgresql.insert(table).from_select(names, given)
    connection.execute(_ending(insert, names, keys) if replace else insert.on_conflict_do_nothing())


def _ending(insert: Any, names: Sequence[str], keys: Sequence[str]) -> Any:
    """Return an `insert` of either kind that puts what it brings in the place of what is there."""
    values = {name: insert.excluded[name] for name in names if name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=values)


def _rows(columns: Columns, values: Sequence[Sequence[Any]]) -> Any:
    """Return a query for rows whose `columns` have these values, a sequence for each column."""
    names = [column.name for column in columns]
    arrays = [
        cast(bindparam(None, list(found), type_=kind, unique=True), kind)
        for kind, found in zip((postgresql.ARRAY(column.type) for column in columns), values, strict=True)
    ]
    found = func.unnest(*arrays).table_valued(*names).render_derived("given")
    return select(*(found.c[name] for name in names))

"""Somebody's table, whole, as columns of text."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hakobu.scaffold.column import Column, ColumnDraft
from hakobu_runtime.errors import InputError
from hakobu_runtime.format.block import Form, Wanted
from hakobu_runtime.rows.source import Layout, open_rows

_DELIMITERS = (",", ";", "\t", "|")

Advance = Callable[[int, int | None], None]
"""Hears how many bytes of how many were read."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table that was read."""

    path: Path
    layout: Layout
    """How it is written, where that is not plain from its name."""
    columns: tuple[Column, ...]
    broken: tuple[str, ...]
    """The rows that cannot be read, each in words."""

    def column(self, name: str) -> Column:
        """Return the column `name`, which must be there."""
        return next(column for column in self.columns if column.name == name)


def read_source(path: Path, layout: Layout, required: frozenset[str], advance: Advance) -> Source:
    """Read the table at `path`; raise InputError when it cannot be read, lacks a required column, or has no rows."""
    layout, names = _sniff(path, layout)
    wanted = Wanted(dict.fromkeys(names, Form.TEXT), required)
    drafts = {name: ColumnDraft(name) for name in names}
    broken: list[str] = []
    with open_rows(path, wanted, layout=layout) as rows:
        for block in rows:
            for name, draft in drafts.items():
                draft.extend(block.texts[name])
            broken += [f"row {block.first + row + 1}: {reason}" for row, reason in block.broken.items()]
            advance(rows.position, rows.size)
    columns = tuple(draft.finish() for draft in drafts.values())
    if not columns or len(columns[0]) == 0:
        raise InputError(f"{path}: holds no rows, only a header; a model needs rows to learn from")
    return Source(path, layout, columns, tuple(broken))


def _sniff(path: Path, layout: Layout) -> tuple[Layout, tuple[str, ...]]:
    """Return the layout and the names of the columns; a header of one name is cut by the sign it holds."""
    names = _names(path, layout)
    if layout.delimiter is None and len(names) == 1:
        best = max(_DELIMITERS, key=names[0].count)
        if best in names[0]:
            layout = replace(layout, delimiter=best)
            names = _names(path, layout)
    return layout, names


def _names(path: Path, layout: Layout) -> tuple[str, ...]:
    with open_rows(path, Wanted({}, frozenset()), layout=layout) as rows:
        return rows.columns

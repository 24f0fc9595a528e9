"""Columns of cells in memory as a block: for scoring in process, and for readers that deliver Python values."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import InputError
from hakobu_runtime.format.block import Block, Form, Numbers, Texts, Wanted
from hakobu_runtime.rows.cells import NO_GAPS, Gaps, gaps_of, moment_text, number_of, plain_text, shown, text_of
from hakobu_runtime.rows.names import check_names

Cells = Sequence[object] | NDArray[np.generic]


def block_of(columns: Mapping[str, Cells], wanted: Wanted) -> Block:
    """Return a table in memory as one block.

    A column is a list or a tuple, a one-dimensional numpy array, or anything with `to_numpy()`, like a pandas Series.
    Raises InputError when a required column is missing, or when columns differ in length.
    """
    if any(name not in columns for name in wanted.required):
        check_names("the rows given", [str(name) for name in columns], wanted)
    there = {name: _cells(name, columns[name]) for name in (*wanted.forms, *wanted.carried) if name in columns}
    gaps = gaps_of(wanted.missing_values)
    return build_block(
        0,
        _size(there, columns),
        wanted_there(wanted, there),
        lambda name: number_column(there[name], gaps),
        lambda name, gaps: text_column(there[name], gaps),
    )


def build_block(
    first: int,
    size: int,
    wanted: Wanted,
    numbers: Callable[[str], tuple[Numbers, Mapping[int, str]]],
    texts: Callable[[str, Gaps], Texts],
    broken: Mapping[int, str] = MappingProxyType({}),
) -> Block:
    """Return a block of the columns that `wanted` names, each as `numbers` or `texts` delivers it."""
    forms, gaps = wanted.forms, gaps_of(wanted.missing_values)
    found = {name: numbers(name) for name, form in forms.items() if form is Form.NUMBER}
    return Block(
        first,
        size,
        {name: values for name, (values, _) in found.items()},
        {name: texts(name, gaps) for name, form in forms.items() if form is Form.TEXT},
        {name: wrong for name, (_, wrong) in found.items() if wrong},
        broken,
        {name: texts(name, NO_GAPS) for name in wanted.carried},
    )


def wanted_there(wanted: Wanted, columns: Container[str]) -> Wanted:
    """Return what of `wanted` stands in a table of these columns."""
    forms = {name: form for name, form in wanted.forms.items() if name in columns}
    return replace(wanted, forms=forms, carried=frozenset(name for name in wanted.carried if name in columns))


def _cells(name: str, column: object) -> Cells:
    if isinstance(column, (list, tuple)):
        return column
    if hasattr(column, "to_numpy"):
        column = column.to_numpy()
    if isinstance(column, np.ndarray):
        if column.ndim == 1:
            return column.tolist() if isinstance(column, np.ma.MaskedArray) else column
        raise InputError(f"column {name!r} has {column.ndim} dimensions; give one cell a row")
    if isinstance(column, Sequence) and not isinstance(column, (str, bytes)):
        return column
    raise InputError(f"column {name!r} is a single {type(column).__name__}; give a list or an array, one cell a row")


def _size(there: Mapping[str, Cells], columns: Mapping[str, Cells]) -> int:
    if not there:
        return max((len(_cells(name, column)) for name, column in columns.items()), default=0)
    first, *others = there
    size = len(there[first])
    for name in others:
        if len(there[name]) != size:
            raise InputError(
                f"column {first!r} has {size} rows, column {name!r} has {len(there[name])}; "
                "give every column the same number of cells"
            )
    return size


def number_column(cells: Cells, gaps: Gaps) -> tuple[Numbers, dict[int, str]]:
    """Return the numbers of a column, NaN where there is none, and the cells that hold something else."""
    if isinstance(cells, np.ndarray):
        if cells.dtype.kind in "iuf":
            return blank(cells.astype(np.float64), gaps), {}
        cells = _listed(cells)
    values = np.empty(len(cells))
    wrong: dict[int, str] = {}
    for row, cell in enumerate(cells):
        number = cell if type(cell) is float else number_of(cell, gaps)
        if number is None:
            wrong[row] = shown(plain_text(cell))
            number = np.nan
        values[row] = number
    return blank(values, gaps), wrong


def blank(numbers: Numbers, gaps: Gaps) -> Numbers:
    """Put NaN, in place, where a number stands for a missing one; return `numbers`."""
    for gap in gaps.numbers:
        numbers[numbers == gap] = np.nan
    return numbers


def text_column(cells: Cells, gaps: Gaps) -> Texts:
    """Return the texts of a column, "" where a cell is missing."""
    texts = np.empty(len(cells), dtype=np.object_)
    listed = _listed(cells) if isinstance(cells, np.ndarray) else cells
    texts[:] = [text_of(cell, gaps) for cell in listed]
    return texts


def _listed(cells: NDArray[np.generic]) -> Sequence[object]:
    """Return the cells with what their dtype knows about them: width of floats, unit of dates."""
    if cells.dtype.kind == "M":
        return ["" if np.isnat(cell) else moment_text(cell) for cell in cells]
    if cells.dtype.kind == "S":
        return [plain_text(cell) for cell in cells]
    if cells.dtype.kind == "f" and cells.dtype != np.float64:
        return list(cells)
    listed: list[object] = cells.tolist()
    return listed

"""A sample: rows such as the model was trained on, from which its inputs are known and the proofs are made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer

from hakobu.export.foreign import is_foreign
from hakobu.export.inside import inside
from hakobu.table import join
from hakobu_runtime.errors import InputError
from hakobu_runtime.format.block import Block, Form, Wanted
from hakobu_runtime.format.feature import Input, Kind
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.limits.breach import Rule, quote
from hakobu_runtime.limits.derive import derive_number, wanted
from hakobu_runtime.rows.cells import parse_number
from hakobu_runtime.rows.source import Layout, open_rows

FEWEST = 20

_MISSING = frozenset({"NaN", "nan", "NA", "N/A", "NULL", "null", "None"})
"""What stands for "missing" in the files that training libraries write."""

_SIGNS = ",;\t|"
"""What stands between columns."""

_TRUTH = frozenset({"true", "false"})


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of a file, and the model's inputs in them."""

    path: Path
    inputs: tuple[Input, ...]
    block: Block
    dtype: Dtype
    """float32 when every number of the sample is one, else float64."""
    expected: tuple[str, NDArray[np.object_]] | None
    """The column of the outputs that the file tells, and its texts, shape (n,); None when it tells none."""


def read_sample(
    path: Path, estimator: Any, *, layout: Layout, texts: Sequence[str] = (), expected: str | None = None
) -> Sample:
    """Read the sample at `path` for `estimator`; the columns `texts` hold categories even where they look like numbers.

    Raises InputError when the file cannot be read, lacks a column of the model, or holds a cell of the wrong kind.
    """
    names = _columns(path, layout)
    for name in (*texts, *([] if expected is None else [expected])):
        if name not in names:
            raise InputError(f"{path}: has no column '{name}'{_near(name, names)}")
    columns = _read_by(estimator, path, [name for name in names if name != expected])
    forms = dict.fromkeys((*columns, *([] if expected is None else [expected])), Form.TEXT)
    told = _read(path, Wanted(forms, frozenset(forms), _MISSING), layout)
    if told.size < FEWEST:
        raise InputError(f"{path}: holds {told.size} rows; bring {FEWEST} or more, the more the better")
    known = dict.fromkeys(texts, Kind.CATEGORY) | _text_columns(estimator, columns)
    numeric = is_foreign(estimator) and not estimator.reads_text
    inputs = tuple(
        Input(name=name, column=name, kind=known.get(name) or _kind(path, name, told, numeric=numeric))
        for name in columns
    )
    block = _read(path, wanted(inputs, missing_values=_MISSING), layout)
    for wish in inputs:
        _check_cells(path, wish, block, told.texts[wish.column], numeric=numeric)
    return Sample(path, inputs, block, _dtype(block), None if expected is None else (expected, told.texts[expected]))


def _columns(path: Path, layout: Layout) -> tuple[str, ...]:
    with open_rows(path, Wanted({}, frozenset()), layout=layout) as rows:
        return rows.columns


def _read(path: Path, wishes: Wanted, layout: Layout) -> Block:
    with open_rows(path, wishes, layout=layout) as rows:
        blocks = list(rows)
    if not blocks:
        raise InputError(f"{path}: holds no rows, only a header")
    block = join(blocks)
    if block.broken:
        row, reason = next(iter(block.broken.items()))
        raise InputError(f"{path}: row {row + 1}: {reason}; mend it, or leave it out of the sample")
    return block


def _read_by(estimator: Any, path: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that `estimator` reads, in its order."""
    wishes = getattr(estimator, "feature_names_in_", None)
    if wishes is None:
        wishes = getattr(estimator, "names", None)
    if wishes is not None:
        for wish in map(str, wishes):
            if wish not in names:
                raise InputError(f"{path}: lacks the column '{wish}', which the model reads{_near(wish, names)}")
        return tuple(map(str, wishes))
    width = getattr(estimator, "n_features_in_", None)
    width = getattr(estimator, "width", None) if width is None else width
    if width is not None and width != len(names):
        raise InputError(
            f"{path}: has {len(names)} columns ({', '.join(names[:8])}{', ...' if len(names) > 8 else ''}), but the "
            f"model reads {width} and knows no names: leave the others out of the sample"
        )
    return tuple(names)


def _near(name: str, names: Sequence[str]) -> str:
    if len(names) == 1 and (sign := next((sign for sign in _SIGNS if sign in names[0]), "")):
        return f"; its header is one column, '{names[0]}': say --delimiter '{sign}'"
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; it has {', '.join(names[:12])}"


def _text_columns(estimator: Any, columns: Sequence[str]) -> dict[str, Kind]:
    """Return the columns whose encoder learned texts, which may look like numbers, and those of free text."""
    found: dict[str, Kind] = {}
    tables = inside(estimator, (ColumnTransformer,))
    parts = [part[1:] for table in tables for part in getattr(table, "transformers_", ())]
    for part, chosen in parts or [(estimator, columns)]:
        if isinstance(chosen, slice | Callable):
            continue
        names = [columns[name] if isinstance(name, int) else name for name in np.atleast_1d(chosen).tolist()]
        first = part.steps[0][1] if hasattr(part, "steps") else part
        for name, known in zip(names, getattr(first, "categories_", ()), strict=False):
            if any(isinstance(value, str) for value in known):
                found[name] = Kind.CATEGORY
        if isinstance(first, CountVectorizer):
            found |= dict.fromkeys(names, Kind.TEXT)
    return found


def _kind(path: Path, name: str, told: Block, *, numeric: bool) -> Kind:
    """Return what the column `name` holds: numbers where the model reads nothing else, or where most cells are."""
    cells = [cell for cell in told.texts[name].tolist() if cell]
    distinct = set(cells)
    if not cells:
        raise InputError(f"{path}: the column '{name}' is empty in every row: a sample must show what it holds")
    if {cell.lower() for cell in distinct} <= _TRUTH:
        return Kind.BOOLEAN
    texts = {cell for cell in distinct if parse_number(cell) is None}
    few = 2 * sum(cell in texts for cell in cells) < len(cells)
    return Kind.NUMBER if numeric or few else Kind.CATEGORY


def _check_cells(path: Path, wish: Input, block: Block, texts: NDArray[np.object_], *, numeric: bool) -> None:
    """Raise InputError at the first cell that the device would not read as `wish` has it: it would count as missing."""
    if wish.reads_text:
        return
    invalid = derive_number(wish, block, Dtype.FLOAT64).invalid
    if not invalid:
        return
    row = min(invalid)
    rule = invalid[row][0]
    others = f", and {len(invalid) - 1} more like it" if len(invalid) > 1 else ""
    codes = "" if numeric or rule is not Rule.NOT_A_NUMBER else f", or say --text {wish.name} where it holds categories"
    raise InputError(
        f"{path}: row {row + 1}, column '{wish.name}': {quote(texts[row])} is {rule}{others}; "
        f"mend it, or leave the cell empty if it is missing{codes}"
    )


def _dtype(block: Block) -> Dtype:
    with np.errstate(over="ignore"):
        told = all(
            np.array_equal(values, values.astype(np.float32).astype(np.float64), equal_nan=True)
            for values in block.numbers.values()
        )
    return Dtype.FLOAT32 if told else Dtype.FLOAT64

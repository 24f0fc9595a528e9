"""From the columns of a table to the numbers that a model reads: the same code in training and on the device."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.format.block import Block, Form, Texts, Wanted
from hakobu_runtime.format.feature import Input, Kind
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.limits.breach import Rule
from hakobu_runtime.limits.dates import part_of, read_moment

_TRUTH = dict.fromkeys(("true", "1", "yes", "t", "y"), 1.0) | dict.fromkeys(("false", "0", "no", "f", "n"), 0.0)


@dataclass(frozen=True, slots=True)
class Derived:
    """One input's numbers, shape (n,), NaN where missing or invalid, and the invalid cells: row -> (rule, text)."""

    values: NDArray[np.floating]
    invalid: Mapping[int, tuple[Rule, str]]


def wanted(
    inputs: Iterable[Input], texts: Iterable[str] = (), missing_values: Iterable[str] = (), required: bool = True
) -> Wanted:
    """Return what a reader must deliver for `inputs`, and for the columns `texts` where the table has them."""
    forms = dict.fromkeys(texts, Form.TEXT)
    columns = {}
    for wish in inputs:
        plain = wish.kind in (Kind.NUMBER, Kind.INTEGER) and wish.part is None
        columns[wish.column] = Form.NUMBER if plain else Form.TEXT
    return Wanted(forms | columns, frozenset(columns) if required else frozenset(), frozenset(missing_values))


def derive_number(wish: Input, block: Block, dtype: Dtype) -> Derived:
    """Return the numbers that `wish`, any input but a text, takes from `block`, in `dtype`."""
    if wish.column in block.numbers:
        values, invalid = block.numbers[wish.column], _wrong(block, wish.column)
    elif wish.part is not None:
        read = partial(_read_part, wish)
        values, invalid = _read_texts(block.texts[wish.column], read, Rule.NOT_A_DATE)
    else:
        values, invalid = _read_texts(block.texts[wish.column], _read_truth, Rule.NOT_BOOLEAN)
    return _finish(wish, values, invalid, dtype)


def _finish(wish: Input, values: NDArray[np.float64], invalid: dict[int, tuple[Rule, str]], dtype: Dtype) -> Derived:
    """Cast to `dtype` and set aside what is not finite or, for an integer, not whole."""
    with np.errstate(over="ignore"):
        cast = values.astype(dtype.value)
    rules = [(np.isinf(cast), Rule.NOT_FINITE)]
    if wish.kind is Kind.INTEGER:
        rules.append((np.isfinite(values) & (values != np.floor(values)), Rule.NOT_WHOLE))
    for bad, rule in rules:
        if bad.any():
            invalid |= {int(row): (rule, number_text(values[row])) for row in np.flatnonzero(bad)}
            cast[bad] = np.nan
    return Derived(cast, invalid)


def _wrong(block: Block, column: str) -> dict[int, tuple[Rule, str]]:
    return {row: (Rule.NOT_A_NUMBER, text) for row, text in block.wrong.get(column, {}).items()}


def _read_texts(
    texts: Texts, read: Callable[[str], float | None], rule: Rule
) -> tuple[NDArray[np.float64], dict[int, tuple[Rule, str]]]:
    """Read each distinct text once; those that `read` cannot make a number of are invalid under `rule`."""
    seen: dict[str, float | None] = {"": np.nan}
    for text in texts:
        if text not in seen:
            seen[text] = read(text)
    bad = {text for text, number in seen.items() if number is None}
    found = (np.nan if (number := seen[text]) is None else number for text in texts)
    values = np.fromiter(found, dtype=np.float64, count=len(texts))
    invalid = {row: (rule, text) for row, text in enumerate(texts) if text in bad} if bad else {}
    return values, invalid


def _read_part(wish: Input, text: str) -> float | None:
    moment = read_moment(text, wish.format)
    return None if moment is None or wish.part is None else part_of(moment, wish.part)


def _read_truth(text: str) -> float | None:
    return _TRUTH.get(text.strip().lower())


def lengths_of(texts: Texts) -> NDArray[np.float32]:
    """Return how many characters each of `texts` has, shape (n,), NaN for the empty one, which means missing."""
    return np.fromiter((len(text) or np.nan for text in texts), dtype=np.float32, count=len(texts))


def number_text(value: float) -> str:
    """Return the shortest text that reads back as `value`."""
    return repr(float(value))

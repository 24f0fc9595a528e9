"""What a cell means: as a number, as a text, or missing. Every reader asks here, so that they cannot disagree."""

import json
import sys
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from math import inf, isnan, nan
from numbers import Rational, Real
from typing import SupportsFloat

import numpy as np

_LONGEST = 60
_MISSING_TYPES = frozenset({"NAType", "NaTType", "MaskedConstant"})
"""pandas' and numpy's own kinds of None, known by name: neither has to be imported to meet one."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """The cells that mean "missing" beside the empty one."""

    texts: frozenset[str]
    words: frozenset[str]
    """The same without spaces around them, as number cells are compared."""
    numbers: frozenset[float]
    """Those that are numbers: -999 is as missing as -999.0 then."""


@lru_cache(maxsize=16)
def gaps_of(missing_values: frozenset[str]) -> Gaps:
    """Return the gaps that `missing_values` name."""
    found = (parse_number(text) for text in missing_values)
    numbers = frozenset(number for number in found if number is not None and not isnan(number))
    return Gaps(missing_values, frozenset(text.strip() for text in missing_values), numbers)


NO_GAPS = gaps_of(frozenset())
"""Where only an empty cell is missing."""


def parse_number(text: str) -> float | None:
    """Return the number that `text` holds, NaN for an empty one or `nan`, None when it holds none.

    Decimal and exponent notation, `inf` and `infinity`, with spaces around: what Python reads, but for underscores
    and digits that are not ASCII.
    """
    word = text.strip()
    if not word:
        return nan
    if "_" in word or not word.isascii():
        return None
    try:
        return float(word)
    except ValueError:
        return None


def number_of_text(text: str, gaps: Gaps) -> float | None:
    """Return the number in a cell of text, NaN when it is missing, None when it holds no number."""
    if gaps.words and text.strip() in gaps.words:
        return nan
    number = parse_number(text)
    return nan if number in gaps.numbers else number


def number_of(cell: object, gaps: Gaps) -> float | None:
    """Return the number in `cell`, NaN when it is missing, None when it holds no number."""
    if type(cell) is float or type(cell) is int:
        number = _as_float(cell)
    elif isinstance(cell, str):
        return number_of_text(cell, gaps)
    elif is_missing(cell):
        return nan
    elif isinstance(cell, (Real, Decimal)) and not isinstance(cell, bool):
        number = _as_float(cell)
    else:
        return None
    return nan if number in gaps.numbers else number


def _as_float(number: SupportsFloat) -> float:
    try:
        return float(number)
    except OverflowError:  # a whole number or a fraction beyond 1e308
        return -inf if isinstance(number, Rational) and int(number.numerator) < 0 else inf
    except ValueError:  # a signalling NaN of decimal
        return nan


def is_missing(cell: object) -> bool:
    """Say whether `cell` is one of the ways to write nothing: None, NaN, NaT, pandas.NA."""
    if cell is None or type(cell).__name__ in _MISSING_TYPES:
        return True
    if isinstance(cell, (float, np.floating)):
        return bool(np.isnan(cell))
    if isinstance(cell, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(cell))
    return isinstance(cell, Decimal) and cell.is_nan()


def text_of(cell: object, gaps: Gaps) -> str:
    """Return `cell` as text, "" when it is missing."""
    text = plain_text(cell)
    return "" if text in gaps.texts else text


def plain_text(cell: object) -> str:
    """Return `cell` as text: 5 and 5.0 give "5", True gives "true", a date gives ISO 8601, a list gives JSON."""
    if isinstance(cell, str):
        return _whole_characters(cell)
    if is_missing(cell):
        return ""
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    if isinstance(cell, (float, np.floating)):
        return _float_text(cell)
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    if isinstance(cell, np.datetime64):
        return moment_text(cell)
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace")
    if isinstance(cell, (list, tuple, dict)):
        return _json_text(cell)
    try:
        return str(cell)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"a number of more than {sys.get_int_max_str_digits()} digits"


def _whole_characters(text: str) -> str:
    """Return `text` as valid Unicode: half a surrogate pair, which JSON can spell, could never be written out."""
    if text.isascii():
        return str(text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _float_text(cell: float | np.floating) -> str:
    if cell == 0:
        return "0"
    # Shortest in its own width: a float32 of 0.1 is "0.1", not 0.10000000149011612.
    number = float(cell) if isinstance(cell, float) else float(str(cell))
    return repr(number).removesuffix(".0")


def moment_text(moment: np.datetime64) -> str:
    """Return `moment` in ISO 8601: a date alone, or with the time to the second, or finer where it is."""
    if np.datetime_data(moment.dtype)[0] in ("Y", "M", "W", "D"):
        return str(moment.astype("datetime64[D]"))
    exact = next((unit for unit in ("s", "us") if moment.astype(f"datetime64[{unit}]") == moment), "ns")
    return str(moment.astype(f"datetime64[{exact}]"))


def _json_text(cell: object) -> str:
    try:
        return _whole_characters(json.dumps(cell, ensure_ascii=False, default=str))
    except (TypeError, ValueError, RecursionError):
        return f"a {type(cell).__name__}"


def shown(text: str) -> str:
    """Return `text`, shortened when it is long, to be quoted in words."""
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def iso_text(text: str) -> str:
    """Return a moment that Arrow wrote the way that Python writes it: no fraction, or six digits of it."""
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:  # beyond the year 9999
        return text


def float_text(text: str) -> str:
    """Return a number that Arrow wrote the way that `plain_text` writes it."""
    return plain_text(float(text))

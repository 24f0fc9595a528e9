"""What a cell means, whoever reads it."""

from datetime import date, datetime
from decimal import Decimal
from math import inf, isnan, nan

import numpy as np
import pandas as pd
import pytest
from arro3.core import Array, DataType
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.rows.arrow import numbers_of_texts, texts_of, unpack
from hakobu_runtime.rows.cells import gaps_of, number_of, number_of_text, parse_number, plain_text, shown, text_of

NO_GAPS = gaps_of(frozenset())
GAPS = gaps_of(frozenset({"NA", "-999", "n/a "}))

number_like = st.one_of(
    st.text(alphabet="0123456789+-.eE_ \t", max_size=12),
    st.sampled_from(
        ["nan", "NaN", "-nan", "+inf", "Infinity", "INF", "infinit", "1e999", "0x1p3", "1d5", "٣", "１２", "1,5"]
    ),
    st.floats().map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:.25e}"),
    st.text(max_size=5),
)


def same(one: float, other: float) -> bool:
    return (isnan(one) and isnan(other)) or (one == other and np.signbit(one) == np.signbit(other))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5.0),
        (" +5.5e1\t", 55.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e999", inf),
        ("-Infinity", -inf),
        ("\u30005", 5.0),
        ("9007199254740993", 9007199254740992.0),
    ],
)
def test_decimal_and_exponent_notation_are_numbers(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text", ["1_000", "1,5", "0x10", "TRUE", "2026-11-21", "--5", "1e", "٣", "１２", "5 5", "½", "n/a"]
)
def test_other_notations_are_no_numbers(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize("text", ["", "  ", "nan", " NaN ", "-nan"])
def test_blank_text_and_nan_are_missing_numbers(text: str) -> None:
    number = parse_number(text)
    assert number is not None
    assert isnan(number)


@given(st.lists(number_like, min_size=1, max_size=20))
def test_arrow_and_the_cell_rules_agree_on_every_text(texts: list[str]) -> None:
    for gaps in (NO_GAPS, GAPS):
        numbers, wrong = numbers_of_texts(Array(texts, type=DataType.utf8()), gaps)
        for row, text in enumerate(texts):
            expected = number_of_text(text, gaps)
            assert (row in wrong) == (expected is None)
            assert same(numbers[row], nan if expected is None else expected), text


@given(st.lists(st.one_of(st.none(), st.sampled_from(["NA", "a", "", "é"]), st.text(max_size=4)), max_size=20))
def test_texts_come_out_of_arrow_as_they_went_in(texts: list[str | None]) -> None:
    found = texts_of(Array(texts, type=DataType.utf8()), GAPS)
    assert found.tolist() == ["" if text in (None, "NA") else text for text in texts]


@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1, max_size=40),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_unpacking_respects_nulls_and_offsets(cells: list[float | None], start: int, length: int) -> None:
    start = min(start, len(cells))
    length = min(length, len(cells) - start)
    values, there = unpack(Array(cells, type=DataType.float64()).slice(start, length), np.float64)
    kept = cells[start : start + length]
    assert there.tolist() == [cell is not None for cell in kept]
    assert [value for value, is_there in zip(values, there, strict=True) if is_there] == [
        c for c in kept if c is not None
    ]


@pytest.mark.parametrize(
    "cell", [None, nan, np.nan, np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), Decimal("NaN")]
)
def test_every_kind_of_nothing_is_missing(cell: object) -> None:
    number = number_of(cell, NO_GAPS)
    assert number is not None
    assert isnan(number)
    assert text_of(cell, NO_GAPS) == ""


@pytest.mark.parametrize(
    ("cell", "number"),
    [(5, 5.0), (np.int8(5), 5.0), (np.float32(0.5), 0.5), (Decimal("1.5"), 1.5), (10**400, inf), (-(10**400), -inf)],
)
def test_numbers_of_every_type_are_numbers(cell: object, number: float) -> None:
    assert number_of(cell, NO_GAPS) == number


@pytest.mark.parametrize(
    "cell", [True, np.True_, date(2026, 1, 1), pd.Timestamp("2026-01-01"), [1], {"a": 1}, b"5", 1j, np.array([1.0])]
)
def test_a_boolean_a_date_or_a_list_is_no_number(cell: object) -> None:
    assert number_of(cell, NO_GAPS) is None


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (5, "5"),
        (5.0, "5"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (np.float32(0.1), "0.1"),
        (np.int64(7), "7"),
        (True, "true"),
        (np.False_, "false"),
        (" kept ", " kept "),
        (np.str_("s"), "s"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        (pd.Timestamp("2026-01-02 03:04"), "2026-01-02T03:04:00"),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        (np.datetime64("2026-01-02T03:04"), "2026-01-02T03:04:00"),
        (np.datetime64("2026-01-02T03:04:05.250", "ns"), "2026-01-02T03:04:05.250000"),
        (np.datetime64("2026-01-02T00:00:00", "ns"), "2026-01-02T00:00:00"),
        (["é", 1], '["é", 1]'),
        ("\ud800", "\ufffd"),
        (inf, "inf"),
    ],
)
def test_cells_become_text_in_one_way(cell: object, text: str) -> None:
    assert plain_text(cell) == text


def test_an_integer_beyond_pythons_own_limit_has_words_instead_of_digits() -> None:
    assert "digits" in plain_text(10**5000)


def test_missing_values_hold_for_texts_as_written_and_for_numbers_by_value() -> None:
    assert text_of("NA", GAPS) == ""
    assert text_of(" NA", GAPS) == " NA"
    assert text_of(-999, GAPS) == ""
    for cell in ("NA", " NA ", "n/a", "-999", "-999.0", -999, -999.0):
        number = number_of(cell, GAPS)
        assert number is not None
        assert isnan(number)
    assert number_of("-998", GAPS) == -998.0


def test_long_cells_are_shortened_to_be_quoted() -> None:
    assert shown("x" * 60) == "x" * 60
    assert shown("x" * 61) == "x" * 60 + "…"

"""Columns in memory as a block."""

import numpy as np
import pandas as pd
import pytest

from hakobu_runtime.errors import InputError
from hakobu_runtime.format.block import Form, Wanted
from hakobu_runtime.rows.columns import block_of

WANTED = Wanted({"n": Form.NUMBER, "t": Form.TEXT}, frozenset({"n", "t"}), frozenset({"-1"}))


def test_lists_and_arrays_and_series_give_the_same_block() -> None:
    tables = [
        {"n": [1.5, None, -1], "t": ["a", None, "-1"]},
        {"n": np.array([1.5, np.nan, -1]), "t": np.array(["a", "", "-1"])},
        {"n": np.array([1.5, None, "-1"], dtype=object), "t": ("a", np.nan, "-1")},
        {"n": pd.Series([1.5, None, -1.0]), "t": pd.Series(["a", None, "-1"])},
        {"n": pd.array([1.5, pd.NA, -1.0], dtype="Float64"), "t": pd.Series(["a", None, "-1"], dtype="category")},
        {"n": np.ma.array([1.5, 7, -1], mask=[False, True, False]), "t": np.array([b"a", b"", b"-1"])},
        pd.DataFrame({"n": [1.5, np.nan, -1], "t": ["a", None, "-1"]}),
    ]
    for table in tables:
        block = block_of(table, WANTED)  # type: ignore[arg-type]
        assert repr(block.numbers["n"].tolist()) == "[1.5, nan, nan]"
        assert block.texts["t"].tolist() == ["a", "", ""]
        assert (block.first, block.size, block.wrong, block.broken) == (0, 3, {}, {})


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float16", "float32", "longdouble"])
def test_arrays_of_every_width_become_float64(dtype: str) -> None:
    block = block_of({"n": np.array([5, 7], dtype=dtype), "t": ["", ""]}, WANTED)
    assert block.numbers["n"].dtype == np.float64
    assert block.numbers["n"].tolist() == [5.0, 7.0]


def test_the_callers_array_is_left_as_it_was() -> None:
    mine = np.array([1.0, -1.0])
    block = block_of({"n": mine, "t": ["", ""]}, WANTED)
    block.numbers["n"][:] = 9
    assert mine.tolist() == [1.0, -1.0]


def test_booleans_and_dates_in_a_number_column_are_wrong_cells() -> None:
    days = np.array(["2026-01-02", "NaT"], dtype="datetime64[D]")
    assert block_of({"n": np.array([True, False]), "t": days}, WANTED).wrong == {"n": {0: "true", 1: "false"}}
    block = block_of({"n": days, "t": days}, WANTED)
    assert block.wrong == {"n": {0: "2026-01-02"}}
    assert block.texts["t"].tolist() == ["2026-01-02", ""]
    moments = pd.Series(np.array(["2026-01-02T03:04", "NaT"], dtype="datetime64[ns]"))
    assert block_of({"n": moments, "t": days}, WANTED).wrong == {"n": {0: "2026-01-02T03:04:00"}}  # type: ignore[dict-item]


def test_a_missing_column_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"the rows given: column 'n' is missing; the nearest there: 'N'"):
        block_of({"N": [1], "t": ["x"]}, WANTED)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(InputError, match="column 'n' has 1 rows, column 't' has 2"):
        block_of({"n": [1], "t": ["x", "y"]}, WANTED)


@pytest.mark.parametrize("column", ["abc", b"abc", 5, None, np.zeros((2, 2)), np.array(5.0)])
def test_a_column_must_be_a_column(column: object) -> None:
    with pytest.raises(InputError, match="column 'n'"):
        block_of({"n": column, "t": ["x"]}, WANTED)  # type: ignore[dict-item]


def test_an_empty_table_is_a_block_of_no_rows() -> None:
    block = block_of({"n": [], "t": []}, WANTED)
    assert (block.size, len(block.numbers["n"]), len(block.texts["t"])) == (0, 0, 0)


def test_optional_columns_may_be_absent_and_do_not_change_the_size() -> None:
    block = block_of({"x": [1, 2]}, Wanted({"n": Form.NUMBER}, frozenset()))
    assert block.size == 2
    assert block.numbers == {}

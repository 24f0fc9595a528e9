"""Writing rows: the same bytes always, and nothing lost on the way back."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hakobu_runtime.errors import UsageError
from hakobu_runtime.rows.source import Layout
from hakobu_runtime.rows.write import Column, table_bytes

CSV, JSONL = Layout(format="csv"), Layout(format="jsonl")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def test_every_kind_of_cell_is_written_in_one_way() -> None:
    columns: dict[str, Column] = {
        "id": [5, None, "a,b"],
        "p": np.array([0.1, np.nan, 1.0], dtype=np.float32),
        "d": [0.5, 5.0, float("nan")],
        "k": np.array([1, 2, 3]),
        "b": [True, False, None],
        "t": np.array(['say "hi"', "two\nlines", ""], dtype=object),
    }
    assert table_bytes(columns, CSV, header=True).decode() == (
        'id,p,d,k,b,t\n5,0.1,0.5,1,true,"say ""hi"""\n,,5.0,2,false,"two\nlines"\n"a,b",1.0,,3,,\n'
    )
    assert table_bytes(columns, JSONL, header=True).decode() == (
        '{"id": 5, "p": 0.1, "d": 0.5, "k": 1, "b": true, "t": "say \\"hi\\""}\n'
        '{"id": null, "p": null, "d": 5.0, "k": 2, "b": false, "t": "two\\nlines"}\n'
        '{"id": "a,b", "p": 1.0, "d": null, "k": 3, "b": null, "t": ""}\n'
    )


def test_no_rows_leave_the_header_alone() -> None:
    assert table_bytes({"a": [], "b,c": []}, CSV, header=True) == b'a,"b,c"\n'
    assert table_bytes({"a": []}, CSV, header=False) == b""
    assert table_bytes({"a": []}, JSONL, header=True) == b""


def test_a_single_empty_cell_is_no_blank_line() -> None:
    assert table_bytes({"a": ["", "x"]}, CSV, header=True) == b'a\n""\nx\n'


def test_infinities_stay_json() -> None:
    content = table_bytes({"a": np.array([np.inf, -np.inf]), "b": [np.inf, 1]}, JSONL, header=False)
    assert [json.loads(line, parse_constant=pytest.fail) for line in content.splitlines()] == [
        {"a": "inf", "b": "inf"},
        {"a": "-inf", "b": 1},
    ]


def test_parquet_is_not_written() -> None:
    with pytest.raises(UsageError, match="csv or jsonl"):
        table_bytes({"a": []}, Layout(format="parquet"), header=False)


def test_strided_and_foreign_arrays_are_written_too() -> None:
    matrix = np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32)
    assert (
        table_bytes({"a": matrix[:, 1], "b": matrix[:, 0].astype(">f8")}, CSV, header=False) == b"0.75,0.25\n0.5,0.5\n"
    )


@given(st.sampled_from([np.float32, np.float64]).flatmap(lambda dtype: arrays(dtype, st.integers(0, 20))))
def test_floats_read_back_as_the_same_in_their_own_width(numbers: np.ndarray) -> None:
    rows = list(csv.reader(io.StringIO(table_bytes({"a": numbers, "b": numbers}, CSV, header=False).decode())))
    found = np.array([row[0] or "nan" for row in rows], dtype=np.float64).astype(numbers.dtype)
    np.testing.assert_array_equal(found, numbers)
    lines = table_bytes({"a": numbers}, JSONL, header=False).splitlines()
    again = [json.loads(line)["a"] for line in lines]
    np.testing.assert_array_equal(
        np.array([np.nan if cell is None else float(cell) for cell in again], dtype=numbers.dtype), numbers
    )


@given(
    st.lists(st.tuples(texts, texts), max_size=10),
    st.tuples(texts, texts).filter(lambda pair: pair[0] != pair[1]),
    st.sampled_from(",;\t|"),
)
def test_any_text_reads_back_as_itself(rows: list[tuple[str, str]], names: tuple[str, str], delimiter: str) -> None:
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    content = table_bytes(columns, Layout(format="csv", delimiter=delimiter), header=True).decode()
    found = list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter))
    assert found == [list(names), *(list(row) for row in rows)]
    lines = table_bytes(columns, JSONL, header=False).decode().split("\n")[:-1]
    assert [tuple(json.loads(line).items()) for line in lines] == [tuple(zip(names, row, strict=True)) for row in rows]

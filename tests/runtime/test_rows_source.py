"""Opening a file: what can be wrong with it, said in words with a remedy; and the other formats."""

import io
import json
import os
import threading
from contextlib import suppress
from datetime import date
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.errors import InputError, UsageError
from hakobu_runtime.format.block import Block, Form, Wanted
from hakobu_runtime.rows import records
from hakobu_runtime.rows.footer import FooterError, count_rows
from hakobu_runtime.rows.source import Layout, open_rows
from hakobu_runtime.rows.write import table_bytes

WANTED = Wanted({"temp": Form.NUMBER, "origin": Form.TEXT}, frozenset({"temp", "origin"}))
GOOD = b"temp,origin\n1,JFK\n"


def read(path: Path, wanted: Wanted = WANTED, *, layout: Layout | None = None, block_rows: int = 100) -> list[Block]:
    with open_rows(path, wanted, layout=layout, block_rows=block_rows) as rows:
        return list(rows)


def refusal(path: Path, *, layout: Layout | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read(path, layout=layout)
    words = str(caught.value)
    assert words.startswith(str(path))
    assert "\n" not in words
    return words


def file(folder: Path, content: bytes, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


BAD_FILES = {
    "empty": (b"", "the file is empty"),
    "blank lines alone": (b"\n\r\n", "the file is empty"),
    "a mark alone": (b"\xef\xbb\xbf", "the file is empty"),
    "a column missing": (b"Temp,origin\n1,JFK\n", "column 'temp' is missing; the nearest there: 'Temp'"),
    "columns missing": (b"a,b\n1,2\n", "2 columns are missing: 'origin', 'temp'; the columns there: 'a', 'b'"),
    "semicolons": (b"temp;origin\n1;JFK\n", "--delimiter ';'"),
    "tabs": (b"temp\torigin\n1\tJFK\n", "--delimiter '\\t'"),
    "bars": (b"temp|origin\n1|JFK\n", "--delimiter '|'"),
    "a column twice": (b"temp,origin,temp\n1,JFK,2\n", "column 'temp' stands 2 times in the header"),
    "a nameless column": (b"temp,,origin\n1,2,JFK\n", "column 2 of 3 has no name in the header"),
    "latin-1": (GOOD + b"2,Z\xfcrich\n3,x\n", "row 2: byte 0xFC at offset 21 is not UTF-8: "),
    "latin-1 in the header": (b"temp,origin,\xfc\n1,JFK,2\n", "the header cannot be read: byte 0xFC at offset 12"),
    "a cut character": (GOOD + b"2,Z\xc3", "row 2: byte 0xC3 at offset 21 is not UTF-8"),
    "NUL": (GOOD + b"2,J\0K\n", "row 2: there is a NUL byte"),
    "UTF-16 without a mark": (GOOD.decode().encode("utf-16-le"), "--encoding utf-16"),
    "an xlsx": (b"PK\x03\x04rest", "this is an Excel or zip file: open it and save the sheet as CSV"),
    "gzip": (b"\x1f\x8b\x08rest", "compressed with gzip: unpack it first"),
    "a Parquet file": (b"PAR1\x15rest", "--format parquet"),
    "an unclosed quote": (GOOD + b'2,"JFK\n3,LGA\n', "row 2: a quote"),
    "an unclosed quote in the header": (b'temp,"origin\n1,JFK\n', "the header cannot be read: a quote"),
}


@pytest.mark.parametrize(("content", "words"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_refused_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in refusal(file(tmp_path, content))


def test_rows_before_a_bad_byte_are_delivered_first(tmp_path: Path) -> None:
    path = file(tmp_path, b"temp,origin\n" + b"1,JFK\n" * 30_000 + b"2,\xfc\n")
    blocks: list[Block] = []
    with (
        open_rows(path, WANTED, block_rows=1000) as rows,
        pytest.raises(InputError, match="row 30001: byte 0xFC at offset 180014"),
    ):
        blocks.extend(rows)
    assert sum(block.size for block in blocks) == 30_000


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    for content in (b"temp,origin", b"temp,origin\r\n", b"temp,origin\n\n\n"):
        assert read(file(tmp_path, content)) == []


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    file(tmp_path, GOOD, "flights.csv")
    assert "no such file; the nearest there: flights.csv" in refusal(tmp_path / "flihgts.csv")
    assert "there is no folder" in refusal(tmp_path / "gone" / "flights.csv")
    assert "is a folder; name a file in it" in refusal(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path, GOOD)
    path.chmod(0)
    assert "no permission to read" in refusal(path)


def test_an_unknown_ending_asks_for_the_format(tmp_path: Path) -> None:
    path = file(tmp_path, GOOD, "in.dat")
    assert "the ending '.dat' says nothing about its format: give --format" in refusal(path)
    assert "save the sheet as CSV" in refusal(file(tmp_path, b"PK", "in.xlsx"))
    assert len(read(path, layout=Layout(format="csv"))) == 1


def test_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    for name in ("utf-9", "rot13", "a\0b"):
        assert "there is no encoding named" in refusal(file(tmp_path, GOOD), layout=Layout(encoding=name))
    assert "is not UTF-16" in refusal(file(tmp_path, GOOD), layout=Layout(encoding="utf-16"))
    assert "is not CP932" in refusal(file(tmp_path, GOOD + b"\x82\n1,x\n"), layout=Layout(encoding="cp932"))


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "é"])
def test_an_impossible_delimiter_is_a_usage_error(delimiter: str) -> None:
    with pytest.raises(UsageError, match="delimiter"):
        Layout(delimiter=delimiter)


def test_an_unknown_format_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="known are csv, jsonl, parquet"):
        Layout(format="xls")


def test_an_endless_record_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LONGEST_RECORD", 200_000)
    path = file(tmp_path, GOOD + b'2,"' + b"x,y\n" * 100_000)
    assert "row 2: a quote" in refusal(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_a_pipe_is_read_without_a_size(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(GOOD,))
    writer.start()
    with open_rows(path, WANTED) as rows:
        assert rows.size is None
        assert sum(block.size for block in rows) == 1
    writer.join()


JSON_LINES = {
    '{"temp": 1.5, "origin": "JFK"}': (1.5, "JFK", None),
    '{"temp": "2", "origin": 5.0}': (2.0, "5", None),
    '{"temp": null}': (None, "", None),
    '{"temp": true, "origin": false}': (None, "false", "true"),
    '{"temp": [1], "origin": {"a": [1]}}': (None, '{"a": [1]}', "[1]"),
    '{"temp": NaN, "origin": "\\ud800"}': (None, "\ufffd", None),
    '{"temp": 1e999, "origin": "駅"}': (float("inf"), "駅", None),
    '{"temp": "1,5", "origin": " "}': (None, " ", "1,5"),
}


def test_cells_of_json_follow_the_same_rules(tmp_path: Path) -> None:
    path = file(tmp_path, "\r\n\n".join(JSON_LINES).encode(), "in.jsonl")
    (block,) = read(path)
    for row, (number, text, wrong) in enumerate(JSON_LINES.values()):
        value = block.numbers["temp"][row]
        assert isnan(value) if number is None else value == number
        assert block.texts["origin"][row] == text
        assert block.wrong["temp"].get(row) == wrong
    assert block.size == len(JSON_LINES)


def test_a_line_that_is_no_object_is_a_broken_row(tmp_path: Path) -> None:
    lines = [
        GOOD_LINE,
        "[1, 2]",
        '{"temp": 1,}',
        '"x"',
        "null",
        '{"temp": ' + "9" * 5000 + "}",
        "[" * 100_000,
        GOOD_LINE,
    ]
    (block,) = read(file(tmp_path, "\n".join(lines).encode(), "in.ndjson"))
    assert block.size == len(lines)
    assert set(block.broken) == {1, 2, 3, 4, 5, 6}
    assert block.broken[1] == "line is a list, not an object"
    assert block.broken[2].startswith("line is no JSON: ")
    assert block.broken[2].endswith("at character 12")
    assert block.broken[6] == "line is nested too deeply"
    assert block.numbers["temp"][7] == 1.0


GOOD_LINE = '{"temp": 1, "origin": "JFK"}'
BAD_JSON = {
    "empty": (b"\n", "the file is empty"),
    "a list of objects": (b"[\n{}\n]\n[]", "column"),
    "no object": (b"[\n1,\n2]\n", "no line holds a JSON object"),
    "a column missing": (b'{"temps": 1, "origin": "x"}\n', "column 'temp' is missing; the nearest there: 'temps'"),
    "latin-1": (GOOD_LINE.encode() + b'\n{"origin": "\xfc"}\n', "row 2: byte 0xFC at offset 41 is not UTF-8"),
}


@pytest.mark.parametrize(("content", "words"), BAD_JSON.values(), ids=BAD_JSON)
def test_bad_json_lines_are_refused_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in refusal(file(tmp_path, content, "in.jsonl"))


def test_json_lines_are_skipped_like_any_rows(tmp_path: Path) -> None:
    lines = "".join(f'{{"temp": {row}, "origin": "x"}}\n' for row in range(5000))
    path = file(tmp_path, lines.encode(), "in.jsonl")
    with open_rows(path, WANTED, block_rows=900) as rows:
        rows.skip(2345)
        blocks = list(rows)
        assert rows.position == rows.size
    assert blocks[0].first == 2345
    assert np.concatenate([block.numbers["temp"] for block in blocks]).tolist() == list(range(2345, 5000))


def parquet(folder: Path, columns: dict[str, Array]) -> Path:
    buffer = io.BytesIO()
    write_parquet(Table.from_arrays(list(columns.values()), names=list(columns)), buffer)
    return file(folder, buffer.getvalue(), "in.parquet")


WHOLE = Array([5, None, 0], type=DataType.int64())
TYPES = {
    "int8": (WHOLE.cast(DataType.int8()), [5.0, None, 0.0], ["5", "", "0"]),
    "uint64": (WHOLE.cast(DataType.uint64()), [5.0, None, 0.0], ["5", "", "0"]),
    "float32": (
        Array([0.1, None, 5.0], type=DataType.float32()),
        [np.float64(np.float32(0.1)), None, 5.0],
        ["0.1", "", "5"],
    ),
    "float64": (Array([1e-7, float("nan"), -0.0], type=DataType.float64()), [1e-7, None, 0.0], ["1e-07", "", "0"]),
    "decimal": (WHOLE.cast(DataType.decimal128(10, 2)), [5.0, None, 0.0], ["5.00", "", "0.00"]),
    "bool": (Array([True, None, False], type=DataType.bool()), ["true", None, "false"], ["true", "", "false"]),
    "text": (Array(["5", None, "x"], type=DataType.utf8()), [5.0, None, "x"], ["5", "", "x"]),
    "large text": (Array([" 5 ", None, "x"], type=DataType.large_utf8()), [5.0, None, "x"], [" 5 ", "", "x"]),
    "text view": (Array(["5", None, "x"], type=DataType.string_view()), [5.0, None, "x"], ["5", "", "x"]),
    "dictionary": (
        Array(["5", None, "x"], type=DataType.utf8()).cast(DataType.dictionary(DataType.int8(), DataType.utf8())),
        [5.0, None, "x"],
        ["5", "", "x"],
    ),
    "date": (
        WHOLE.cast(DataType.int32()).cast(DataType.date32()),
        ["1970-01-06", None, "1970-01-01"],
        ["1970-01-06", "", "1970-01-01"],
    ),
    "timestamp": (
        Array([1767322800_000_000, None, 1767323045_250_000], type=DataType.int64()).cast(DataType.timestamp("us")),
        ["2026-01-02T03:00:00", None, "2026-01-02T03:04:05.250000"],
        ["2026-01-02T03:00:00", "", "2026-01-02T03:04:05.250000"],
    ),
    "zoned": (
        WHOLE.cast(DataType.timestamp("s", tz="Asia/Tokyo")),
        ["1970-01-01T09:00:05+09:00", None, "1970-01-01T09:00:00+09:00"],
        None,
    ),
}


@pytest.mark.parametrize(("array", "numbers", "texts"), TYPES.values(), ids=TYPES)
def test_parquet_types_become_numbers_and_texts(
    tmp_path: Path, array: Array, numbers: list[object], texts: list[str] | None
) -> None:
    path = parquet(tmp_path, {"temp": array, "origin": array, "unread": array})
    (block,) = read(path)
    for row, number in enumerate(numbers):
        value = block.numbers["temp"][row]
        assert value == number if isinstance(number, float) else isnan(value)
        assert block.wrong.get("temp", {}).get(row) == (number if isinstance(number, str) else None)
    if texts is not None:
        assert block.texts["origin"].tolist() == texts


def test_a_parquet_column_of_nulls_is_missing(tmp_path: Path) -> None:
    nulls = Array([None, None], type=DataType.int8())
    (block,) = read(parquet(tmp_path, {"temp": nulls, "origin": nulls}))
    assert np.isnan(block.numbers["temp"]).all()
    assert block.texts["origin"].tolist() == ["", ""]


def test_binary_in_a_wanted_parquet_column_is_refused_by_type(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"temp": WHOLE, "origin": Array([b"x", None, b"y"], type=DataType.binary())})
    assert "column 'origin' has the type <Binary>" in refusal(path)


def test_parquet_is_read_in_blocks_and_skipped(tmp_path: Path) -> None:
    numbers = Array(np.arange(5000.0))
    path = parquet(tmp_path, {"temp": numbers, "origin": numbers.cast(DataType.utf8())})
    with open_rows(path, WANTED, block_rows=900) as rows:
        rows.skip(1000)
        blocks = [(block.first, block.size, rows.position) for block in rows]
        assert rows.position == rows.size
    assert [(first, size) for first, size, _ in blocks][:3] == [(1000, 800), (1800, 900), (2700, 900)]
    assert blocks[0][2] == path.stat().st_size * 1800 // 5000


def test_a_damaged_parquet_file_is_refused_without_a_panic(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = parquet(tmp_path, {"temp": WHOLE, "origin": WHOLE}).read_bytes()
    cut = [content[:size] for size in range(0, len(content), 7)]
    for bad in (*cut, b"x" + content[1:], content[:-8] + b"\xff\xff\xff\x00PAR1", content[:-4] + b"PARE"):
        assert "no sound Parquet file" in refusal(file(tmp_path, bad, "in.parquet"))
    assert "panicked" not in capfd.readouterr().err


def test_a_parquet_file_that_points_outside_itself_is_refused(tmp_path: Path) -> None:
    # arro3 would end the process: it reads in a callback that a panic cannot leave.
    content = parquet(tmp_path, {"temp": WHOLE, "origin": WHOLE}).read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    refused = 0
    for place in range(len(content) - 8 - length, len(content) - 8):
        if content[place] == 0x08:  # zigzag of 4, where the first column's pages start
            bad = content[:place] + b"\x07" + content[place + 1 :]
            with suppress(FooterError):
                count_rows(file(tmp_path, bad, "in.parquet"))
                continue
            refused += 1
    assert refused


cells = st.tuples(
    st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-(2**53), 2**53).map(float)),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
)


@given(st.lists(cells, min_size=1, max_size=20))
def test_csv_json_lines_and_parquet_of_the_same_values_give_equal_blocks(rows: list[tuple[float | None, str]]) -> None:
    numbers, texts = [row[0] for row in rows], [row[1] for row in rows]
    columns = {
        "temp": np.array([np.nan if n is None else n for n in numbers]),
        "origin": np.array(texts, dtype=np.object_),
    }
    with TemporaryDirectory() as name:
        folder = Path(name)
        paths = [
            file(folder, table_bytes(columns, Layout(format="csv"), header=True)),
            file(folder, table_bytes(columns, Layout(format="jsonl"), header=False), "in.jsonl"),
            parquet(
                folder,
                {"temp": Array(numbers, type=DataType.float64()), "origin": Array(texts, type=DataType.utf8())},
            ),
        ]
        blocks = [read(path)[0] for path in paths]
    expected = np.array([np.nan if number is None else number for number in numbers])
    for block in blocks:
        np.testing.assert_array_equal(block.numbers["temp"], expected)
        assert block.texts["origin"].tolist() == texts
        assert not block.wrong
        assert not block.broken


def test_json_line_of_a_date_is_read_as_text(tmp_path: Path) -> None:
    line = json.dumps({"temp": "2026-01-02", "origin": date(2026, 1, 2).isoformat()})
    (block,) = read(file(tmp_path, line.encode(), "in.jsonl"))
    assert block.wrong == {"temp": {0: "2026-01-02"}}
    assert block.texts["origin"][0] == "2026-01-02"

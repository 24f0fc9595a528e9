"""Batches taken from Arrow while other threads run: the same cells, errors in words, and nothing kept."""

import gc
import threading
from collections.abc import Callable
from contextlib import suppress
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from arro3.core import DataType, Field, Schema
from arro3.io import read_csv
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.format.block import Form, Wanted
from hakobu_runtime.rows.arrow import ArrowError, numbers_of_floats, numbers_of_texts
from hakobu_runtime.rows.batch import first_batch
from hakobu_runtime.rows.cells import gaps_of
from hakobu_runtime.rows.delimited import DelimitedReader
from hakobu_runtime.rows.source import open_rows

FLOATS = Schema([Field("0", DataType.float64(), nullable=True), Field("1", DataType.utf8(), nullable=True)])
TEXTS = Schema([Field("0", DataType.utf8(), nullable=True), Field("1", DataType.utf8(), nullable=True)])


def batch_of(content: bytes, schema: Schema = FLOATS, size: int = 1000) -> object:
    return first_batch(read_csv(content, schema, has_header=False, batch_size=size))


numbers = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.sampled_from(["", "+5", ".5", "5.", "1e400", "-1e-400", "-0", "nan", "NaN", "inf", "-Infinity", "007", "1e5"]),
    st.from_regex(r"[+-]?[0-9]{1,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)


@given(st.lists(numbers, min_size=1, max_size=30), st.sampled_from([frozenset(), frozenset({"5", "nan", "-999"})]))
def test_a_column_read_as_numbers_holds_what_its_texts_say(cells: list[str], missing: frozenset[str]) -> None:
    gaps = gaps_of(missing)
    content = "".join(f"{cell},x\n" for cell in cells).encode()
    texts = batch_of(content, TEXTS)
    expected, wrong = numbers_of_texts(texts.column(0), gaps)  # type: ignore[attr-defined]
    try:
        floats = batch_of(content)
    except ArrowError:
        return  # Arrow is stricter than our cells: such a block is read as texts
    assert not wrong
    found = numbers_of_floats(floats.column(0), gaps)  # type: ignore[attr-defined]
    assert found.tobytes() == expected.tobytes() or [repr(x) for x in found] == [repr(x) for x in expected]


def test_the_cells_of_a_batch_are_those_of_the_file() -> None:
    batch = batch_of(b'1.5,a\n,"b,c"\n"",\n-0,\n')
    assert batch.column(0).to_pylist() == [1.5, None, None, -0.0]  # type: ignore[attr-defined]
    assert batch.column(1).to_pylist() == ["a", "b,c", None, None]  # type: ignore[attr-defined]


def test_there_is_no_batch_of_nothing() -> None:
    assert batch_of(b"") is None


@pytest.mark.parametrize("content", [b"abc,1\n", b"1,2,3\n", b"1\n", b"1,\xff\n", b" 5,1\n"])
def test_what_cannot_be_read_is_an_error_in_words(content: bytes) -> None:
    with pytest.raises(ArrowError, match=r"for column 0|number of fields|UTF-8"):
        batch_of(content)


@given(st.binary(max_size=60))
def test_no_bytes_end_the_process(content: bytes) -> None:
    for schema in (FLOATS, TEXTS):
        with suppress(ArrowError):
            batch_of(content, schema, size=content.count(b"\n") + content.count(b"\r") + 1)


def test_other_threads_run_while_a_batch_is_made() -> None:
    content = b"".join(b"%d.25,text\n" % row for row in range(400_000))
    started, counted = threading.Event(), threading.Event()
    found: list[object] = []

    def count() -> None:
        started.wait()
        for _ in range(1000):
            pass
        counted.set()

    other = threading.Thread(target=count)
    other.start()
    reader = read_csv(content, FLOATS, has_header=False, batch_size=400_000)
    started.set()
    found.append(first_batch(reader))
    assert counted.wait(30)
    other.join()
    assert found[0].num_rows == 400_000  # type: ignore[attr-defined]


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc says how much memory is held")
@pytest.mark.parametrize("broken", [False, True])
def test_a_thousand_batches_leave_nothing_behind(broken: bool) -> None:
    content = b"1.5,some text or other\n" * 2000 + (b"x,\n" if broken else b"")

    def make() -> None:
        try:
            batch = batch_of(content, size=2001)
        except ArrowError:
            assert broken
        else:
            assert batch is not None
            assert not broken

    for _ in range(50):
        make()
    gc.collect()
    before = resident()
    for _ in range(1000):
        make()
    gc.collect()
    assert resident() - before < 8 << 20  # of 60 MB that went through


def read(content: bytes, wanted: Wanted, block_rows: int) -> tuple[list[str], dict[int, str]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(content)
        with open_rows(path, wanted, block_rows=block_rows) as rows:
            blocks = list(rows)
    values = [repr(float(x)) for block in blocks for x in block.numbers["n"]]
    wrong = {block.first + row: text for block in blocks for row, text in block.wrong.get("n", {}).items()}
    return values, wrong


WANTED = Wanted({"n": Form.NUMBER, "t": Form.TEXT}, frozenset({"n", "t"}))


@given(st.lists(st.sampled_from(["1", "2.5", " 3", "abc", "", "1_0"]), max_size=20), st.integers(1, 5))
def test_what_a_block_holds_does_not_depend_on_the_blocks_before_it(cells: list[str], block_rows: int) -> None:
    content = b"n,t\n" + "".join(f"{cell},x\n" for cell in cells).encode()
    assert read(content, WANTED, block_rows) == read(content, WANTED, 1000)


def test_a_column_with_a_word_in_it_is_tried_once_only(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    original: Callable[..., object] = DelimitedReader._batch

    def batch(self: DelimitedReader, content: bytes, schema: Schema) -> object:
        tried.append(str(schema.field(0).type).split(".")[-1])
        return original(self, content, schema)

    monkeypatch.setattr(DelimitedReader, "_batch", batch)
    content = b"n,t\n" + b"1,x\n" * 50 + b"n/a,x\n" + b"2,x\n" * 200
    values, wrong = read(content, WANTED, 10)
    assert wrong == {50: "n/a"}
    assert [x for x in values if not isnan(float(x))] == ["1.0"] * 50 + ["2.0"] * 200
    kinds = ["Float64" in kind for kind in tried]
    assert kinds == sorted(kinds, reverse=True), "once a text, always a text"
    assert sum(kinds) < 10 < len(kinds)


def test_a_carried_column_of_numbers_stays_as_it_is_written() -> None:
    wanted = Wanted({"n": Form.NUMBER}, frozenset({"n"}), carried=frozenset({"n"}))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(b"n,t\n1.50,x\n007,x\n")
        with open_rows(path, wanted) as rows:
            block = next(rows)
    assert block.carried["n"].tolist() == ["1.50", "007"]
    np.testing.assert_array_equal(block.numbers["n"], [1.5, 7.0])

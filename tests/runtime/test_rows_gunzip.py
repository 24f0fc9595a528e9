"""Tables packed with gzip: the same rows, flat in memory, and damage told in words."""

import gzip
import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hakobu_runtime.errors import InputError
from hakobu_runtime.format.block import Form, Wanted
from hakobu_runtime.rows.encoding import UnreadableError
from hakobu_runtime.rows.gunzip import Gunzip
from hakobu_runtime.rows.source import Layout, is_table, open_rows, open_stream, table_name

WANTED = Wanted({"temp": Form.NUMBER, "origin": Form.TEXT}, frozenset({"temp", "origin"}))


def table(rows: int) -> bytes:
    return b"temp,origin\n" + b"".join(b"%d,airport %d\n" % (row, row % 7919) for row in range(rows))


def numbers(path: Path, layout: Layout | None = None) -> list[float]:
    with open_rows(path, WANTED, layout=layout, block_rows=500) as rows:
        return [value for block in rows for value in block.numbers["temp"].tolist()]


def delivered(path: Path) -> tuple[int, str]:
    """Return how many rows come before the refusal, and that."""
    done = 0
    with open_rows(path, WANTED, block_rows=500) as rows:
        try:
            for block in rows:
                done += block.size
        except InputError as error:
            assert str(error).startswith(str(path))  # noqa: PT017 - what came before counts as well
            return done, str(error)
    pytest.fail("all of it was read")


@pytest.mark.parametrize("name", ["in.csv.gz", "IN.CSV.GZ", "in.tsv.gz", "in.jsonl.gz"])
def test_a_packed_table_is_read_as_the_plain_one(tmp_path: Path, name: str) -> None:
    content = table(3000)
    if "tsv" in name:
        content = content.replace(b",", b"\t")
    if "jsonl" in name:
        content = b"".join(b'{"temp": %d, "origin": "x"}\n' % row for row in range(3000))
    (tmp_path / name).write_bytes(gzip.compress(content))
    assert numbers(tmp_path / name) == list(range(3000))


def test_several_packed_parts_one_after_the_other_are_one_table(tmp_path: Path) -> None:
    content = table(2000)
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(content[:9000]) + gzip.compress(content[9000:]))
    assert numbers(tmp_path / "in.csv.gz") == list(range(2000))


def test_a_flag_says_what_a_name_does_not(tmp_path: Path) -> None:
    (tmp_path / "today.gz").write_bytes(gzip.compress(table(10)))
    assert numbers(tmp_path / "today.gz", Layout(format="csv")) == list(range(10))
    with pytest.raises(InputError, match="give --format"):
        numbers(tmp_path / "today.gz")


@given(st.floats(0, 1, exclude_max=True))
@example(0.0002)
def test_a_packed_table_cut_off_anywhere_is_refused(share: float) -> None:
    packed = gzip.compress(table(2000))
    cut = packed[: int(len(packed) * share)]
    found, file = b"", Gunzip(io.BytesIO(cut), len(cut))
    try:
        while part := file.read(5000):
            found += part
    except UnreadableError as problem:
        words = "ends too early" if len(cut) > 1 else "is none, or damaged"  # a gzip file is told by two bytes
        assert words in str(problem)  # noqa: PT017 - an empty file is no error here
    else:
        assert not cut
    assert table(2000).startswith(found)


def test_rows_before_the_end_that_is_missing_are_delivered_first(tmp_path: Path) -> None:
    packed = gzip.compress(table(50_000))
    (tmp_path / "in.csv.gz").write_bytes(packed[:-4])
    done, words = delivered(tmp_path / "in.csv.gz")
    assert done == 50_000
    assert "row 50001: the gzip file ends too early" in words
    assert "fetch it again" in words
    (tmp_path / "in.csv.gz").write_bytes(packed[: len(packed) // 2])
    done, words = delivered(tmp_path / "in.csv.gz")
    assert 20_000 < done < 30_000
    assert "ends too early" in words


def test_a_damaged_packed_table_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(table(50_000)))
    for place in (len(packed) // 2, len(packed) - 6):
        damaged = packed.copy()
        damaged[place] ^= 0xFF
        (tmp_path / "in.csv.gz").write_bytes(damaged)
        assert "the gzip file is damaged after" in delivered(tmp_path / "in.csv.gz")[1]


def test_what_is_not_packed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "in.csv.gz"
    for content, words in ((table(3), "the gzip file is none, or damaged"), (b"", "the file is empty")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            numbers(path)
    (tmp_path / "in.parquet.gz").write_bytes(gzip.compress(b"PAR1"))
    with pytest.raises(InputError, match="unpack the file first"):
        numbers(tmp_path / "in.parquet.gz")


@pytest.mark.parametrize("fill", [b"\0", b"x", b"\n", b"1,x\n"], ids=["NUL", "one line", "blank lines", "rows"])
def test_a_little_that_unpacks_to_very_much_takes_no_memory(tmp_path: Path, fill: bytes) -> None:
    path, part = tmp_path / "in.csv.gz", fill * ((1 << 20) // len(fill))
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(b"temp,origin\n1,x\n")
        for _ in range(150):
            file.write(part)
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with open_rows(path, WANTED) as rows:
            most = sum(len(piece.read(0).broken) > 0 for piece, _ in zip(rows.pieces(), range(20), strict=False))
    except InputError as error:
        most = 0
        assert str(path) in str(error)  # noqa: PT017 - some of them are tables all the same
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most == 0
    # A record may have 64 MB before it is refused, and is held twice then: once as parts, once joined.
    assert peak < (220 << 20 if fill == b"x" else 40 << 20)


def test_how_much_there_is_to_read_is_judged_by_what_was_read(tmp_path: Path) -> None:
    content = table(60_000)
    path = tmp_path / "in.csv.gz"
    path.write_bytes(gzip.compress(content))
    with open_rows(path, WANTED, block_rows=1000) as rows:
        for place, _ in enumerate(rows):
            if place > 20:
                assert rows.size is not None
                assert 0.7 < rows.size / len(content) < 1.4
                assert rows.position <= rows.size
    assert rows.position == len(content)


def test_names_tell_tables_and_lose_their_endings() -> None:
    for name, stem in {"a.csv": "a", "a.csv.gz": "a", "a.b.JSONL.GZ": "a.b", "a.parquet": "a"}.items():
        assert is_table(Path(name))
        assert table_name(Path(name)) == stem
    for name in ("a.gz", "a.parquet.gz", "a.zip", ".gz", "a"):
        assert not is_table(Path(name))


def test_a_stream_is_read_like_a_file() -> None:
    with open_stream(io.BytesIO(table(2500)), "stdin", WANTED, block_rows=400) as rows:
        assert rows.size is None
        assert [value for block in rows for value in block.numbers["temp"]] == list(range(2500))
    with pytest.raises(InputError, match="stdin: the file is empty"):
        open_stream(io.BytesIO(b""), "stdin", WANTED)
    with pytest.raises(InputError, match=r"stdin: .*gzip: unpack it first"):
        open_stream(io.BytesIO(gzip.compress(table(3))), "stdin", WANTED)


def test_parquet_from_a_stream_is_copied_and_the_copy_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from arro3.core import Array, DataType, Table
    from arro3.io import write_parquet

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    columns: dict[str, Any] = {"temp": Array.from_numpy(np.arange(5.0)), "origin": Array(["x"] * 5, DataType.utf8())}
    out = io.BytesIO()
    write_parquet(Table.from_pydict(columns), out)
    with open_stream(io.BytesIO(out.getvalue()), "stdin", WANTED, layout=Layout(format="parquet")) as rows:
        assert len(list(tmp_path.iterdir())) == 1
        assert [value for block in rows for value in block.numbers["temp"]] == list(range(5))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="stdin: this is no sound Parquet file"):
        open_stream(io.BytesIO(b"junk" * 9), "stdin", WANTED, layout=Layout(format="parquet"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl"])
def test_carried_columns_stay_as_they_stand(tmp_path: Path, name: str) -> None:
    cells = ["1.50", " 2 ", "abc", "", "-999"]
    if name == "in.csv":
        (tmp_path / name).write_text("temp,origin,more\n" + "".join(f"{cell},JFK,x\n" for cell in cells))
    else:
        (tmp_path / name).write_text("".join(f'{{"temp": "{cell}", "origin": "JFK", "more": "x"}}\n' for cell in cells))
    wanted = Wanted(WANTED.forms, WANTED.required, frozenset({"-999"}), frozenset({"temp", "more"}))
    with open_rows(tmp_path / name, wanted) as rows:
        (block,) = rows
    assert block.carried["temp"].tolist() == cells
    assert block.carried["more"].tolist() == ["x"] * 5
    assert np.isnan(block.numbers["temp"][[2, 3, 4]]).all()
    assert set(block.texts) == {"origin"}

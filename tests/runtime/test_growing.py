"""Tables written bit by bit: what comes out does not tell where they were cut."""

import csv
import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from arro3.core import Table
from arro3.io import read_parquet
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.rows.growing import Columns, JoinError, growth_of
from hakobu_runtime.rows.write import Coded


def columns(first: int, rows: int) -> Columns:
    """A table with every kind of column, of which these are `rows` rows from `first` on."""
    places = np.arange(first, first + rows)
    odds = (places / 7).astype(np.float32)
    odds[places % 3 == 0] = np.nan
    return {
        "id": np.array([f"{place:04d}" for place in places], dtype=object),
        "row": places,
        "p": odds,
        "q": odds.astype(np.float64),
        "label": Coded(places % 3, (0, 1, None)),
        "truth": Coded(places % 3, (True, False, None)),
        "word": Coded(places % 2, ("ok", 'a,"b"\n')),
        "reasons": ["" if place % 5 else "since" for place in places.tolist()],
    }


def grown(kind: str, cuts: list[int], folder: Path) -> bytes:
    growth = growth_of(kind)
    content = growth.head(columns(0, 0))
    for first, end in pairwise(cuts):
        if first < end:
            content += growth.rows(columns(first, end - first))
    content += growth.end
    if growth.join is None:
        return content
    (folder / "grown").write_bytes(content)
    growth.join(folder / "grown", folder / "whole")
    return (folder / "whole").read_bytes()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@given(st.lists(st.integers(0, 60), max_size=6).map(sorted))
def test_text_grows_to_the_same_bytes_however_it_is_cut(kind: str, cuts: list[int]) -> None:
    assert grown(kind, [0, *cuts, 60], Path()) == grown(kind, [0, 60], Path())


def test_parquet_grows_to_the_same_rows_and_the_same_cuts_to_the_same_bytes(tmp_path: Path) -> None:
    one = grown("parquet", [0, 20, 21, 60], tmp_path)
    assert one == grown("parquet", [0, 20, 21, 60], tmp_path)
    found = Table.from_arrow(read_parquet(io.BytesIO(one)))
    types = [str(found.schema.field(place).type).split(".")[-1].strip().lower() for place in range(8)]
    assert [kind.split("<")[-1].rstrip(">\n") for kind in types] == [
        *("utf8", "int64", "float32", "float64", "int64", "boolean", "utf8", "utf8")
    ]
    rows = list(csv.DictReader(io.StringIO(grown("csv", [0, 60], tmp_path).decode())))
    for name in rows[0]:
        cells = found.column(name).to_pylist()
        assert len(cells) == 60
        for cell, row in zip(cells, rows, strict=True):
            text = "" if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell)
            assert text == row[name] or np.float32(text) == np.float32(row[name])


def test_parquet_without_rows_has_its_columns(tmp_path: Path) -> None:
    found = read_parquet(io.BytesIO(grown("parquet", [], tmp_path)))
    assert [found.schema.field(place).name for place in range(8)] == list(columns(0, 0))
    assert sum(batch.num_rows for batch in found) == 0


def test_what_cannot_be_joined_is_told(tmp_path: Path) -> None:
    (tmp_path / "grown").write_bytes(b"\xff\xff\xff\xff\x10\0\0\0junk")
    join = growth_of("parquet").join
    assert join is not None
    with pytest.raises(JoinError):
        join(tmp_path / "grown", tmp_path / "whole")

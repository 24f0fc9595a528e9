"""Scoring into every form, with columns carried over and problems apart: each crash-safe, each change noticed."""

import csv
import gzip
import io
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from arro3.core import Table
from arro3.io import read_parquet

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device import run as run_module
from hakobu_runtime.device import scoring as scoring_module
from hakobu_runtime.device.order import STREAM, Order
from hakobu_runtime.device.part import Part
from hakobu_runtime.device.run import score_file
from hakobu_runtime.device.scoring import Scoring
from hakobu_runtime.device.summary import Summary
from hakobu_runtime.errors import InputError, UsageError
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.journal import Journal
from hakobu_runtime.rows.source import BLOCK_ROWS, Layout

ROWS = 4_000
HEADER = "id,when,load,shifts,hot,line,maker,note\n"


def table(rows: int, first: int = 0) -> str:
    lines = []
    for row in range(first, first + rows):
        line = "Z" if row % 101 == 0 else "ABC"[row % 3]
        load = "heavy" if row % 50 == 1 else f"{row % 90}.50"
        lines.append(f"{row:05d},2026-01-{1 + row % 3:02d},{load},{row % 5},{row % 2},{line},maker 1,n{row % 7}\n")
    return HEADER + "".join(lines)


@pytest.fixture(autouse=True)
def _many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_module, "BLOCK_ROWS", 500)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text(table(ROWS))
    return path


def test_a_large_model_gets_smaller_blocks(machines: Bundle, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    order = Order(source, source.with_name("out.csv"))
    large = replace(machines, model=machines.model + bytes(1 << 20))
    assert Scoring(large, order).block_rows < Scoring(machines, order).block_rows == BLOCK_ROWS


def score(bundle: Bundle, folder: Path, order: Order, warned: list[str] | None = None, keep: bool = False) -> Summary:
    with Journal.open(folder / "journal.sqlite") as journal:
        return score_file(bundle, journal, order, warn=(warned if warned is not None else []).append, keep=keep)


def rows_counted(bundle: Bundle, folder: Path) -> int:
    with Journal.open(folder / "journal.sqlite") as journal:
        return journal.total(ModelName(bundle.manifest.name, bundle.manifest.version, bundle.digest)).rows


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class CutError(Exception):
    """A power cut."""


def cut_after(blocks: int) -> Callable[[int, int | None, int], None]:
    left = [blocks]

    def advance(read: int, size: int | None, rows: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise CutError

    return advance


def break_off(bundle: Bundle, folder: Path, order: Order, monkeypatch: pytest.MonkeyPatch, blocks: int = 2) -> None:
    with monkeypatch.context() as quick, Journal.open(folder / "journal.sqlite") as journal:
        quick.setattr(run_module, "COMMIT_SECONDS", 0)
        with pytest.raises(CutError):
            score_file(bundle, journal, order, advance=cut_after(blocks))


# --- the forms


def test_parquet_holds_what_csv_holds(machines: Bundle, tmp_path: Path, source: Path) -> None:
    score(machines, tmp_path, Order(source, tmp_path / "out.csv", columns=("note",)))
    score(machines, tmp_path, Order(source, tmp_path / "out.parquet", columns=("note",)))
    found = Table.from_arrow(read_parquet(tmp_path / "out.parquet"))
    rows = read(tmp_path / "out.csv")
    for name in ("id", "note", "prediction", "verdict", "reasons"):
        assert [cell or "" for cell in found.column(name).to_pylist()] == [row[name] for row in rows]
    assert found.column("p_yes").to_pylist()[2] == pytest.approx(float(rows[2]["p_yes"]), rel=1e-6)
    assert found.column("p_yes").to_pylist()[0] is None
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_blocks_of_rejected_rows_have_the_types_of_the_others(machines: Bundle, tmp_path: Path) -> None:
    rows = table(2 * ROWS).replace(",A,", ",Z,").replace(",B,", ",Z,").replace(",C,", ",Z,").splitlines(keepends=True)
    rows[ROWS + 1 :] = table(2 * ROWS).splitlines(keepends=True)[ROWS + 1 :]
    (tmp_path / "in.csv").write_text("".join(rows))
    score(machines, tmp_path, Order(tmp_path / "in.csv", tmp_path / "out.parquet"))
    odds = Table.from_arrow(read_parquet(tmp_path / "out.parquet")).column("p_yes").to_pylist()
    assert set(odds[:ROWS]) == {None}
    assert sum(value is not None for value in odds[ROWS:]) > ROWS / 2


def test_a_packed_input_gives_the_same(machines: Bundle, tmp_path: Path, source: Path) -> None:
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(source.read_bytes()))
    score(machines, tmp_path, Order(source, tmp_path / "plain.csv"))
    score(machines, tmp_path, Order(tmp_path / "in.csv.gz", tmp_path / "packed.csv"))
    assert (tmp_path / "plain.csv").read_bytes() == (tmp_path / "packed.csv").read_bytes()


def test_carried_columns_stand_after_the_ids_as_they_were(machines: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(60))
    score(machines, tmp_path, Order(tmp_path / "in.csv", tmp_path / "out.csv", columns=("note", "load", "id", "when")))
    rows = read(tmp_path / "out.csv")
    assert list(rows[0])[:5] == ["id", "note", "load", "when", "prediction"]
    given = list(csv.DictReader(io.StringIO(table(60))))
    for name in ("note", "load", "id", "when"):
        assert [row[name] for row in rows] == [row[name] for row in given]


def test_a_column_that_cannot_be_carried_is_refused(machines: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(5))
    order = Order(tmp_path / "in.csv", tmp_path / "out.csv")
    with pytest.raises(InputError, match="column 'notes' is missing; the nearest there: 'note'"):
        score(machines, tmp_path, replace(order, columns=("notes",)))
    for name in ("prediction", "p_yes", "verdict", "reasons"):
        with pytest.raises(UsageError, match=f"--columns {name}: scoring writes a column of that name"):
            score(machines, tmp_path, replace(order, columns=(name,)))


def test_problems_are_a_line_for_each_breach(machines: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(120))
    order = Order(tmp_path / "in.csv", tmp_path / "out.csv", problems=tmp_path / "problems.csv")
    summary = score(machines, tmp_path, order)
    problems, rows = read(tmp_path / "problems.csv"), read(tmp_path / "out.csv")
    assert list(problems[0]) == ["row", "id", "column", "value", "rule", "verdict", "reason"]
    told: dict[str, list[str]] = {}
    for problem in problems:
        told.setdefault(problem["id"], []).append(problem["reason"])
        assert int(problem["row"]) == int(problem["id"]) + 1
    assert {row["id"]: row["reasons"] for row in rows if row["reasons"]} == {
        place: "; ".join(reasons) for place, reasons in told.items()
    }
    unknown = [problem for problem in problems if problem["rule"] == "unknown category"]
    assert [(problem["id"], problem["column"], problem["value"], problem["verdict"]) for problem in unknown] == [
        ("00000", "line", "Z", "rejected"),
        ("00101", "line", "Z", "rejected"),
    ]
    assert ("00001", "load", "heavy") in {(found["id"], found["column"], found["value"]) for found in problems}
    assert "4" in {found["value"] for found in problems if found["column"] == "shifts"}
    assert summary.problems == str(tmp_path / "problems.csv")


def test_a_problem_shows_the_number_as_the_file_writes_it(machines: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(HEADER + "1,2026-01-01,64999.94,2,1,A,maker 1,x\n")
    order = Order(tmp_path / "in.csv", tmp_path / "out.csv", problems=tmp_path / "problems.csv")
    score(machines, tmp_path, order)
    assert [found["value"] for found in read(tmp_path / "problems.csv") if found["column"] == "load"] == ["64999.94"]


def test_a_table_without_problems_gives_a_list_without_any(machines: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(HEADER + "1,2026-01-01,50.5,2,1,A,maker 1,x\n")
    order = Order(tmp_path / "in.csv", tmp_path / "out.csv", problems=tmp_path / "problems.csv")
    score(machines, tmp_path, order)
    assert (tmp_path / "problems.csv").read_text() == "row,id,column,value,rule,verdict,reason\n"


# --- power cuts


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("blocks", [1, 3])
def test_a_broken_run_of_every_form_goes_on(
    machines: Bundle, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, ending: str, blocks: int
) -> None:
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(source.read_bytes()))
    orders = [
        Order(
            tmp_path / "in.csv.gz", tmp_path / f"{name}{ending}", columns=("note",), problems=tmp_path / f"{name}.p.csv"
        )
        for name in ("whole", "broken")
    ]
    unbroken = score(machines, tmp_path, orders[0])
    break_off(machines, tmp_path, orders[1], monkeypatch, blocks)
    for path in tmp_path.glob("broken*.partial"):
        with path.open("ab") as file:
            file.write(b"half a row")
    warned: list[str] = []
    summary = score(machines, tmp_path, orders[1], warned)
    assert warned == []
    assert 0 < summary.resumed_at < summary.rows == ROWS
    assert (summary.verdicts, summary.examples) == (unbroken.verdicts, unbroken.examples), "of the whole file"
    assert (tmp_path / f"broken{ending}").read_bytes() == (tmp_path / f"whole{ending}").read_bytes()
    assert (tmp_path / "broken.p.csv").read_bytes() == (tmp_path / "whole.p.csv").read_bytes()
    assert rows_counted(machines, tmp_path) == 2 * ROWS
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@pytest.mark.parametrize("step", range(6))
def test_a_run_broken_at_any_of_its_last_steps_ends_as_if_it_was_not(
    machines: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    (tmp_path / "in.csv").write_text(table(500))
    orders = [
        Order(tmp_path / "in.csv", tmp_path / f"{name}.parquet", problems=tmp_path / f"{name}.csv")
        for name in ("whole", "broken")
    ]
    score(machines, tmp_path, orders[0])
    calls = 0

    def cutting(real: Callable[..., object]) -> Callable[..., object]:
        def act(*given: object, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls == step + 1:
                raise CutError
            return real(*given, **named)

        return act

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", cutting(Path.replace))
        broken.setattr(Path, "unlink", cutting(Path.unlink))
        broken.setattr(Part, "seal", cutting(Part.seal))
        broken.setattr(Journal, "finish", cutting(Journal.finish))
        with pytest.raises(CutError):
            score(machines, tmp_path, orders[1])
    assert score(machines, tmp_path, orders[1]).rows == 500
    assert (tmp_path / "broken.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert (tmp_path / "broken.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert rows_counted(machines, tmp_path) == 1000
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".partial")] == []


# --- what has changed is noticed


def _input(order: Order) -> Order:
    os.utime(order.source, (1, 1))
    return order


def _longer(order: Order) -> Order:
    order.source.write_text(table(ROWS + 1))
    return order


def _gone(order: Order) -> Order:
    order.target.with_name("out.csv.partial").unlink()
    return order


CHANGES: dict[str, tuple[Callable[[Order], Order], str]] = {
    "the time of the input": (_input, "the input has changed"),
    "the input": (_longer, "the input has changed"),
    "the columns": (lambda order: replace(order, columns=("note",)), "the options are others"),
    "the problems": (lambda order: replace(order, problems=order.target.with_name("p.csv")), "the options are others"),
    "the delimiter": (lambda order: replace(order, layout=Layout(delimiter=",")), "the options are others"),
    "the format": (lambda order: replace(order, to="jsonl"), "the options are others"),
    "what was written": (_gone, "what it had written is gone"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_told_and_scored_anew(
    machines: Bundle, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    order = Order(source, tmp_path / "out.csv")
    break_off(machines, tmp_path, order, monkeypatch)
    counted = rows_counted(machines, tmp_path)
    act, words = CHANGES[change]
    warned: list[str] = []
    changed = act(order)
    summary = score(machines, tmp_path, changed, warned)
    assert len(warned) == 1
    assert words in warned[0]
    assert f"since {counted:,} rows were scored" in warned[0]
    assert "stay counted" in warned[0]
    assert (summary.resumed_at, summary.rows) == (0, ROWS + (change == "the input"))
    assert rows_counted(machines, tmp_path) == counted + summary.rows
    again = replace(changed, target=tmp_path / "again.csv", problems=None)
    score(machines, tmp_path, again)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()


def test_a_change_that_is_taken_back_leads_to_no_mixture(
    machines: Bundle, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order(source, tmp_path / "out.csv")
    break_off(machines, tmp_path, order, monkeypatch)
    carried = replace(order, columns=("note",))
    with Journal.open(tmp_path / "journal.sqlite") as journal, pytest.raises(CutError):
        score_file(machines, journal, carried, advance=cut_after(3))  # written, not committed
    score(machines, tmp_path, order)
    score(machines, tmp_path, replace(order, target=tmp_path / "whole.csv"))
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_two_runs_that_share_a_list_of_problems_do_not_mix_it(
    machines: Bundle, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = tmp_path / "problems.csv"
    order = Order(source, tmp_path / "out.csv", problems=problems)
    break_off(machines, tmp_path, order, monkeypatch)
    (tmp_path / "other.csv").write_text(table(3_000, first=7))
    break_off(machines, tmp_path, Order(tmp_path / "other.csv", tmp_path / "b.csv", problems=problems), monkeypatch)
    assert score(machines, tmp_path, order).resumed_at > 0
    content = problems.read_bytes()
    score(machines, tmp_path, replace(order, target=tmp_path / "whole.csv"))
    assert problems.read_bytes() == content


def test_a_kept_run_is_known_as_done_until_it_is_finished(machines: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(300))
    order = Order(tmp_path / "in.csv", tmp_path / "out.csv")
    first = score(machines, tmp_path, order, keep=True)
    again = score(machines, tmp_path, order, keep=True)
    assert (again.rows, again.resumed_at, again.verdicts) == (300, 300, first.verdicts)
    assert "300 rows scored before" in again.line()
    assert rows_counted(machines, tmp_path) == 300
    (tmp_path / "out.csv").unlink()
    warned: list[str] = []
    score(machines, tmp_path, order, warned, keep=True)
    assert "what it had written is gone" in warned[0]


# --- streams


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], io.BytesIO]:
    """Put this content on stdin; return what takes stdout."""

    def put(content: bytes) -> io.BytesIO:
        out = io.BytesIO()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out, isatty=lambda: False))
        return out

    return put


def test_a_stream_gives_what_a_file_gives(
    machines: Bundle, tmp_path: Path, source: Path, piped: Callable[[bytes], io.BytesIO]
) -> None:
    score(machines, tmp_path, Order(source, tmp_path / "whole.csv"))
    score(machines, tmp_path, Order(source, tmp_path / "whole.jsonl"))
    out = piped(source.read_bytes())
    summary = score(machines, tmp_path, Order(STREAM, STREAM))
    assert out.getvalue() == (tmp_path / "whole.csv").read_bytes()
    assert (summary.output, summary.rows) == ("stdout", ROWS)
    piped(source.read_bytes())
    score(machines, tmp_path, Order(STREAM, tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    out = piped(b"")
    score(machines, tmp_path, Order(source, STREAM, to="jsonl", problems=tmp_path / "p.csv"))
    assert out.getvalue() == (tmp_path / "whole.jsonl").read_bytes()
    assert len(read(tmp_path / "p.csv")) > 100
    assert rows_counted(machines, tmp_path) == 5 * ROWS


def test_what_stdin_delivers_counts_when_all_of_it_is_there(
    machines: Bundle,
    tmp_path: Path,
    source: Path,
    piped: Callable[[bytes], io.BytesIO],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    piped(source.read_bytes() + b"\xff\n")
    monkeypatch.setattr(run_module, "COMMIT_SECONDS", 0)
    (tmp_path / "out.csv").write_text("from yesterday")
    with pytest.raises(InputError, match=f"stdin: row {ROWS + 1}: byte 0xFF"):
        score(machines, tmp_path, Order(STREAM, tmp_path / "out.csv"))
    assert rows_counted(machines, tmp_path) == 0
    assert (tmp_path / "out.csv").read_text() == "from yesterday"
    assert not (tmp_path / "out.csv.partial").exists()


def test_stdin_forgets_the_broken_run_of_a_file_into_the_same_output(
    machines: Bundle,
    tmp_path: Path,
    source: Path,
    piped: Callable[[bytes], io.BytesIO],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = Order(source, tmp_path / "out.csv")
    break_off(machines, tmp_path, order, monkeypatch)
    piped(table(100).encode())
    warned: list[str] = []
    assert score(machines, tmp_path, replace(order, source=STREAM), warned).rows == 100
    assert "the input is a stream" in warned[0]
    assert score(machines, tmp_path, order).resumed_at == 0


def test_a_stdout_that_nobody_reads_ends_the_run_and_what_was_read_is_counted(
    machines: Bundle, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "COMMIT_SECONDS", 0)

    class Closing(io.BytesIO):
        def write(self, content: bytes, /) -> int:  # type: ignore[override]
            if self.tell() > 50_000:
                raise BrokenPipeError
            return super().write(content)

    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=Closing()))
    with pytest.raises(BrokenPipeError):
        score(machines, tmp_path, Order(source, STREAM))
    assert 0 < rows_counted(machines, tmp_path) < ROWS


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_a_closed_stream_is_told(
    machines: Bundle, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(sys, name, None)
    order = Order(STREAM, tmp_path / "out.csv") if name == "stdin" else Order(source, STREAM)
    with pytest.raises(InputError, match=f"{name} is closed"):
        score(machines, tmp_path, order)


# --- orders that make no sense


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"problems": "out.csv"}, "is to take the scores and the problems"),
        ({"problems": "OUT.CSV"}, "is to take the scores and the problems"),
        ({"problems": "in.csv"}, "is the input itself"),
        ({"problems": "p.txt"}, "name a file that ends in .csv"),
        ({"problems": "none/p.csv"}, "make it first"),
        ({"problems": "."}, "is a folder"),
        ({"problems": "-"}, "--only-problems needs a file"),
        ({"target": "-", "to": "parquet"}, "Parquet cannot be written to stdout"),
        ({"target": "pipe.csv"}, "is no file but a device or a pipe"),
        ({"target": "out.dat"}, "must end in .csv, .jsonl or .parquet, or --to"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_before_anything_is_written(
    fields: dict[str, str], words: str, machines: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(table(5))
    os.mkfifo(tmp_path / "pipe.csv")
    given: dict[str, Any] = {
        name: value if name == "to" else STREAM if value == "-" else tmp_path / value for name, value in fields.items()
    }
    order = replace(Order(tmp_path / "in.csv", tmp_path / "out.csv"), **given)
    before = sorted(tmp_path.iterdir())
    with pytest.raises((InputError, UsageError), match=words.replace(".", r"\.")):
        score(machines, tmp_path, order)
    assert sorted(path for path in tmp_path.iterdir() if "journal" not in path.name) == before


def test_a_format_that_is_asked_for_needs_no_ending(machines: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(5))
    score(machines, tmp_path, Order(tmp_path / "in.csv", tmp_path / "out.dat", to="csv"))
    assert len(read(tmp_path / "out.dat")) == 5

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device import run as run_module
from hakobu_runtime.device.order import Order
from hakobu_runtime.device.run import score_file
from hakobu_runtime.device.summary import Summary
from hakobu_runtime.errors import InputError
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.journal import Journal

HEADER = "id,when,load,shifts,hot,line,maker"


def table(rows: int, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    lines = [HEADER]
    for row in range(rows):
        load = "" if row % 17 == 0 else f"{rng.normal(50, 12):.2f}"
        line = "Z" if row % 101 == 0 else "ABC"[rng.integers(3)]
        when = f"2026-01-{1 + row % 28:02d}T{row % 24:02d}:00"
        lines.append(f"{row:07d},{when},{load},{rng.integers(0, 5)},{row % 2},{line},maker {rng.integers(4)}")
    return "\n".join(lines) + "\n"


def score(bundle: Bundle, folder: Path, source: Path, target: Path) -> Summary:
    with Journal.open(folder / "journal.sqlite") as journal:
        return score_file(bundle, journal, Order(source, target))


def rows_counted(bundle: Bundle, folder: Path) -> int:
    model = ModelName(bundle.manifest.name, bundle.manifest.version, bundle.digest)
    with Journal.open(folder / "journal.sqlite") as journal:
        return sum(counts.rows for counts in journal.windows(model).values())


def test_the_output_has_ids_prediction_probabilities_verdict_and_reasons(machines: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(200))
    summary = score(machines, tmp_path, tmp_path / "in.csv", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "prediction", "p_no", "p_yes", "verdict", "reasons"]
    assert [row["id"] for row in rows] == [f"{row:07d}" for row in range(200)]
    assert rows[0]["verdict"] == "rejected"
    assert rows[0]["prediction"] == rows[0]["p_yes"] == ""
    assert "'Z' is not one of the 3 categories" in rows[0]["reasons"]
    assert summary.verdicts["rejected"] == 2
    assert sum(summary.verdicts.values()) == summary.rows == rows_counted(machines, tmp_path) == 200
    assert not (tmp_path / "out.csv.partial").exists()


def test_json_lines_say_the_same(machines: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(50))
    score(machines, tmp_path, tmp_path / "in.csv", tmp_path / "out.csv")
    score(machines, tmp_path, tmp_path / "in.csv", tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    with (tmp_path / "out.csv").open(newline="") as file:
        for line, row in zip(lines, csv.DictReader(file), strict=True):
            assert line["verdict"] == row["verdict"]
            assert line["prediction"] is None or line["prediction"] == row["prediction"]
            assert line["p_yes"] is None or np.float32(line["p_yes"]) == np.float32(row["p_yes"])


def test_a_table_without_rows_gives_an_output_without_rows(machines: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(HEADER + "\n")
    assert score(machines, tmp_path, tmp_path / "in.csv", tmp_path / "out.csv").rows == 0
    assert (tmp_path / "out.csv").read_text() == "id,prediction,p_no,p_yes,verdict,reasons\n"


class CutError(Exception):
    """A power cut."""


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_a_broken_run_goes_on_where_it_stopped(
    machines: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int
) -> None:
    source = tmp_path / "in.csv"
    source.write_text(table(60_000))
    whole = tmp_path / "whole"
    whole.mkdir()
    score(machines, whole, source, whole / "out.csv")
    monkeypatch.setattr(run_module, "COMMIT_SECONDS", 0)
    done = 0

    def cut(read: int, size: int | None, rows: int) -> None:
        nonlocal done
        done += 1
        if done == blocks:
            raise CutError

    with Journal.open(tmp_path / "journal.sqlite") as journal, pytest.raises(CutError):
        score_file(machines, journal, Order(source, tmp_path / "out.csv"), advance=cut)
    partial = tmp_path / "out.csv.partial"
    with partial.open("ab") as file:
        file.write(b"half a row that no journal kn")  # written, but the power went before its counts were
    summary = score(machines, tmp_path, source, tmp_path / "out.csv")
    assert 0 < summary.resumed_at < summary.rows == 60_000
    assert (tmp_path / "out.csv").read_bytes() == (whole / "out.csv").read_bytes()
    assert rows_counted(machines, tmp_path) == 60_000


@pytest.mark.parametrize("step", ["replace", "finish"])
def test_a_run_broken_off_at_its_very_end_is_not_counted_again(
    machines: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(table(500))

    def cut(*words: object) -> None:
        raise CutError

    with monkeypatch.context() as broken:
        broken.setattr(*((Path, "replace", cut) if step == "replace" else (Journal, "finish", cut)))
        with pytest.raises(CutError):
            score(machines, tmp_path, source, target)
    summary = score(machines, tmp_path, source, target)
    assert summary.rows == 500
    assert len(target.read_text().splitlines()) == 501
    assert rows_counted(machines, tmp_path) == 500
    assert score(machines, tmp_path, source, target).rows == 500
    assert rows_counted(machines, tmp_path) == 1000, "scored on purpose once more"


def test_a_changed_input_is_scored_anew(machines: Bundle, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(table(40_000))

    def cut(read: int, size: int | None, rows: int) -> None:
        raise CutError

    with Journal.open(tmp_path / "journal.sqlite") as journal, pytest.raises(CutError):
        score_file(machines, journal, Order(source, tmp_path / "out.csv"), advance=cut)
    source.write_text(table(300, seed=1))
    summary = score(machines, tmp_path, source, tmp_path / "out.csv")
    assert (summary.rows, summary.resumed_at) == (300, 0)


def test_a_killed_process_loses_and_doubles_nothing(machines: Bundle, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(table(60_000))
    state = tmp_path / "state"
    runtime = [sys.executable, "-m", "hakobu_runtime", "--state", str(state)]
    key = tmp_path / "key.pub"
    key.write_bytes(machines.pin.key.pem)
    subprocess.run([*runtime, "trust", "add", str(key)], check=True, capture_output=True)
    command = [*runtime, "score", str(source), "--bundle", str(machines.path), "-o"]
    subprocess.run([*command, str(tmp_path / "whole.csv")], check=True, capture_output=True)
    counted = rows_counted(machines, state)
    out, killed = tmp_path / "out.csv", 0
    for wait in np.linspace(0.25, 0.8, 8):
        process = subprocess.Popen([*command, str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        os.kill(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if out.exists():
            break
    if not out.exists():
        subprocess.run([*command, str(out)], check=True, capture_output=True)
    assert killed > 0
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert rows_counted(machines, state) == 2 * counted


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("in.csv", "in.csv", "is the input itself"),
        ("in.csv", "nowhere/out.csv", "is not there; make it first"),
        ("in.csv", "out.xlsx", "must end in .csv, .jsonl or .parquet"),
        ("in.csv", ".", "is a folder"),
        ("none.csv", "out.csv", "none.csv"),
    ],
)
def test_what_cannot_be_written_or_read_is_told(
    machines: Bundle, tmp_path: Path, source: str, target: str, words: str
) -> None:
    (tmp_path / "in.csv").write_text(table(10))
    with pytest.raises(InputError, match=words):
        score(machines, tmp_path, tmp_path / source, tmp_path / target)
    assert (tmp_path / "in.csv").read_text() == table(10)


def test_a_full_disk_is_told_and_the_next_run_goes_on(
    machines: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(table(60_000))
    monkeypatch.setattr(run_module, "COMMIT_SECONDS", 0)
    real, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"No space left on device.*run the same command again"):
        score(machines, tmp_path, source, target)
    assert not target.exists()
    monkeypatch.setattr(os, "fsync", real)
    summary = score(machines, tmp_path, source, target)
    assert summary.resumed_at > 0
    assert rows_counted(machines, tmp_path) == 60_000

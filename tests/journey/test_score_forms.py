"""`hakobu-run score` in all its forms, as a user runs it: pipes, folders, packed files, a terminal, a kill."""

import csv
import gzip
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]

HEADER = "id,when,load,shifts,hot,line,maker\n"


def table(rows: int, line: str = "A") -> str:
    return HEADER + "".join(f"{row},2026-01-05T10:00,{40 + row % 30}.5,2,true,{line},maker 1\n" for row in range(rows))


def piped(state: Path, *words: object, content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run `hakobu-run score` with `content` on stdin."""
    command = [sys.executable, "-m", "hakobu_runtime", "--state", str(state), "score", *map(str, words)]
    return subprocess.run(command, input=content, capture_output=True, timeout=60)


def rows_counted(hakobu_run: Command, state: Path) -> int:
    counted = json.loads(hakobu_run("--state", state, "status", "--json").stdout)["counted"]
    return sum(found["rows"] for found in counted)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_scores_go_through_a_pipe_and_the_summary_beside_it(
    own_device: Path, hakobu_run: Command, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(table(50))
    hakobu_run("--state", own_device, "score", tmp_path / "in.csv", "-o", tmp_path / "whole.csv")
    for flags in ((), ("--json",)):
        ended = piped(own_device, "-", "-o", "-", *flags, content=table(50).encode())
        assert ended.returncode == 0
        assert ended.stdout == (tmp_path / "whole.csv").read_bytes()
        words = ended.stderr.decode()
        assert json.loads(words)["rows"] == 50 if flags else words.startswith("stdout: 50 rows in")
    rows = [{"id": "7", "when": "2026-01-05", "load": 1e9, "shifts": 2, "hot": True, "line": "A", "maker": "maker 1"}]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    ended = piped(
        own_device, "-", "--format", "jsonl", "-o", "-", "--to", "jsonl", "--columns", "load", content=content
    )
    assert json.loads(ended.stdout)["load"] == "1000000000"
    ended = piped(own_device, "-", "-o", tmp_path / "out.parquet", content=table(5).encode())
    assert ended.returncode == 0
    assert (tmp_path / "out.parquet").read_bytes().startswith(b"PAR1")
    assert rows_counted(hakobu_run, own_device) == 50 + 100 + 1 + 5


def test_a_bad_pipe_is_told_on_stderr_alone(own_device: Path) -> None:
    for words, content, code, told in (
        (("-", "-o", "-"), b"", 6, "stdin: the file is empty"),
        (("-", "-o", "-"), gzip.compress(b"x"), 6, "stdin: this file is compressed with gzip"),
        (("-", "-o", "-", "--format", "parquet"), b"junk" * 9, 6, "stdin: this is no sound Parquet file"),
        (("-", "-o", "-", "--to", "parquet"), b"", 2, "Parquet cannot be written to stdout"),
        (("-", "in.csv", "-o", "-"), b"", 2, "stdin and stdout take one table"),
    ):
        ended = piped(own_device, *words, content=content)
        assert (ended.returncode, ended.stdout) == (code, b""), ended.stderr
        assert told in ended.stderr.decode()
        assert len(ended.stderr.splitlines()) == 1


def test_a_reader_that_has_seen_enough_ends_it_quietly(own_device: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(200_000))
    command = [sys.executable, "-m", "hakobu_runtime", "--state", str(own_device), "score", str(tmp_path / "in.csv")]
    with subprocess.Popen([*command, "-o", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"id,prediction,p_no,p_yes,verdict,reasons\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_a_stdout_that_is_full_is_told(own_device: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(10))
    command = [sys.executable, "-m", "hakobu_runtime", "--state", str(own_device), "score", str(tmp_path / "in.csv")]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([*command, "-o", "-"], stdout=full, stderr=subprocess.PIPE, timeout=30)
    assert ended.returncode == 6
    assert b"stdout: cannot be written: No space left on device" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_many_files_and_folders_at_once(own_device: Path, hakobu_run: Command, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "a.csv").write_text(table(10))
    (tmp_path / "in" / "b.csv.gz").write_bytes(gzip.compress(table(20, "Z").encode()))
    (tmp_path / "in" / "c.csv").write_text("junk\n")
    (tmp_path / "in" / "notes.pdf").touch()
    words = ("score", tmp_path / "a.csv", tmp_path / "in", "-o", tmp_path / "out", "--only-problems", tmp_path / "mend")
    ended = hakobu_run("--state", own_device, *words)
    assert ended.returncode == 6
    assert "Traceback" not in ended.stderr
    told = ended.stderr.splitlines()
    assert len(told) == 3
    assert "notes.pdf: is left alone" in told[0]
    assert "hakobu-run: error: " in told[1]
    assert f"{tmp_path}/in/c.csv: 7 columns are missing" in told[1] or "columns are missing" in told[1]
    assert "1 of 3 files could not be scored" in told[2]
    lines = [line for line in ended.stdout.splitlines() if not line.startswith("  ")]
    assert lines[0].startswith(f"{tmp_path}/out/a.csv: 10 rows in")
    assert lines[1].startswith(f"{tmp_path}/out/b.csv: 20 rows in")
    assert lines[2].startswith("total: 2 files, 30 rows in")
    assert lines[2].endswith("10 ok, 20 rejected; 1 failed")
    assert [problem["column"] for problem in read(tmp_path / "mend" / "b.csv")] == ["line"] * 20
    (tmp_path / "in" / "c.csv").write_text(table(7))
    found = json.loads(hakobu_run("--state", own_device, *words, "--json").stdout)
    assert found["schema"] == "hakobu.score-all/1"
    assert [(file["rows"], file["resumed_at"]) for file in found["files"]] == [(10, 10), (20, 20), (7, 0)]
    assert (found["rows"], found["failed"], rows_counted(hakobu_run, own_device)) == (37, [], 37)


def test_outputs_of_one_name_are_refused_before_anything_starts(
    own_device: Path, hakobu_run: Command, refused: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.csv", "in/a.csv"):
        (tmp_path / name).write_text(table(3))
    ended = hakobu_run("--state", own_device, "score", tmp_path / "a.csv", tmp_path / "in", "-o", tmp_path / "out")
    refused(ended, 6, "both would be written; rename one")
    assert not (tmp_path / "out").exists()
    assert rows_counted(hakobu_run, own_device) == 0


def test_a_packed_file_that_was_cut_off_names_itself(
    own_device: Path, hakobu_run: Command, refused: Callable[..., None], tmp_path: Path
) -> None:
    path = tmp_path / "in.csv.gz"
    path.write_bytes(gzip.compress(table(500).encode())[:-9])
    ended = hakobu_run("--state", own_device, "score", path, "-o", tmp_path / "out.csv")
    refused(ended, 6, path, "row 501: the gzip file ends too early", "fetch it again")
    assert not (tmp_path / "out.csv").exists()


def test_a_change_since_a_kill_is_told(own_device: Path, hakobu_run: Command, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(table(1_500_000))
    command = [sys.executable, "-m", "hakobu_runtime", "--state", str(own_device), "score", str(source), "-o"]
    with subprocess.Popen([*command, str(target)], stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 30
        while not rows_counted(hakobu_run, own_device) and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    counted = rows_counted(hakobu_run, own_device)
    assert 0 < counted < 1_500_000
    source.write_text(table(100))
    ended = hakobu_run("--state", own_device, "score", source, "-o", target, "--json")
    assert (ended.returncode, json.loads(ended.stdout)["resumed_at"]) == (0, 0)
    assert ended.stderr == (
        f"hakobu-run: {target}: the input has changed since {counted:,} rows were scored into it, so all are scored "
        "anew; those rows stay counted, too\n"
    )
    assert rows_counted(hakobu_run, own_device) == counted + 100


def test_a_terminal_shows_rows_pace_and_time_left(own_device: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(300_000))
    command = [sys.executable, "-m", "hakobu_runtime", "--state", str(own_device), "score", str(tmp_path / "in.csv")]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*command, "-o", str(tmp_path / "out.csv")], stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:
            pass  # Linux says so that nobody holds the other end any more
        assert process.stdout is not None
        assert b"300,000 rows" in process.stdout.read()
    os.close(ours)
    assert re.search(r"scoring  \[#*-*\] +\d+%  [\d,]+ rows, [\d,]+ rows/s, \d+:\d\d left", shown.decode())


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--columns", "a,,b"), "holds an empty name"),
        (("--columns", ""), "holds an empty name"),
        (("--columns", '"a'), "no list of names"),
        (("--columns", "verdict"), "scoring writes a column of that name"),
        (("--to", "xlsx"), "'jsonl'"),
    ],
)
def test_flags_that_make_no_sense_end_with_2(
    flags: tuple[str, ...], told: str, own_device: Path, hakobu_run: Command, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(table(3))
    ended = hakobu_run("--state", own_device, "score", tmp_path / "in.csv", "-o", tmp_path / "out.csv", *flags)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_name_with_a_comma_stands_in_quotes(own_device: Path, hakobu_run: Command, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(3).replace("maker\n", 'maker,"x,y"\n').replace("maker 1\n", "maker 1,z\n"))
    words = ("score", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--columns", '"x,y",load')
    assert hakobu_run("--state", own_device, *words).returncode == 0
    assert [row["x,y"] for row in read(tmp_path / "out.csv")] == ["z"] * 3

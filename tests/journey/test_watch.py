"""`hakobu-run watch` as a PC on a line uses it: files come, are scored once, and are moved."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hakobu_runtime.device import run as run_module
from hakobu_runtime.device.state import open_state
from hakobu_runtime.device.stop import Stop
from hakobu_runtime.device.watch import Handled, Watch, keep_watching, open_watch, watch_once
from hakobu_runtime.errors import InputError, StateError
from hakobu_runtime.journal import Journal

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]
NEEDS_SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
HEADER = "id,when,load,shifts,hot,line,maker\n"


def table(rows: int, line: str = "A") -> str:
    return HEADER + "".join(
        f"{row},2026-01-05T{row % 24:02d}:00,{row % 60},2,1,{line},maker 1\n" for row in range(rows)
    )


@pytest.fixture
def state(own_device: Path) -> Path:
    return own_device


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def rows_counted(state: Path) -> int:
    with Journal.open(state / "journal.sqlite") as journal:
        return sum(journal.total(model).rows for model in journal.models())


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def nobody(words: str) -> None:
    raise AssertionError(words)


def quick(state: Path, inbox: Path, scored: Path | None = None) -> Watch:
    return open_watch(state, inbox, scored, model=None, every=0.05, settle=0.0)


def once(state: Path, inbox: Path, stop: Stop | None = None) -> list[Handled]:
    told: list[Handled] = []
    watch_once(quick(state, inbox), told.append, nobody, stop or Stop())
    return told


def test_each_file_is_scored_and_moved_and_a_bad_one_set_apart_with_the_reason(
    hakobu_run: Command, state: Path, inbox: Path
) -> None:
    (inbox / "a.csv").write_text(table(30))
    rows = [{"id": row, "load": 1, "shifts": 2, "hot": True, "line": "A", "maker": "m", "when": ""} for row in range(5)]
    (inbox / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (inbox / "c d.csv").write_text("no,such,columns\n1,2,3\n")
    (inbox / "e.csv.partial").write_text("half")
    ended = hakobu_run("--state", state, "watch", inbox, "--once", "--settle", "0.1", "--json")
    assert ended.returncode == 6
    assert ended.stderr.startswith("hakobu-run: error: ")
    assert "1 of 3 files cannot be scored" in ended.stderr
    told = {found["file"]: found for found in map(json.loads, ended.stdout.splitlines())}
    assert (told["a.csv"]["rows"], told["b.jsonl"]["rows"]) == (30, 5)
    assert told["c d.csv"]["error"] == (inbox / "failed" / "c d.csv.error.txt").read_text().strip()
    assert f"{inbox / 'c d.csv'}: 6 columns are missing" in told["c d.csv"]["error"]
    assert tree(inbox) == {
        "done/a.csv", "done/b.jsonl", "e.csv.partial", "failed/c d.csv", "failed/c d.csv.error.txt",
        "scored/a.csv", "scored/b.csv",
    }  # fmt: skip
    assert (inbox / "scored" / "a.csv").read_text().splitlines()[0] == "id,prediction,p_no,p_yes,verdict,reasons"
    assert rows_counted(state) == 35


def test_an_empty_folder_is_done_at_once(hakobu_run: Command, state: Path, inbox: Path) -> None:
    ended = hakobu_run("--state", state, "watch", inbox, "--once")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert tree(inbox) == set()


def test_output_goes_where_it_is_told_to(hakobu_run: Command, state: Path, inbox: Path, tmp_path: Path) -> None:
    (inbox / "在庫 一覧.csv").write_text(table(3))
    out = tmp_path / "出力 folder"
    ended = hakobu_run("--state", state, "watch", inbox, "--once", "--settle", "0", "-o", out)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == 1
    assert "在庫 一覧.csv: 3 rows" in ended.stdout
    assert tree(out) == {"在庫 一覧.csv"}
    assert tree(inbox) == {"done/在庫 一覧.csv"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [(["nowhere"], 6, "there is no such folder"), (["inbox", "-o", "inbox"], 2, "would come back as input")],
)
def test_a_watch_that_makes_no_sense_is_refused(
    hakobu_run: Command,
    refused: Callable[..., None],
    state: Path,
    inbox: Path,
    words: list[str],
    code: int,
    said: str,
) -> None:
    found = [word if word.startswith("-") else str(inbox.parent / word) for word in words]
    refused(hakobu_run("--state", state, "watch", *found, "--once"), code, said)


class Watching:
    """A running watch."""

    def __init__(self, state: Path, inbox: Path, *more: str) -> None:
        command = [sys.executable, "-m", "hakobu_runtime", "--state", str(state), "watch", str(inbox)]
        quickly = ["--every", "0.05", "--settle", "0.2", *more]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*command, *quickly], stdout=pipe, stderr=pipe, text=True)

    def end(self, number: int) -> tuple[int, str, str]:
        """Send a signal and return the exit code and what was said."""
        self.process.send_signal(number)
        said = self.process.communicate(timeout=30)
        return self.process.returncode, *said


Start = Callable[..., Watching]


@pytest.fixture
def start() -> Iterator[Start]:
    begun: list[Watching] = []

    def begin(state: Path, inbox: Path, *more: str) -> Watching:
        begun.append(Watching(state, inbox, *more))
        return begun[-1]

    yield begin
    for watching in begun:
        if watching.process.poll() is None:
            watching.process.kill()
            watching.process.communicate()


def wait_for(there: Callable[[], object]) -> None:
    latest = time.monotonic() + 20
    while not there():
        assert time.monotonic() < latest, "it never came"
        time.sleep(0.02)


@NEEDS_SIGNALS
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_files_are_scored_as_they_come_and_a_growing_one_when_it_is_whole(
    start: Start, state: Path, inbox: Path, number: int, code: int
) -> None:
    watching = start(state, inbox)
    (inbox / "first.csv").write_text(table(10))
    wait_for((inbox / "done" / "first.csv").exists)
    with (inbox / "growing.csv").open("w") as file:
        for line in table(20).splitlines(keepends=True):
            file.write(line)
            file.flush()
            time.sleep(0.03)  # slower in all than a file takes to settle
    wait_for((inbox / "done" / "growing.csv").exists)
    wait_for(lambda: rows_counted(state) == 30)
    ended, out, said = watching.end(number)
    assert (ended, said) == (code, "")
    assert [line.split(" rows")[0] for line in out.splitlines()] == ["first.csv: 10", "growing.csv: 20"]
    assert len((inbox / "scored" / "growing.csv").read_text().splitlines()) == 21


@NEEDS_SIGNALS
def test_a_second_watch_is_refused_and_one_after_a_kill_is_not(
    start: Start, hakobu_run: Command, refused: Callable[..., None], state: Path, inbox: Path
) -> None:
    watching = start(state, inbox)
    (inbox / "a.csv").write_text(table(1))
    wait_for((inbox / "done" / "a.csv").exists)
    refused(hakobu_run("--state", state, "watch", inbox, "--once"), 8, inbox, "cannot be watched", "another hakobu")
    watching.end(signal.SIGKILL)
    assert hakobu_run("--state", state, "watch", inbox, "--once").returncode == 0


@NEEDS_SIGNALS
def test_kills_at_any_moment_lose_and_double_nothing(
    start: Start, hakobu_run: Command, state: Path, inbox: Path, tmp_path: Path
) -> None:
    files = {f"{number}.csv": table(6_000 * number) for number in (1, 4, 8)}
    for name, content in files.items():
        (inbox / name).write_text(content)
    chance, kills = random.Random(7), 0
    while len(tree(inbox / "scored") & files.keys()) < 3 and kills < 12:
        watching = start(state, inbox, "--settle", "0")
        time.sleep(0.25 + chance.random() / 3)
        watching.end(signal.SIGKILL)
        kills += 1
    ended = hakobu_run("--state", state, "watch", inbox, "--once", "--settle", "0")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert kills > 1
    assert tree(inbox) - {".hakobu-watch.lock"} == {
        f"{folder}/{name}" for folder in ("done", "scored") for name in files
    }
    assert rows_counted(state) == sum(content.count("\n") - 1 for content in files.values())
    whole = tmp_path / "whole.csv"
    assert hakobu_run("--state", state, "score", inbox / "done" / "8.csv", "-o", whole).returncode == 0
    assert whole.read_bytes() == (inbox / "scored" / "8.csv").read_bytes()


class CrashError(Exception):
    """A power cut."""


def test_a_crash_between_scoring_and_moving_counts_no_row_twice(
    state: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(journal: Journal, key: str) -> None:
        raise CrashError

    (inbox / "a.csv").write_text(table(40))
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "finish", crash)
        with pytest.raises(CrashError):
            once(state, inbox)
    (inbox / "scored" / "a.csv").write_text("somebody else's")
    (inbox / "a.csv").write_text(table(2))  # another one of the same name has come meanwhile
    old, new = once(state, inbox)
    assert (old.summary, old.output) == (None, inbox / "scored" / "a-2.csv")
    assert old.words().startswith("a.csv: was scored before")
    assert (inbox / "scored" / "a.csv").read_text() == "somebody else's"
    assert (new.source.name, new.output) == ("a-2.csv", inbox / "scored" / "a-3.csv")
    assert rows_counted(state) == 42


def test_the_end_is_heeded_between_two_blocks_and_the_file_gone_on_with(
    state: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "COMMIT_SECONDS", 0)
    (inbox / "a.csv").write_text(table(60_000))

    class StopAfterABlock(Stop):
        def check(self) -> None:
            if (inbox / "working").exists():
                self.asked = True
            super().check()

    assert once(state, inbox, StopAfterABlock()) == []
    assert 0 < rows_counted(state) < 60_000
    (handled,) = once(state, inbox)
    assert handled.summary is not None
    assert 0 < handled.summary.resumed_at < handled.summary.rows == 60_000 == rows_counted(state)


@pytest.mark.skipif(sys.platform != "linux", reason="knows the file by /proc")
def test_a_full_disk_is_no_fault_of_the_file(state: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (inbox / "a.csv").write_text(table(10))
    real, times = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal times
        if ".csv.partial" in str(Path(f"/proc/self/fd/{descriptor}").resolve()):
            times += 1
            if times <= 3:
                raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    stop, warned, told = Stop(), list[str](), list[Handled]()

    def tell(handled: Handled) -> None:
        told.append(handled)
        stop.asked = True

    keep_watching(quick(state, inbox), tell, warned.append, stop)
    assert times > 3
    assert len(warned) == 1  # the same trouble is told once
    assert "No space left on device" in warned[0]
    assert (told[0].error, rows_counted(state)) == ("", 10)
    assert tree(inbox) == {"done/a.csv", "scored/a.csv"}


def test_a_file_that_is_written_while_it_is_scored_is_not_passed_off_as_whole(
    state: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.csv").write_text(table(10))
    real = Journal.finish

    def append(journal: Journal, key: str) -> None:
        (written,) = (inbox / "working").glob("*/a.csv")
        with written.open("a") as file:
            file.write("11,2026-01-05T00:00,1,2,1,A,maker 1\n")
        real(journal, key)

    monkeypatch.setattr(Journal, "finish", append)
    with pytest.raises(InputError, match="1 of 1 files"):
        once(state, inbox)
    assert "was still being written" in (inbox / "failed" / "a.csv.error.txt").read_text()
    assert tree(inbox) == {"failed/a.csv", "failed/a.csv.error.txt"}


def test_a_model_that_is_gone_lets_the_files_wait(state: Path, inbox: Path) -> None:
    (inbox / "a.csv").write_text(table(1))
    stop, told = Stop(), list[Handled]()

    def tell(handled: Handled) -> None:
        told.append(handled)
        (state / "slots.sqlite").unlink()  # as if the model were being taken away
        for log in ("-wal", "-shm"):
            (state / f"slots.sqlite{log}").unlink(missing_ok=True)
        (inbox / "b.csv").write_text(table(1))

    warned: list[str] = []

    def warn(words: str) -> None:
        warned.append(words)
        stop.asked = True

    keep_watching(quick(state, inbox), tell, warn, stop)
    assert [handled.name for handled in told] == ["a.csv"]
    assert "no model is installed" in warned[0]
    assert not (inbox / "failed").exists()


def test_without_a_model_a_watch_does_not_begin(tmp_path: Path, inbox: Path) -> None:
    open_state(tmp_path / "empty")
    with pytest.raises(StateError, match="no model is installed"):
        quick(tmp_path / "empty", inbox)

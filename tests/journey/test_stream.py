"""`hakobu-run stream` as a program uses it: a process that stays open, a line in, a line out."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Timer

import pytest

from hakobu_runtime.journal import Journal

ROW = {"id": "7", "load": 60, "shifts": 2, "hot": True, "line": "A", "maker": "maker 1", "when": "2026-01-05T10:00"}
STRANGE = {**ROW, "line": "Z", "load": "abc"}
NEEDS_SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


class Streaming:
    """A running stream: what is sent is answered at once, or the test fails within seconds."""

    def __init__(self, state: Path, *more: str) -> None:
        self.state = state
        command = [sys.executable, "-m", "hakobu_runtime", "--state", str(state), "stream", *more]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
        assert self.process.stdin
        assert self.process.stdout
        self.inlet, self.outlet = self.process.stdin, self.process.stdout
        self._watchdog = Timer(20, self.process.kill)
        self._watchdog.start()

    def send(self, *lines: bytes) -> None:
        self.inlet.write(b"\n".join(lines) + b"\n")
        self.inlet.flush()

    def ask(self, line: bytes | dict[str, object]) -> dict[str, object]:
        self.send(line if isinstance(line, bytes) else json.dumps(line).encode())
        found: dict[str, object] = json.loads(self.outlet.readline())
        return found

    def end(self) -> tuple[int, str]:
        """Close stdin and return the exit code and what was said on stderr; nothing may be left to answer."""
        rest, said = self.process.communicate(timeout=30)
        assert rest == b""
        return self.process.returncode, said.decode()

    def close(self) -> None:
        self._watchdog.cancel()
        if self.process.poll() is None:
            self.process.kill()
        for pipe in (self.inlet, self.outlet, self.process.stderr):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        self.process.wait()

    def counted(self) -> int:
        return rows_counted(self.state)


def rows_counted(state: Path) -> int:
    with Journal.open(state / "journal.sqlite") as journal:
        return sum(journal.total(model).rows for model in journal.models())


Start = Callable[..., Streaming]


@pytest.fixture
def start(own_device: Path) -> Iterator[Start]:
    begun: list[Streaming] = []

    def begin(*more: str) -> Streaming:
        begun.append(Streaming(own_device, *more))
        return begun[-1]

    yield begin
    for streaming in begun:
        streaming.close()


def test_each_line_is_answered_before_the_next_is_sent_and_all_rows_are_counted_at_the_end(start: Start) -> None:
    streaming = start()
    for number in range(50):
        answer = streaming.ask({**ROW, "id": str(number)})
        assert list(answer) == ["id", "prediction", "p_no", "p_yes", "verdict", "reasons"]
        assert (answer["id"], answer["verdict"], answer["reasons"]) == (str(number), "ok", [])
    assert streaming.end() == (0, "")
    assert streaming.counted() == 50


def test_an_answer_is_the_row_that_score_writes_but_for_the_list_of_reasons(
    start: Start, tmp_path: Path, hakobu_run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    rows = [ROW, STRANGE, {**ROW, "load": None, "hot": "maybe"}, {**ROW, "id": "ä 運", "shifts": 99}]
    streaming = start()
    answers = [streaming.ask(row) for row in rows]
    table, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert hakobu_run("--state", streaming.state, "score", table, "-o", out).returncode == 0
    scored = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    joined = [{**answer, "reasons": "; ".join(map(str, answer["reasons"]))} for answer in answers]  # type: ignore[call-overload]
    assert [{**row, "reasons": row["reasons"] or ""} for row in scored] == joined
    assert any(row["verdict"] != "ok" for row in scored)


BAD = {
    b"{": "no JSON",
    b'{"id": "8"': "Expecting ',' delimiter at character 11",
    b"[1]": "a list, not an object",
    b"null": "null, not an object",
    b"{}": "columns are missing",
    b'{"a": "' + b"x" * (1 << 20) + b'"}': "longer than 1 MB",
    b'{"a": "' + b"x" * (5 << 20) + b'"}': "longer than 1 MB",
    b'{"a": "\xff"}': "not in UTF-8",
    b"[" * 100_000: "nested too deeply",
    b'{"load": ' + b"9" * 5000 + b"}": "too many digits",
}


def test_a_bad_line_answers_with_an_error_and_the_next_is_scored(start: Start) -> None:
    streaming = start()
    for line, words in BAD.items():
        assert words in str(streaming.ask(line)["error"])
        assert streaming.ask(ROW)["verdict"] == "ok"
    assert streaming.end() == (0, "")
    assert streaming.counted() == len(BAD)


def test_a_missing_column_is_named_with_the_id_of_its_row(start: Start) -> None:
    answer = start().ask({name: cell for name, cell in ROW.items() if name != "load"})
    assert answer["id"] == "7"
    assert "column 'load' is missing" in str(answer["error"])


def test_a_row_without_ids_is_told_by_its_number_and_blank_lines_are_none(start: Start) -> None:
    streaming = start()
    anonymous = {name: cell for name, cell in ROW.items() if name != "id"}
    streaming.send(b"", b"  \t", b"\r")
    assert streaming.ask(anonymous)["row"] == 1
    assert streaming.ask(b"{")["row"] == 2
    assert streaming.ask(anonymous)["row"] == 3
    assert streaming.end() == (0, "")


def test_any_id_comes_back_as_json(start: Start) -> None:
    streaming = start()
    for given in (7, 7.5, True, None, "7", 10**40):
        assert streaming.ask({**ROW, "id": given})["id"] == given
    for strange in ("\ud800", [7], float("nan")):
        assert streaming.ask({**ROW, "id": strange})["verdict"] == "ok"


def test_a_last_line_without_an_end_and_a_byte_order_mark_are_fine(start: Start) -> None:
    streaming = start()
    assert streaming.ask(b"\xef\xbb\xbf" + json.dumps(ROW).encode() + b"\r")["verdict"] == "ok"
    streaming.inlet.write(json.dumps(ROW).encode())
    streaming.inlet.close()
    assert json.loads(streaming.outlet.read())["verdict"] == "ok"
    assert streaming.process.wait(30) == 0
    assert streaming.counted() == 2


def test_counts_reach_the_journal_within_a_second_or_so_while_the_stream_stays_open(start: Start) -> None:
    streaming = start()
    streaming.ask(ROW)
    streaming.ask(STRANGE)
    latest = time.monotonic() + 10
    while streaming.counted() < 2 and time.monotonic() < latest:
        time.sleep(0.1)
    assert streaming.counted() == 2


@NEEDS_SIGNALS
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 0), ("SIGHUP", 0), ("SIGINT", 130)])
def test_a_signal_ends_the_stream_in_order_with_all_counts(start: Start, name: str, code: int) -> None:
    streaming = start()
    for _ in range(20):
        streaming.ask(ROW)
    streaming.process.send_signal(getattr(signal, name))
    assert streaming.process.wait(30) == code
    assert streaming.process.stderr is not None
    assert streaming.process.stderr.read() == b""
    assert streaming.counted() == 20


@NEEDS_SIGNALS
def test_a_kill_costs_at_most_the_counts_of_1024_rows(start: Start, tiny_box: Path) -> None:
    """Of a model whose ordinary rows and strange rows are counted in two places."""
    streaming = start("--bundle", str(tiny_box))
    lines = b'{"temp": 3, "load": 1}', b'{"temp": 9, "load": 1}'
    for _ in range(60):
        streaming.send(*lines * 50)
        for _ in range(100):
            streaming.outlet.readline()
    os.kill(streaming.process.pid, signal.SIGKILL)
    streaming.process.wait()
    assert 6000 - 1024 <= streaming.counted() <= 6000


@NEEDS_SIGNALS
def test_a_reader_that_goes_away_ends_the_stream_quietly(start: Start) -> None:
    streaming = start()
    streaming.ask(ROW)
    streaming.outlet.close()
    streaming.send(json.dumps(ROW).encode())
    assert streaming.process.wait(30) == 0
    assert streaming.process.stderr is not None
    assert streaming.process.stderr.read() == b""
    assert streaming.counted() == 2


def test_without_a_model_one_line_says_so(
    tmp_path: Path,
    hakobu_run: Callable[..., subprocess.CompletedProcess[str]],
    refused: Callable[..., None],
) -> None:
    refused(hakobu_run("--state", tmp_path / "empty", "stream"), 8, "no model is installed")


def test_a_bundle_is_scored_without_being_installed(start: Start, machines_box: Path) -> None:
    assert start("--bundle", str(machines_box)).ask(ROW)["verdict"] == "ok"

"""The progress bar: rows, pace and time left on a terminal, and nothing elsewhere."""

import io
from types import SimpleNamespace

import pytest

from hakobu_runtime.console import progress as module
from hakobu_runtime.console.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal()
    monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=found))
    monkeypatch.setenv("COLUMNS", "120")
    return found


def last(terminal: Terminal) -> str:
    return terminal.getvalue().split("\r\033[K")[-1].rstrip("\n")


def test_rows_pace_and_time_left_are_shown(terminal: Terminal, clock: list[float]) -> None:
    with Progress("scoring", 1) as progress:
        for second in range(5):
            clock[0] += 1
            progress.share(1_000 * (second + 1), 65_000, 20_000 * (second + 1))
    assert last(terminal) == "scoring  [" + "#" + "-" * 15 + "]   8%  100,000 rows, 20,000 rows/s, 1:00 left"


def test_a_jump_over_what_an_earlier_run_did_is_soon_forgotten(terminal: Terminal, clock: list[float]) -> None:
    with Progress("scoring", 1) as progress:
        progress.share(0, 10**9, 0)
        for second in range(30):
            clock[0] += 1
            progress.share(500_000 + second * 1000, 10**9, 50_000 + second * 100)
    assert "100 rows/s" in last(terminal)


def test_of_a_pipe_nobody_knows_the_end(terminal: Terminal, clock: list[float]) -> None:
    with Progress("scoring", 1) as progress:
        for rows in (100, 300):
            clock[0] += 1
            progress.share(rows * 10, None, rows)
    assert last(terminal) == "scoring  300 rows, 200 rows/s"


def test_a_narrow_terminal_gets_one_line(
    terminal: Terminal, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    with Progress("scoring", 1) as progress:
        for second in (1, 2):
            clock[0] += 1
            progress.share(second * 100, 1000, second * 1_000_000)
    assert len(last(terminal)) < 40


def test_drawing_is_not_what_takes_the_time(terminal: Terminal, clock: list[float]) -> None:
    with Progress("scoring", 1) as progress:
        clock[0] += 1
        for rows in range(1000):
            progress.share(rows, 1000, rows)
    assert terminal.getvalue().count("\033[K") == 3
    assert "999 rows" in last(terminal)


def test_other_output_stands_on_a_line_of_its_own(terminal: Terminal, clock: list[float]) -> None:
    with Progress("building", 4) as progress:
        progress.reach(1, "fit")
        progress.aside(lambda words: print(words, file=terminal))("take care")
        progress.reach(2)
    assert "\r\033[Ktake care\n\r\033[Kfit  [" in terminal.getvalue()
    assert " 50%" in last(terminal)


def test_nothing_is_shown_where_nobody_looks(monkeypatch: pytest.MonkeyPatch, terminal: Terminal) -> None:
    with Progress("scoring", 1, quiet=True) as progress:
        progress.share(1, 2, 3)
        progress.reach(1)
        progress.clear()
    assert terminal.getvalue() == ""
    file = io.StringIO()
    for stderr in (file, None):
        monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=stderr))
        with Progress("scoring", 1) as progress:
            progress.share(1, 2, 3)
    assert file.getvalue() == ""

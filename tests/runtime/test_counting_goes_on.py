import json
import random
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from hakobu_runtime import load
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.counting import open_journal, set_aside_files
from hakobu_runtime.device.order import Order
from hakobu_runtime.device.run import score_file
from hakobu_runtime.device.state import State, open_state
from hakobu_runtime.device.status import device_status
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal import Progress
from hakobu_runtime.trust import Keyring

MODEL = ModelName("pump", "1.0.0", "a" * 64)
DAYS = tuple(Window(f"2026-11-{day:02d}", Span.DAY) for day in range(1, 29))
NEW = Window("2026-12-01", Span.DAY)
WIDE = 200
"""So many counts that the windows fill some pages."""

ADDER = f"""
import sys
from pathlib import Path
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.state import State
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
model, day = {MODEL!r}, Window("2026-11-01", Span.DAY)
warned = []
print("ready", flush=True)
sys.stdin.readline()
with open_journal(State(Path(sys.argv[1])), warned.append) as journal:
    for _ in range(int(sys.argv[2])):
        journal.add(model, {{day: WindowCounts(1, {{"ok": 1}})}})
print(len(warned))
"""


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path / "state")


@pytest.fixture
def warned() -> list[str]:
    return []


def counted(rows: int = 1) -> WindowCounts:
    return WindowCounts(rows, {"ok": rows}, {"temp": np.full(WIDE, rows, dtype=np.int64)})


def fill(state: State, warned: list[str]) -> None:
    with open_journal(state, warned.append) as journal:
        journal.add(MODEL, dict.fromkeys(DAYS, counted()))


def tear(state: State) -> None:
    """Overwrite every page but the first, as a disk does that loses its mind."""
    size = state.journal.stat().st_size
    with state.journal.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def spoil(state: State, start: str) -> None:
    """Flip a byte in the counts of one window."""
    with closing(sqlite3.connect(state.journal, isolation_level=None)) as connection:
        packed = bytearray(connection.execute("SELECT packed FROM windows WHERE start = ?", (start,)).fetchone()[0])
        packed[50] ^= 1
        connection.execute("UPDATE windows SET packed = ? WHERE start = ?", (bytes(packed), start))


def names(state: State) -> list[str]:
    return sorted(path.name for path in state.root.iterdir() if path.is_file())


# --- a whole file ---


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be taken for one" * 100, b"SQLite format 3\0x"]
)
def test_a_file_that_is_no_database_is_set_aside_and_counting_goes_on(
    state: State, warned: list[str], content: bytes
) -> None:
    state.journal.write_bytes(content)
    with open_journal(state, warned.append) as journal:
        journal.add(MODEL, {DAYS[0]: counted(3)})
        assert journal.total(MODEL).rows == 3
    aside = state.root / "journal.sqlite.damaged-1"
    assert names(state) == ["journal.sqlite", aside.name]
    assert aside.read_bytes() == content
    assert len(warned) == 1
    assert f"{state.journal}: is damaged (" in warned[0]
    assert "it is set aside as journal.sqlite.damaged-1, and a new one is made" in warned[0]
    assert "move it away" not in warned[0]
    assert "\n" not in warned[0]


def test_each_damaged_file_gets_a_name_of_its_own_and_status_lists_them(state: State, warned: list[str]) -> None:
    for number in range(1, 12):
        state.journal.write_bytes(b"junk" * 300 + bytes([number]))
        fill(state, warned)
    assert len(warned) == 11
    assert [path.name for path in set_aside_files(state)] == [f"journal.sqlite.damaged-{one}" for one in range(1, 12)]
    status = device_status(state, datetime.now(UTC))
    assert status.damaged[-1] == "journal.sqlite.damaged-11 was set aside; its counts are in no total"
    assert "damaged  journal.sqlite.damaged-1 was set aside" in status.words()
    assert json.dumps(status.plain()["damaged"])
    assert [found.rows for found in status.counted] == [28]


@pytest.mark.parametrize("what", ["reading", "adding", "a run"])
def test_torn_pages_are_noticed_when_they_are_needed_and_counting_goes_on(
    state: State, warned: list[str], what: str
) -> None:
    fill(state, warned)
    tear(state)
    with open_journal(state, warned.append) as journal:
        if what == "reading":
            assert journal.windows(MODEL) == {}
        elif what == "adding":
            journal.add(MODEL, {DAYS[0]: counted(3)})
        else:
            assert journal.progress("run") is None
        journal.add(MODEL, {DAYS[1]: counted(2)})
        assert journal.total(MODEL).rows == (5 if what == "adding" else 2)
    assert len(warned) == 1
    assert len(set_aside_files(state)) == 1


def test_a_run_goes_on_when_its_journal_is_damaged_half_way(state: State, warned: list[str]) -> None:
    with open_journal(state, warned.append) as journal:
        journal.checkpoint("run", Progress(4, 40, 400), MODEL, dict.fromkeys(DAYS[:4], counted()))
    tear(state)
    with open_journal(state, warned.append) as journal:
        journal.checkpoint("run", Progress(6, 60, 600), MODEL, {DAYS[5]: counted(2)})
        journal.checkpoint("run", Progress(9, 90, 900), MODEL, {DAYS[5]: counted(3)})
        assert journal.progress("run") == Progress(9, 90, 900)
        assert journal.total(MODEL).rows == 5
        with pytest.raises(StateError, match="another hakobu scores it"):
            journal.checkpoint("run", Progress(9, 90, 900), MODEL, {DAYS[5]: counted(3)})


def test_logs_go_with_their_file(state: State, warned: list[str]) -> None:
    fill(state, warned)
    with closing(sqlite3.connect(state.journal, isolation_level=None)) as other:
        other.execute("UPDATE runs SET idle = 0")
        tear(state)
        fill(state, warned)
        aside = [f"journal.sqlite.damaged-1{end}" for end in ("", "-shm", "-wal")]
        assert names(state) == ["journal.sqlite", *aside]
    fill(state, warned)
    assert len(warned) == 1


def test_random_damage_never_ends_counting(state: State, warned: list[str]) -> None:
    fill(state, warned)
    whole, rng = state.journal.read_bytes(), random.Random(1)
    for _ in range(60):
        bad = bytearray(whole)
        for _ in range(30):
            bad[rng.randrange(100, len(bad))] ^= 1 << rng.randrange(8)  # the header says what program wrote it
        state.journal.write_bytes(bad)
        with open_journal(state, warned.append) as journal:
            journal.add(MODEL, {DAYS[0]: counted(5)})
            for day, counts in journal.windows(MODEL).items():  # none of them when only this came upon the damage
                assert counts.rows in ((5, 6) if day == DAYS[0] else (1,))
            journal.add(MODEL, {NEW: counted(7)})
            assert journal.windows(MODEL)[NEW].rows == 7
    assert len(warned) > 20


# --- what is no damage ---


def test_a_locked_journal_is_not_set_aside(state: State, warned: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hakobu_runtime.device.counting.PATIENCE", 0.1)
    fill(state, warned)
    with closing(sqlite3.connect(state.journal, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with open_journal(state, warned.append) as journal, pytest.raises(StateError, match="keeps it locked"):
            journal.add(MODEL, {DAYS[0]: counted()})
        other.execute("ROLLBACK")
    assert (warned, set_aside_files(state)) == ([], ())


def test_a_newer_journal_or_one_of_another_program_is_not_set_aside(state: State, warned: list[str]) -> None:
    fill(state, warned)
    for version, words in ((99, "newer version of hakobu"), (0, "another program")):
        with closing(sqlite3.connect(state.journal)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        with pytest.raises(StateError, match=words):
            open_journal(state, warned.append)
    assert (warned, set_aside_files(state)) == ([], ())


def test_a_full_disk_sets_nothing_aside(state: State, warned: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fill(state, warned)
    connect = sqlite3.connect

    def small(file: Path, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(file, **options)  # type: ignore[call-overload]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    wide = WindowCounts(1, {"ok": 1}, {"temp": np.zeros(9_000, dtype=np.int64)})
    with open_journal(state, warned.append) as journal, pytest.raises(StateError, match="disk is full"):
        journal.add(MODEL, {Window("2026-12-01", Span.DAY): wide})
    assert (warned, set_aside_files(state)) == ([], ())


def test_a_file_that_cannot_be_moved_is_told_with_a_remedy(
    state: State, warned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state.journal.write_bytes(b"junk" * 300)

    def held(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", held)
    with pytest.raises(
        StateError, match=r"damaged and cannot be moved away: Permission denied; end the other programs"
    ):
        open_journal(state, warned.append)
    assert warned == []


# --- one window ---


@pytest.mark.parametrize("how", ["read", "add", "fold"])
def test_a_damaged_window_alone_is_set_aside(state: State, warned: list[str], how: str) -> None:
    old = Window("2020-01-05", Span.DAY)
    with open_journal(state, warned.append) as journal:
        journal.add(MODEL, {DAYS[0]: counted(), DAYS[1]: counted(), old: counted(4)})
        for _ in range(3):
            journal.add(MODEL, {DAYS[1]: counted(1)})
    spoil(state, old.start if how == "fold" else DAYS[1].start)
    with open_journal(state, warned.append) as journal:
        if how == "add":
            journal.add(MODEL, {DAYS[1]: counted(7)})
        elif how == "fold":
            with closing(sqlite3.connect(state.journal, isolation_level=None)) as other:
                other.execute("DELETE FROM upkeep")
            journal.finish("no run")
        found = {window.start: counts.rows for window, counts in journal.windows(MODEL).items()}
    expected = {
        "read": {"2020-01-05": 4, "2026-11-01": 1},
        "add": {"2020-01-05": 4, "2026-11-01": 1, "2026-11-02": 7},
        "fold": {"2026-11-01": 1, "2026-11-02": 4},
    }
    assert found == expected[how]
    assert set_aside_files(state) == ()
    start = "2020-01-05" if how == "fold" else "2026-11-02"
    words = f"the counts of pump 1.0.0 for {start} were damaged: they are set aside, and counting goes on without them"
    assert warned == [f"{state.journal}: {words}"]
    assert device_status(state, datetime.now(UTC)).damaged == (words,)


def test_a_window_that_starts_again_has_a_revision_above_the_old_one(state: State, warned: list[str]) -> None:
    revisions = [0]
    for _ in range(3):
        with open_journal(state, warned.append) as journal:
            for _ in range(3):
                journal.add(MODEL, {DAYS[0]: counted()})
            revisions.append(journal.tally("device", MODEL, DAYS[0]).revision)
        spoil(state, DAYS[0].start)
    assert revisions == sorted(set(revisions))
    assert len(warned) == 2


# --- several at once ---


def test_processes_that_find_the_damage_together_set_it_aside_once_and_lose_no_new_count(state: State) -> None:
    for attempt in range(1, 3):
        state.journal.unlink(missing_ok=True)
        fill(state, [])
        tear(state)
        command = [sys.executable, "-c", ADDER, str(state.root), "25"]
        workers = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
        ]
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        told = [int(worker.communicate("go\n", timeout=60)[0]) for worker in workers]
        assert [worker.returncode for worker in workers] == [0] * 4
        assert sum(told) == 1
        assert len(set_aside_files(state)) == attempt
        with open_journal(state, lambda words: pytest.fail(words)) as journal:
            assert journal.total(MODEL).rows == 100
    assert not (state.root / "journal.sqlite.lock").exists()


def test_a_process_that_kept_the_old_file_open_counts_into_the_new_one(state: State, warned: list[str]) -> None:
    fill(state, warned)
    with open_journal(state, warned.append) as one:
        one.add(MODEL, {DAYS[0]: counted()})
        for end in ("-wal", "-shm", ""):  # as another process does that finds it damaged
            Path(f"{state.journal}{end}").rename(state.root / f"elsewhere{end}")
        with open_journal(state, warned.append) as other:
            other.add(MODEL, {DAYS[0]: counted(2)})
            one.add(MODEL, {DAYS[0]: counted(3)})
            assert one.total(MODEL).rows == other.total(MODEL).rows == 5
    with open_journal(state, warned.append) as journal:
        assert journal.total(MODEL).rows == 5


def test_threads_that_find_the_damage_together_lose_no_new_count(state: State, warned: list[str]) -> None:
    fill(state, warned)
    with open_journal(state, warned.append) as journal:
        tear(state)

        def work() -> None:
            for _ in range(20):
                journal.add(MODEL, {DAYS[0]: counted()})

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert journal.total(MODEL).rows == 80
    assert len(warned) == 1


# --- where it is used ---


def test_a_file_is_scored_to_the_end_while_its_journal_breaks(
    machines: Bundle, state: State, warned: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hakobu_runtime.device.run.COMMIT_SECONDS", 0)
    rows = [f"{row},2026-01-0{1 + row % 9}T00:00,{row % 60},1,1,A,maker 1" for row in range(60_000)]
    source = tmp_path / "in.csv"
    source.write_text("\n".join(["id,when,load,shifts,hot,line,maker", *rows]) + "\n")
    calls = 0

    def breaking(read: int, size: int | None, done: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            with closing(sqlite3.connect(state.journal, isolation_level=None)) as other:
                other.execute("UPDATE upkeep SET day = day")  # so that what others remember of the pages is void
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            tear(state)

    with open_journal(state, warned.append) as journal:
        summary = score_file(machines, journal, Order(source, tmp_path / "out.csv"), advance=breaking)
    assert calls > 2
    assert summary.rows == 60_000
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 60_001
    assert len(warned) == len(set_aside_files(state)) == 1


def test_a_program_that_scores_goes_on_and_warns(
    machines: Bundle, keyring: Keyring, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    state.journal.write_bytes(b"junk" * 300)
    scorer = load(machines.path, trust=keyring, state=state.root)
    scorer.score_one({"load": 60.0, "shifts": 2, "hot": True, "line": "A", "maker": "maker 1", "when": "2026-01-05"})
    scorer.flush()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "it is set aside as journal.sqlite.damaged-1" in caplog.text
    assert [found.rows for found in device_status(state, datetime.now(UTC)).counted] == [1]

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hakobu_runtime.errors import FormatError, StateError
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal import Journal, Progress
from hakobu_runtime.journal.tables import STEPS

MODEL = ModelName("late-flights", "1.0.0", "a" * 64)
OTHER = ModelName("late-flights", "1.1.0", "b" * 64)
DAYS = tuple(Window(f"2026-11-{day:02d}", Span.DAY) for day in range(1, 29))

ADDER = f"""
import sys
import numpy as np
from pathlib import Path
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal import Journal, Progress
model = {MODEL!r}
days = [Window("2026-11-01", Span.DAY), Window("2026-11-02", Span.DAY)]
counts = WindowCounts(
    rows=5, verdicts={{"ok": 3, "warned": 2}}, features={{"temp": np.array([1, 2, 0, 2])}},
    breaches={{"temp": {{"missing": 2}}}},
)
path, how, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with Journal.open(path) as journal:
    for batch in range(1, times + 1):
        if how == "add":
            journal.add(model, dict.fromkeys(days, counts))
        else:
            journal.checkpoint("run", Progress(10 * batch, 100 * batch, 50 * batch), model, dict.fromkeys(days, counts))
        print(batch, flush=True)
"""
"""Adds five rows to each of two days, again and again, and says after each commit how many times it has."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path) as opened:
        yield opened


def counted(rows: int = 1, *, slot: int = 0, verdict: str = "ok") -> WindowCounts:
    """Return the counts of `rows` rows that all fall into one slot."""
    temp = np.zeros(4, dtype=np.int64)
    temp[slot] = rows
    return WindowCounts(
        rows, {verdict: rows}, {"temp": temp}, {"scores": temp[::-1].copy()}, {"temp": {"missing": rows}}
    )


def plain(counts: WindowCounts) -> dict[str, object]:
    """Return counts in a form that can be compared."""
    arrays = {name: array.tolist() for name, array in {**counts.features, **counts.outputs}.items()}
    return {"rows": counts.rows, **counts.verdicts, **arrays, **counts.breaches, "latency": counts.latency.tolist()}


def run_adder(path: Path, how: str, times: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ADDER, str(path), how, str(times)], stdout=subprocess.PIPE, text=True
    )


# --- counting ---

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(DAYS[:3]), st.integers(0, 3), st.sampled_from(["ok", "rejected"])),
    max_size=60,
)
Row = tuple[int, Window, int, str]


@given(ROWS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_equal_a_brute_force_count(tmp_path: Path, rows: list[Row]) -> None:
    with TemporaryDirectory(dir=tmp_path) as folder, Journal.open(Path(folder, "journal.sqlite")) as journal:
        for batch in range(4):
            found: dict[Window, WindowCounts] = {}
            for _, day, slot, verdict in (row for row in rows if row[0] == batch):
                found.setdefault(day, WindowCounts()).add(counted(slot=slot, verdict=verdict))
            journal.add(MODEL, found)
        windows = journal.windows(MODEL)
    assert list(windows) == sorted({day for _, day, _, _ in rows})
    for day, counts in windows.items():
        mine = [(slot, verdict) for _, when, slot, verdict in rows if when == day]
        assert counts.rows == len(mine)
        assert counts.features["temp"].tolist() == [sum(slot == one for one, _ in mine) for slot in range(4)]
        assert counts.outputs["scores"].tolist() == [sum(3 - slot == one for one, _ in mine) for slot in range(4)]
        assert counts.breaches == {"temp": {"missing": len(mine)}}
        for verdict in ("ok", "rejected"):
            assert counts.verdicts.get(verdict, 0) == sum(verdict == one for _, one in mine)


def test_a_new_journal_is_empty(journal: Journal) -> None:
    assert journal.models() == ()
    assert journal.windows(MODEL) == {}
    assert journal.total(MODEL).rows == 0
    assert journal.progress("run") is None


def test_counts_are_there_after_opening_again(path: Path) -> None:
    for rows in (3, 4):
        with Journal.open(path) as journal:
            journal.add(MODEL, {DAYS[0]: counted(rows)})
    with Journal.open(path) as journal:
        assert plain(journal.windows(MODEL)[DAYS[0]]) == plain(counted(7))


def test_models_are_kept_apart(journal: Journal) -> None:
    journal.add(MODEL, {DAYS[0]: counted(1)})
    journal.add(OTHER, {DAYS[0]: counted(2), DAYS[1]: counted(3)})
    assert journal.models() == (MODEL, OTHER)
    assert journal.total(MODEL).rows == 1
    assert journal.total(OTHER).rows == 5


def test_windows_stand_in_the_order_of_time(journal: Journal) -> None:
    hour, earlier = Window("2026-11-01T05", Span.HOUR), Window("2026-10", Span.MONTH)
    journal.add(MODEL, {DAYS[5]: counted(), hour: counted(), earlier: counted(), DAYS[0]: counted()})
    assert list(journal.windows(MODEL)) == [earlier, DAYS[0], hour, DAYS[5]]


def test_nothing_counted_leaves_no_trace(journal: Journal) -> None:
    empty = counted(0)
    journal.add(MODEL, {})
    journal.add(MODEL, {DAYS[0]: empty})
    assert journal.models() == ()
    journal.add(MODEL, {DAYS[0]: counted()})
    journal.add(MODEL, {DAYS[0]: empty})
    assert journal.tally("device", MODEL, DAYS[0]).revision == 1


def test_adding_leaves_the_added_counts_alone(journal: Journal) -> None:
    counts = counted(3)
    journal.add(MODEL, {DAYS[0]: counts})
    journal.add(MODEL, {DAYS[0]: counts})
    assert plain(counts) == plain(counted(3))


# --- refusing ---


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (WindowCounts(-1, {"ok": -1}), "rows: a count of -1"),
        (WindowCounts(1, {"ok": 2, "warned": -1}), "verdicts: a count of -1"),
        (WindowCounts(1, {"ok": 1}, {"temp": np.array([2, -1, 0, 0])}), "temp: a count of -1"),
        (WindowCounts(1, {"ok": 1}, breaches={"temp": {"missing": -1}}), "temp: a count of -1"),
        (WindowCounts(2**63, {"ok": 2**63}), "passes"),
        (WindowCounts(2, {"ok": 1}), "verdicts add up to 1, the rows are 2"),
        (WindowCounts(2**63 - 5, {"ok": 2**63 - 5}), "passes"),
        (WindowCounts(1, {"ok": 1}, {"temp": np.array([2**63 - 5, 0, 0, 0])}), "temp: the sum of the counts passes"),
        (WindowCounts(1, {"ok": 1}, {"temp": np.array([1, 0, 0])}), "temp: 3 counts cannot be added to 4"),
        (WindowCounts(1, {"ok": 1}, {"temp": np.array([1])}), "temp: 1 counts cannot be added to 4"),
        (WindowCounts(1, {"ok": 1}, {"temp": np.array([1.0, 0, 0, 0])}), "temp: counts are int64"),
    ],
)
def test_counts_that_cannot_be_are_refused_and_change_nothing(
    journal: Journal, wrong: WindowCounts, words: str
) -> None:
    journal.add(MODEL, {DAYS[1]: counted(5)})
    with pytest.raises(StateError, match=words):
        journal.add(MODEL, {DAYS[0]: counted(), DAYS[1]: wrong})
    assert list(journal.windows(MODEL)) == [DAYS[1]]
    assert plain(journal.total(MODEL)) == plain(counted(5))
    assert journal.tally("device", MODEL, DAYS[1]).revision == 1


def test_counts_may_reach_the_largest_int64_exactly(journal: Journal) -> None:
    journal.add(MODEL, {DAYS[0]: counted(2**63 - 3)})
    journal.add(MODEL, {DAYS[0]: counted(2)})
    assert journal.total(MODEL).rows == 2**63 - 1
    journal.add(MODEL, {DAYS[1]: counted()})
    with pytest.raises(StateError, match="passes"):
        journal.total(MODEL)


# --- tallies ---


def test_a_tally_survives_the_json_border_and_its_revision_rises_with_every_change(journal: Journal) -> None:
    counts = counted(3)
    counts.latency[4] = 3
    for revision in (1, 2, 3):
        journal.add(MODEL, {DAYS[0]: counts})
        tally = journal.tally("device-1", MODEL, DAYS[0])
        assert (tally.revision, tally.rows) == (revision, 3 * revision)
        assert decode(encode(tally), Tally, "tally") == tally
    assert tally.features == {"temp": (9, 0, 0, 0)}
    assert tally.outputs == {"scores": (0, 0, 0, 9)}
    assert tally.breaches == {"temp": {"missing": 9}}
    assert tally.latency[4] == 9
    assert (tally.device, tally.model, tally.window) == ("device-1", MODEL, DAYS[0])


def test_a_tally_of_a_window_without_counts_is_refused(journal: Journal) -> None:
    journal.add(MODEL, {DAYS[0]: counted()})
    with pytest.raises(StateError, match=r"holds no counts of late-flights 1\.0\.0 for 2026-11-02"):
        journal.tally("device-1", MODEL, DAYS[1])


# --- runs ---


def test_a_run_is_remembered_until_it_is_finished(path: Path) -> None:
    progress = Progress(rows_done=4, input_offset=400, output_bytes=90, state='{"digest": "日本"}')
    with Journal.open(path) as journal:
        journal.checkpoint("run", progress, MODEL, {DAYS[0]: counted(4)})
    with Journal.open(path) as journal:
        assert journal.progress("run") == progress
        assert journal.progress("another") is None
        journal.finish("run")
        journal.finish("run")
        assert journal.progress("run") is None
        assert journal.total(MODEL).rows == 4


def test_a_checkpoint_that_fails_leaves_counts_and_progress_as_they_were(journal: Journal) -> None:
    first = Progress(rows_done=4, input_offset=400, output_bytes=90)
    journal.checkpoint("run", first, MODEL, {DAYS[0]: counted(4)})
    wrong = WindowCounts(1, {"ok": 1}, {"temp": np.array([1, 0])})
    with pytest.raises(StateError, match="2 counts cannot be added to 4"):
        journal.checkpoint("run", Progress(6, 600, 120), MODEL, {DAYS[1]: counted(1), DAYS[0]: wrong})
    assert journal.progress("run") == first
    assert list(journal.windows(MODEL)) == [DAYS[0]]


def test_a_second_process_on_the_same_run_is_refused_before_it_counts_a_row_twice(path: Path) -> None:
    with Journal.open(path) as one, Journal.open(path) as other:
        one.checkpoint("run", Progress(4, 400, 90), MODEL, {DAYS[0]: counted(4)})
        assert other.progress("run") == Progress(4, 400, 90)
        one.checkpoint("run", Progress(8, 800, 180), MODEL, {DAYS[0]: counted(4)})
        with pytest.raises(StateError, match="another hakobu scores it at the same time"):
            other.checkpoint("run", Progress(8, 800, 180), MODEL, {DAYS[0]: counted(4)})
        assert one.total(MODEL).rows == 8


def test_a_run_may_start_over(journal: Journal) -> None:
    journal.checkpoint("run", Progress(8, 800, 180), MODEL, {DAYS[0]: counted(8)})
    journal.checkpoint("run", Progress(2, 200, 50, "[]"), MODEL, {DAYS[0]: counted(2)})
    assert journal.progress("run") == Progress(2, 200, 50, "[]")


@pytest.mark.parametrize("rows", [-1, 2**63])
def test_progress_that_cannot_be_is_refused(rows: int) -> None:
    with pytest.raises(FormatError, match="progress lies between"):
        Progress(rows, 0, 0)


# --- many writers, and sudden death ---


def test_four_processes_add_up_exactly(path: Path) -> None:
    times = 40
    workers = [run_adder(path, "add", times) for _ in range(4)]  # the file is made in a race, too
    for worker in workers:
        worker.communicate(timeout=60)
        assert worker.returncode == 0
    with Journal.open(path) as journal:
        for window, counts in journal.windows(MODEL).items():
            assert counts.rows == 4 * times * 5
            assert counts.verdicts == {"ok": 4 * times * 3, "warned": 4 * times * 2}
            assert counts.features["temp"].tolist() == [160, 320, 0, 320]
            assert counts.breaches == {"temp": {"missing": 4 * times * 2}}
            assert journal.tally("device", MODEL, window).revision == 4 * times


def test_the_threads_of_one_program_may_share_a_journal(journal: Journal) -> None:
    def add() -> None:
        for _ in range(20):
            journal.add(MODEL, {DAYS[0]: counted(2)})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.total(MODEL).rows == 160


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize("how", ["add", "checkpoint"])
def test_a_killed_process_leaves_every_committed_batch_and_no_half_one(path: Path, how: str) -> None:
    rng = random.Random(how)
    before = 0
    for _ in range(4):
        with run_adder(path, how, 100_000) as worker:
            assert worker.stdout is not None
            told = 0
            for _ in range(rng.randrange(1, 60)):
                told = int(worker.stdout.readline())
            os.kill(worker.pid, signal.SIGKILL)
            told += sum(line.endswith("\n") for line in worker.stdout)
        with Journal.open(path) as journal:
            one, two = journal.windows(MODEL).values()
            batches = journal.tally("device", MODEL, DAYS[0]).revision
            progress = journal.progress("run")
            assert batches - before in (told, told + 1)  # it may die between the commit and the telling
            assert plain(one) == plain(two)
            assert one.rows == 5 * batches
            assert one.features["temp"].tolist() == [batches, 2 * batches, 0, 2 * batches]
            if how == "checkpoint":
                done = batches - before
                assert progress == Progress(10 * done, 100 * done, 50 * done)
                journal.finish("run")
        before = batches


# --- what can be wrong with the file ---


def open_and_read(path: Path) -> None:
    with Journal.open(path) as journal:
        for model in journal.models():
            journal.total(model)
            journal.add(model, {DAYS[0]: counted()})


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be taken for one" * 100, b"SQLite format 3\0junk"]
)
def test_a_file_that_is_no_database_is_refused_with_a_remedy(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"journal\.sqlite: is damaged .*move it away.*a new one is made"):
        open_and_read(path)
    assert path.read_bytes() == content


def test_a_truncated_file_is_refused_with_a_remedy(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.add(MODEL, dict.fromkeys(DAYS, counted()))
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(StateError, match=r"journal\.sqlite: is damaged"):
        open_and_read(path)


def test_a_flipped_byte_never_changes_a_count_without_a_word(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.add(MODEL, dict.fromkeys(DAYS[:3], counted(1_000)))
    whole, rng = path.read_bytes(), random.Random(1)
    refused = 0
    for _ in range(300):
        bad = bytearray(whole)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        path.write_bytes(bad)
        try:
            with Journal.open(path) as journal:
                windows = journal.windows(MODEL)
        except StateError:
            refused += 1
            continue
        assert all(plain(counts) == plain(counted(1_000)) for counts in windows.values())
    assert refused > 5


def test_a_folder_in_place_of_the_file_is_refused_with_a_remedy(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StateError, match=r"cannot be opened for writing .*choose another --state"):
        Journal.open(path)


@pytest.mark.parametrize("middle", ["not there", "a file"])
def test_a_path_that_cannot_be_is_refused_with_a_remedy(tmp_path: Path, middle: str) -> None:
    (tmp_path / "a file").write_bytes(b"")
    with pytest.raises(StateError, match=r"cannot be opened for writing .*choose another --state"):
        Journal.open(tmp_path / middle / "journal.sqlite")


def test_a_file_that_may_only_be_read_can_be_read_and_refuses_counts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal.open(path) as journal:
        journal.add(MODEL, {DAYS[0]: counted()})
    connect = sqlite3.connect

    def read_only(file: Path, **options: object) -> sqlite3.Connection:
        return connect(f"file:{file}?mode=ro", uri=True, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with Journal.open(path) as journal:
        assert journal.total(MODEL).rows == 1
        with pytest.raises(StateError, match=r"cannot be opened for writing .*readonly"):
            journal.add(MODEL, {DAYS[0]: counted()})


def test_a_newer_journal_is_refused_and_left_alone(path: Path) -> None:
    Journal.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    before = path.read_bytes()
    with pytest.raises(StateError, match=r"newer version of hakobu .*update hakobu"):
        Journal.open(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE addresses (name TEXT)")
    with pytest.raises(StateError, match="is a database of another program"):
        Journal.open(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("addresses",)]


def test_a_journal_that_stays_locked_is_waited_for_and_then_refused(path: Path) -> None:
    with Journal.open(path, patience=0.2) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = monotonic()
        with pytest.raises(StateError, match="keeps it locked; wait"):
            journal.add(MODEL, {DAYS[0]: counted()})
        assert 0.15 < monotonic() - started < 5
        assert journal.models() == ()  # reading goes on meanwhile
        other.execute("ROLLBACK")
        journal.add(MODEL, {DAYS[0]: counted()})


def test_a_full_disk_costs_no_count_that_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.open(path) as journal:
        journal.add(MODEL, {DAYS[0]: counted()})
    connect = sqlite3.connect

    def small(file: Path, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(file, **options)  # type: ignore[call-overload]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    with Journal.open(path) as journal:
        wide = WindowCounts(1, {"ok": 1}, {"temp": np.zeros(4_000, dtype=np.int64)})
        with pytest.raises(StateError, match="disk is full; nothing was lost"):
            journal.add(MODEL, {DAYS[1]: wide})
        assert journal.total(MODEL).rows == 1
        journal.add(MODEL, {DAYS[0]: counted()})
        assert journal.total(MODEL).rows == 2


def test_an_interrupted_transaction_leaves_the_journal_usable(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hakobu_runtime.journal.windows.pack", interrupt)
        with pytest.raises(KeyboardInterrupt):
            journal.add(MODEL, {DAYS[0]: counted()})
    journal.add(MODEL, {DAYS[0]: counted()})
    assert journal.total(MODEL).rows == 1


def test_closing_leaves_one_file(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.add(MODEL, {DAYS[0]: counted()})
    assert [file.name for file in path.parent.iterdir()] == ["journal.sqlite"]


def test_commits_survive_a_power_cut(path: Path) -> None:
    """SQLite promises that for the write-ahead log with synchronous = FULL (2), which is the connection's own."""
    with Journal.open(path) as journal:
        assert journal._database.read("PRAGMA journal_mode") == [("wal",)]
        assert journal._database.read("PRAGMA synchronous") == [(2,)]

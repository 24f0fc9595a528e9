import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hakobu_runtime.errors import StateError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Span, Window, ends
from hakobu_runtime.journal import Journal, Progress
from hakobu_runtime.journal.tables import STEPS
from hakobu_runtime.journal.upkeep import DAYS_KEPT, HOURS_KEPT, MODEL_REST, RUN_REST

MODEL = ModelName("pump", "1.0.0", "a" * 64)
OTHER = ModelName("pump", "1.1.0", "b" * 64)
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Clock:
    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def counted(rows: int = 1, slots: int = 4) -> WindowCounts:
    array = np.zeros(slots, dtype=np.int64)
    array[rows % slots] = rows
    return WindowCounts(rows, {"ok": rows}, {"temp": array}, {"scores": array.copy()}, {"temp": {"missing": rows}})


def plain(counts: WindowCounts) -> dict[str, object]:
    arrays = {name: array.tolist() for name, array in {**counts.features, **counts.outputs}.items()}
    return {"rows": counts.rows, **counts.verdicts, **arrays, **counts.breaches, "latency": counts.latency.tolist()}


def total(counts: Iterable[WindowCounts]) -> WindowCounts:
    found = WindowCounts()
    for one in counts:
        found.add(one)
    return found


def hour(moment: datetime) -> Window:
    return Window.of(moment, Span.HOUR)


def keep_up(journal: Journal, clock: Clock, now: datetime) -> None:
    """Let the upkeep of another day happen."""
    clock.now = now
    journal.finish("no run")


# --- folding ---


def test_old_hours_become_days_and_old_days_months_and_no_count_changes(path: Path, clock: Clock) -> None:
    with Journal.open(path, clock=clock) as journal:
        added = {hour(START + timedelta(hours=number)): counted(number + 1) for number in range(24 * 40)}
        journal.add(MODEL, added)
        before = plain(journal.total(MODEL))
        keep_up(journal, clock, START + HOURS_KEPT + 10 * DAY)
        spans = [window.span for window in journal.windows(MODEL)]
        assert spans == [Span.DAY] * 10 + [Span.HOUR] * 24 * 30
        assert plain(journal.windows(MODEL)[Window("2026-01-03", Span.DAY)]) == plain(
            total(counts for window, counts in added.items() if window.start.startswith("2026-01-03"))
        )
        keep_up(journal, clock, datetime(2026, 2, 1, tzinfo=UTC) + DAYS_KEPT)
        assert list(journal.windows(MODEL))[:2] == [Window("2026-01", Span.MONTH), Window("2026-02-01", Span.DAY)]
        keep_up(journal, clock, START + 10 * 365 * DAY)
        assert list(journal.windows(MODEL)) == [Window("2026-01", Span.MONTH), Window("2026-02", Span.MONTH)]
        assert plain(journal.total(MODEL)) == before


@pytest.mark.parametrize(
    ("span", "kept"),
    [(Span.HOUR, HOURS_KEPT), (Span.DAY, DAYS_KEPT)],
)
def test_a_window_folds_only_when_the_longer_one_is_all_past(
    path: Path, clock: Clock, span: Span, kept: timedelta
) -> None:
    window = Window.of(START, span)
    whole = window.widen(Span.DAY if span is Span.HOUR else Span.MONTH)
    with Journal.open(path, clock=clock) as journal:
        journal.add(MODEL, {window: counted()})
        keep_up(journal, clock, ends(whole) + kept - timedelta(seconds=1))
        assert list(journal.windows(MODEL)) == [window]
        keep_up(journal, clock, ends(whole) + kept + DAY)
        assert list(journal.windows(MODEL)) == [whole]


def test_a_late_row_is_counted_in_the_longer_window_that_holds_it(path: Path, clock: Clock) -> None:
    with Journal.open(path, clock=clock) as journal:
        journal.add(MODEL, {hour(START): counted(5)})
        keep_up(journal, clock, START + 50 * DAY)
        journal.add(MODEL, {hour(START): counted(1), hour(START + timedelta(hours=7)): counted(2)})
        assert {window.start: counts.rows for window, counts in journal.windows(MODEL).items()} == {"2026-01-01": 8}
        keep_up(journal, clock, START + 500 * DAY)
        journal.add(MODEL, {hour(START): counted(1), Window("2026-01-09", Span.DAY): counted(3)})
        assert {window.start: counts.rows for window, counts in journal.windows(MODEL).items()} == {"2026-01": 12}
        assert journal.tally("device", MODEL, Window("2026-01", Span.MONTH)).rows == 12


def test_a_clock_that_jumped_ahead_costs_no_count_and_no_later_day(path: Path, clock: Clock) -> None:
    with Journal.open(path, clock=clock) as journal:
        journal.add(MODEL, {hour(START): counted(5)})
        keep_up(journal, clock, datetime(2099, 1, 1, tzinfo=UTC))
        clock.now = START + 40 * DAY
        journal.add(MODEL, {hour(clock.now): counted(2)})
        keep_up(journal, clock, START + 41 * DAY)
        found = {window.start: counts.rows for window, counts in journal.windows(MODEL).items()}
        assert found == {"2026-01": 5, "2026-02-10T00": 2}


def test_upkeep_and_the_counts_that_made_it_due_are_one_transaction(path: Path, clock: Clock) -> None:
    with Journal.open(path, clock=clock) as journal:
        journal.add(MODEL, {hour(START): counted(5)})
        clock.now = START + 100 * DAY
        with pytest.raises(StateError, match="cannot be added"):
            journal.add(
                MODEL, {hour(clock.now): counted(1), hour(clock.now + DAY): counted(1), hour(START): counted(1, 9)}
            )
        assert list(journal.windows(MODEL)) == [hour(START)]
        journal.add(MODEL, {hour(clock.now): counted(1)})
        assert list(journal.windows(MODEL)) == [Window("2026-01-01", Span.DAY), hour(clock.now)]


def test_windows_whose_sum_passes_int64_stay_as_they_are(path: Path, clock: Clock) -> None:
    with Journal.open(path, clock=clock) as journal:
        journal.add(MODEL, {hour(START): counted(2**63 - 1), hour(START + timedelta(hours=1)): counted(1)})
        journal.add(OTHER, {hour(START): counted(1)})
        keep_up(journal, clock, START + 50 * DAY)
        assert len(journal.windows(MODEL)) == 2
        assert list(journal.windows(OTHER)) == [Window("2026-01-01", Span.DAY)]


def test_upkeep_happens_once_a_day(path: Path, clock: Clock) -> None:
    with Journal.open(path, clock=clock) as journal, Journal.open(path, clock=clock) as other:
        for one in (journal, other, journal):
            one.checkpoint("run", Progress(0, 0, 0), MODEL, {})
        assert journal._database.read("SELECT idle FROM runs") == [(0,)]
        clock.now += DAY
        for one in (other, journal, other):
            one.finish("another run")
        assert journal._database.read("SELECT idle FROM runs") == [(1,)]


# --- what goes home ---


Key = tuple[str, str, Window]


class Home:
    """What the hub does: the highest revision of each key holds, and a window inside a longer one says nothing."""

    def __init__(self) -> None:
        self.known: dict[Key, Tally] = {}

    def take(self, tally: Tally) -> None:
        key = (tally.model.digest, tally.epoch, tally.window)
        if key not in self.known or self.known[key].revision < tally.revision:
            self.known[key] = tally

    def rows(self) -> int:
        return sum(tally.rows for key, tally in self.known.items() if not any(_inside(key, one) for one in self.known))


def _inside(key: Key, other: Key) -> bool:
    one, longer = key[2], other[2]
    return key != other and key[:2] == other[:2] and longer.begins <= one.begins and ends(one) <= ends(longer)


def sent(journal: Journal, model: ModelName = MODEL) -> list[Tally]:
    return [journal.tally("device", model, window) for window in journal.windows(model)]


STEPS_OF_LIFE = st.lists(
    st.one_of(
        st.tuples(st.just("count"), st.integers(0, 900), st.integers(1, 9)),
        st.tuples(st.just("wait"), st.integers(1, 400), st.just(0)),
        st.tuples(st.just("send"), st.integers(0, 2**16), st.just(0)),
    ),
    max_size=20,
)


@given(STEPS_OF_LIFE)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_counted_twice_at_home_whatever_is_sent_late_twice_or_never(
    tmp_path: Path, life: list[tuple[str, int, int]]
) -> None:
    clock, home, rows, old = Clock(), Home(), 0, list[Tally]()
    with TemporaryDirectory(dir=tmp_path) as folder, Journal.open(Path(folder, "j.sqlite"), clock=clock) as journal:
        for what, number, more in life:
            if what == "count":  # up to 900 days late
                moment = clock.now - timedelta(days=number, hours=number % 24)
                journal.add(MODEL, {hour(moment): counted(more)})
                rows += more
            elif what == "wait":
                keep_up(journal, clock, clock.now + number * DAY)
            else:  # some of what there is now, and of what was there long ago
                old += sent(journal)
                for place, tally in enumerate(old):
                    if number >> place % 16 & 1:
                        home.take(tally)
            assert home.rows() <= rows == journal.total(MODEL).rows
        for tally in sent(journal) + old:
            home.take(tally)
        assert home.rows() == rows


def test_counts_that_start_again_add_to_those_sent_before(path: Path, clock: Clock) -> None:
    home = Home()
    for rows in (5, 2):
        with Journal.open(path, clock=clock) as journal:
            journal.add(MODEL, {hour(START): counted(rows)})
            for tally in sent(journal):
                home.take(tally)
        path.unlink()
    assert home.rows() == 7


# --- pruning ---


def after_days_of_use(path: Path, clock: Clock, days: int, installed: Callable[[], set[str]] | None) -> None:
    """Write to the journal once a day, though never with MODEL."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE models SET idle = idle + ?", (days - 1,))
        connection.execute("UPDATE runs SET idle = idle + ?", (days - 1,))
    with Journal.open(path, clock=clock, installed=installed) as journal:
        keep_up(journal, clock, clock.now + DAY)


@pytest.mark.parametrize(
    ("days", "installed", "stays"),
    [(MODEL_REST, set(), True), (MODEL_REST + 1, set(), False), (MODEL_REST + 1, {MODEL.digest}, True)],
)
def test_counts_of_a_model_go_when_it_rested_long_and_is_not_installed(
    path: Path, clock: Clock, days: int, installed: set[str], stays: bool
) -> None:
    with Journal.open(path, clock=clock) as journal:
        journal.add(MODEL, {hour(START): counted()})
    after_days_of_use(path, clock, days, lambda: installed)
    with Journal.open(path, clock=clock) as journal:
        assert journal.models() == ((MODEL,) if stays else ())
        assert len(journal.windows(MODEL)) == int(stays)
        assert journal._database.read("SELECT count(*) FROM windows") == [(int(stays),)]


def test_without_word_of_what_is_installed_no_model_goes(path: Path, clock: Clock) -> None:
    with Journal.open(path, clock=clock) as journal:
        journal.add(MODEL, {hour(START): counted()})
    after_days_of_use(path, clock, 10 * MODEL_REST, None)
    with Journal.open(path, clock=clock) as journal:
        assert journal.models() == (MODEL,)


def test_a_clock_that_jumped_ahead_throws_nothing_away(path: Path, clock: Clock) -> None:
    with Journal.open(path, clock=clock, installed=set) as journal:
        journal.checkpoint("run", Progress(1, 10, 10), MODEL, {hour(START): counted()})
        keep_up(journal, clock, datetime(2099, 1, 1, tzinfo=UTC))
        keep_up(journal, clock, START)
        assert journal.models() == (MODEL,)
        assert journal.progress("run") is not None


def test_a_model_that_is_used_again_rests_from_the_beginning(path: Path, clock: Clock) -> None:
    with Journal.open(path, clock=clock) as journal:
        journal.add(MODEL, {hour(START): counted()})
    after_days_of_use(path, clock, MODEL_REST, set)
    with Journal.open(path, clock=clock) as journal:
        journal.add(MODEL, {hour(START): counted()})
    after_days_of_use(path, clock, MODEL_REST, set)
    with Journal.open(path, clock=clock) as journal:
        assert journal.models() == (MODEL,)


@pytest.mark.parametrize(("days", "stays"), [(RUN_REST, True), (RUN_REST + 1, False)])
def test_a_run_that_nobody_went_on_with_is_forgotten(path: Path, clock: Clock, days: int, stays: bool) -> None:
    with Journal.open(path, clock=clock) as journal:
        journal.checkpoint("run", Progress(1, 10, 10), MODEL, {hour(START): counted()})
    after_days_of_use(path, clock, days, None)
    with Journal.open(path, clock=clock) as journal:
        assert (journal.progress("run") is not None) is stays
        assert journal.total(MODEL).rows == 1


# --- bounds and versions ---


def test_three_years_of_hours_stay_small_and_fast(path: Path) -> None:
    """A million windows, 114 years of hours, are simulated by tests/bench/journal.py."""
    clock, days = Clock(), 1100
    counts, batch = counted(1, 20), 10
    seconds = []
    with Journal.open(path, clock=clock) as journal:
        for day in range(0, days, batch):
            first = START + day * DAY
            windows = {hour(first + timedelta(hours=number)): counts for number in range(24 * batch)}
            clock.now = first + batch * DAY
            started = perf_counter()
            journal.add(MODEL, windows)
            seconds.append(perf_counter() - started)
            size = path.stat().st_size
            found = day // 30 + 24 * (HOURS_KEPT.days + 1 + batch) + DAYS_KEPT.days + 31 + batch
            assert size < 100_000 + 1_500 * found
        keep_up(journal, clock, clock.now + DAY)
        assert journal.total(MODEL).rows == 24 * days
        assert len(journal.windows(MODEL)) < 24 * 36 + 431 + 122
    assert np.median(seconds[-20:]) < 5 * np.median(seconds[20:40])


def test_a_journal_of_the_first_version_is_brought_up_to_date(path: Path, clock: Clock) -> None:
    with Journal.open(path, clock=clock) as journal:
        journal.checkpoint("run", Progress(3, 10, 10), MODEL, {hour(START): counted(3)})
        packed = journal._database.read("SELECT packed FROM windows")[0][0]
    path.unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in STEPS[0]:
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 1")
        connection.execute("INSERT INTO models VALUES (1, ?, ?, ?)", (MODEL.name, MODEL.version, MODEL.digest))
        connection.execute("INSERT INTO windows VALUES (1, '2026-01-01T00', 'hour', ?)", (packed,))
        connection.execute("INSERT INTO runs VALUES ('run', 3, 10, 10, '{}')")
    with Journal.open(path, clock=clock) as journal:
        assert journal.progress("run") == Progress(3, 10, 10)
        journal.checkpoint("run", Progress(5, 20, 20), MODEL, {hour(START): counted(2)})
        assert journal.total(MODEL).rows == 5
        assert len(journal.tally("device", MODEL, hour(START)).epoch) == 16

"""What the journal takes for sent: only what a receipt speaks of, at the revision that went."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.receipt import MOST_PARCELS
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal import Journal

MODEL = ModelName("tiny", "1.0.0", sha256(b"tiny").hexdigest())
START = datetime(2026, 3, 1, tzinfo=UTC)
DIGEST = sha256(b"parcel").hexdigest()
HOURS = [Window.of(START + timedelta(hours=n), Span.HOUR) for n in range(5)]


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.sqlite", clock=clock) as journal:
        yield journal


def counted(rows: int) -> WindowCounts:
    return WindowCounts(rows, {"ok": rows}, {"temp": np.array([rows, 0], dtype=np.int64)})


def sent(journal: Journal, serial: int, digest: str = DIGEST) -> int:
    """Send all that is to be sent; return how many windows."""
    found = journal.tallies("device-1", unsent=True)
    journal.note_parcel(serial, digest, found)
    return len(found)


def waiting(journal: Journal) -> list[tuple[str, int]]:
    return [(tally.window.start, tally.rows) for tally in journal.tallies("device-1", unsent=True)]


def test_without_a_receipt_all_is_sent_again(journal: Journal) -> None:
    journal.add(MODEL, {window: counted(1) for window in HOURS})
    assert [sent(journal, serial) for serial in (1, 2, 3)] == [5, 5, 5]


def test_a_receipt_settles_what_went_and_not_what_was_counted_since(journal: Journal) -> None:
    journal.add(MODEL, {window: counted(1) for window in HOURS[:2]})
    sent(journal, 1)
    journal.add(MODEL, {HOURS[1]: counted(1), HOURS[2]: counted(1)})
    assert journal.settle({1: DIGEST}) == 2
    assert waiting(journal) == [(HOURS[1].start, 2), (HOURS[2].start, 1)]
    assert len(journal.tallies("device-1")) == 3, "what came home is kept, for drift and for rows that come late"


def test_a_receipt_comes_late_twice_and_out_of_order(journal: Journal) -> None:
    journal.add(MODEL, {HOURS[0]: counted(1)})
    sent(journal, 1)
    journal.add(MODEL, {HOURS[0]: counted(1)})
    sent(journal, 2)
    assert journal.settle({2: DIGEST}) == 1
    assert journal.settle({1: DIGEST, 2: DIGEST}) == 0
    assert waiting(journal) == []
    journal.add(MODEL, {HOURS[0]: counted(1)})
    assert waiting(journal) == [(HOURS[0].start, 3)]


@pytest.mark.parametrize("homes", [{}, {2: DIGEST}, {1: sha256(b"another").hexdigest()}])
def test_a_receipt_for_something_else_settles_nothing(journal: Journal, homes: dict[int, str]) -> None:
    journal.add(MODEL, {HOURS[0]: counted(1)})
    sent(journal, 1)
    assert journal.settle(homes) == 0
    assert waiting(journal) == [(HOURS[0].start, 1)]


def test_a_window_that_was_folded_goes_once_more(journal: Journal, clock: Clock) -> None:
    journal.add(MODEL, {window: counted(1) for window in HOURS})
    sent(journal, 1)
    clock.now += timedelta(days=60)
    journal.settle({1: DIGEST})
    assert waiting(journal) == [("2026-03-01", 5)]


def test_a_new_journal_settles_nothing_of_the_one_before(journal: Journal, tmp_path: Path) -> None:
    journal.add(MODEL, {HOURS[0]: counted(5)})
    sent(journal, 1)
    with Journal.open(tmp_path / "other.sqlite") as other:
        other.add(MODEL, {HOURS[0]: counted(1)})
        assert other.settle({1: DIGEST}) == 0
        assert waiting(other) == [(HOURS[0].start, 1)]


def test_only_the_last_parcels_are_remembered(journal: Journal) -> None:
    journal.add(MODEL, {HOURS[0]: counted(1)})
    for serial in range(1, MOST_PARCELS + 3):
        sent(journal, serial)
    assert journal.settle({1: DIGEST, 2: DIGEST}) == 0
    assert journal.settle({3: DIGEST}) == 1


def test_a_damaged_memory_of_a_parcel_is_none(journal: Journal) -> None:
    journal.add(MODEL, {HOURS[0]: counted(1)})
    sent(journal, 1)
    with journal._database.writing() as connection:
        connection.execute("UPDATE parcels SET carried = x'0011'")
    assert journal.settle({1: DIGEST}) == 0
    assert waiting(journal) == [(HOURS[0].start, 1)]


@pytest.mark.parametrize(
    ("goes_home", "came_home", "stays"), [(False, False, False), (True, False, True), (True, True, False)]
)
def test_counts_of_a_model_at_rest_go_only_when_they_came_home_where_they_go_there_at_all(
    tmp_path: Path, clock: Clock, goes_home: bool, came_home: bool, stays: bool
) -> None:
    newer = ModelName("tiny", "2.0.0", sha256(b"newer").hexdigest())
    with Journal.open(tmp_path / "journal.sqlite", clock=clock, installed=lambda: {newer.digest}) as journal:
        journal.add(MODEL, {Window("2026-03", Span.MONTH): counted(5)})
        if goes_home:
            sent(journal, 1)
        if came_home:
            journal.settle({1: DIGEST})
        with journal._database.writing() as connection:
            connection.execute("UPDATE models SET idle = 800")
        clock.now += timedelta(days=1)
        journal.add(newer, {HOURS[0]: counted(1)})
        assert (MODEL in journal.models()) == stays

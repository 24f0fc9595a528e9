"""What is old goes whole, what stays is consistent, and what went does not come back by halves."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select

from hakobu.hub import horizon, outcome_totals, totals
from hakobu.hub.bundles import add_bundle
from hakobu.hub.database import Database
from hakobu.hub.devices import enrol, set_group
from hakobu.hub.intake import homes, take
from hakobu.hub.retention import prune
from hakobu.hub.tables import alarms, invites, metadata, parcels, refusals, windows
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import UsageError
from hakobu_runtime.trust import Keyring
from hub_counts import NOW, outcome, parcel, pem_of, rows_of, tally

DEVICE = "device-1"
STARTS = ("2025-09", "2025-10-30T23", "2025-10-31", "2025-11-01", "2025-11-15T00", "2025-12", "2026-11-20T08")
"""NOW is 2026-11-21: 370 days before is 2025-11-16."""


@pytest.fixture
def tiny(tiny_box: Path, keyring: Keyring) -> Bundle:
    return open_bundle(tiny_box, keyring)


def fed(database: Database, bundle: Bundle, starts: tuple[str, ...] = STARTS) -> Database:
    add_bundle(database, bundle, NOW)
    with database.begin() as connection:
        enrol(connection, DEVICE, pem_of(DEVICE), "", NOW)
    tallies = (tally(DEVICE, bundle, start, 3) for start in starts)
    known = tuple(outcome(DEVICE, bundle, start[:10], 2) for start in starts if len(start) >= 10)
    take(database, parcel(DEVICE, 1, bundle, *tallies, outcomes=known), "it", NOW)
    return database


def starts_of(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(connection.execute(select(windows.c.start)).scalars())


def test_counts_go_by_whole_months_with_their_totals(database: Database, tiny: Bundle) -> None:
    fed(database, tiny)
    gone = prune(database, 370, NOW)
    assert (gone.horizon, gone.windows, gone.outcomes) == ("2025-11", 3, 2)
    assert gone.totals == 2 + 2 + 2  # the months September and October, two days of October, and two of outcomes
    assert starts_of(database) == sorted(STARTS[3:])
    totals.verify(database)
    outcome_totals.verify(database)
    assert prune(database, 370, NOW) == replace(gone, windows=0, outcomes=0, totals=0)


def test_an_old_window_that_is_sent_again_brings_nothing_back(database: Database, tiny: Bundle) -> None:
    fed(database, tiny)
    prune(database, 370, NOW)
    before = rows_of(database)["windows"], rows_of(database)["totals"], rows_of(database)["outcomes"]
    again = [tally(DEVICE, tiny, start, 9, revision=7) for start in ("2025-10-31", "2025-10", "2025-09-01T05")]
    known = (outcome(DEVICE, tiny, "2025-10-31", 2),)
    taken = take(database, parcel(DEVICE, 2, tiny, *again, outcomes=known), "it", NOW)
    assert (taken.is_new, taken.windows) == (True, 0)
    after = rows_of(database)["windows"], rows_of(database)["totals"], rows_of(database)["outcomes"]
    assert after == before
    (row,) = rows_of(database)["refusals"]
    assert row[1:] == ("too-old", 1, "windows before 2025-11 are kept no more, and device-1 sent 4 of them")
    with database.read() as connection:  # so that its device need not send them for ever
        assert [one.serial for one in homes(connection, DEVICE)] == [1, 2]


def test_beyond_the_horizon_counts_are_taken_as_ever(database: Database, tiny: Bundle) -> None:
    fed(database, tiny, starts=())
    prune(database, 370, NOW)
    taken = take(database, parcel(DEVICE, 2, tiny, *(tally(DEVICE, tiny, start, 3) for start in STARTS)), "it", NOW)
    assert taken.windows == 4
    assert starts_of(database) == sorted(STARTS[3:])


def test_the_horizon_does_not_move_back(database: Database, tiny: Bundle) -> None:
    fed(database, tiny)
    assert prune(database, 30, NOW).horizon == "2026-10"
    assert prune(database, 370, NOW).horizon == "2026-10"
    with database.read() as connection:
        assert horizon.first(connection) == "2026-10"
    assert starts_of(database) == ["2026-11-20T08"]


def test_a_hub_that_pruned_nothing_keeps_everything(database: Database, tiny: Bundle) -> None:
    fed(database, tiny)
    with database.read() as connection:
        assert horizon.first(connection) == ""
    assert not horizon.is_before("0001-01", "")
    assert starts_of(database) == sorted(STARTS)


def test_the_newest_parcels_of_each_device_stay_however_old(database: Database, tiny: Bundle) -> None:
    fed(database, tiny, starts=())
    with database.begin() as connection:
        other = enrol(connection, "device-2", pem_of("device-2"), "", NOW)
        device = connection.execute(select(parcels.c.device_id)).scalar_one()
        rows = [
            {
                "device_id": one,
                "serial": serial,
                "digest": f"{serial:064x}",
                "received": NOW - timedelta(days=500 - serial),
            }
            for one, last in ((device, 140), (other.id, 50))
            for serial in range(2, last + 1)
        ]
        connection.execute(insert(parcels), rows)
    assert prune(database, 370, NOW).parcels == 75  # of 140 neither the newest 64 nor the first, which came today
    with database.read() as connection:
        kept = connection.execute(select(parcels.c.device_id, func.min(parcels.c.serial)).group_by(parcels.c.device_id))
        assert {tuple(row) for row in kept} == {(device, 1), (other.id, 2)}
        assert [one.serial for one in homes(connection, DEVICE)] == list(range(77, 141))


def test_recent_parcels_stay_however_many(database: Database, tiny: Bundle) -> None:
    fed(database, tiny, starts=())
    with database.begin() as connection:
        device = connection.execute(select(parcels.c.device_id)).scalar_one()
        rows = [
            {"device_id": device, "serial": serial, "digest": "0" * 64, "received": NOW - timedelta(days=9)}
            for serial in range(2, 100)
        ]
        connection.execute(insert(parcels), rows)
    assert prune(database, 10, NOW).parcels == 0


def test_refusals_invitations_and_closed_alarms_go_and_open_alarms_stay(database: Database) -> None:
    old, new = NOW - timedelta(days=401), NOW - timedelta(days=399)
    with database.begin() as connection:
        for moment in (old, new):
            row = {"day": f"{moment:%Y-%m-%d}", "kind": "forged", "many": 3, "words": "it"}
            connection.execute(insert(refusals).values(row))
            for closed in (moment, None):
                connection.execute(insert(alarms).values(alarm(old + timedelta(seconds=bool(closed)), moment, closed)))
            for used in (moment, None):
                row = {"token": f"{moment}{used}"[:64], "made": old, "expires": moment, "used": used}
                connection.execute(insert(invites).values(row))
    gone = prune(database, 400, NOW)
    assert (gone.refusals, gone.alarms, gone.invites) == (1, 1, 2)
    left = rows_of(database)
    assert [len(left[name]) for name in ("refusals", "alarms", "invites")] == [1, 3, 2]


def alarm(opened: datetime, seen: datetime, closed: datetime | None) -> dict[str, object]:
    texts = {"model": "tiny", "version": "1.0.0", "kind": "drift", "period": "2025-10-01", "words": "it"}
    return {**texts, "subject": f"{seen}", "opened": opened, "seen": seen, "closed": closed}


def test_what_is_sent_and_moved_meanwhile_leaves_nothing_old_and_no_wrong_sums(
    database: Database, tiny: Bundle
) -> None:
    fed(database, tiny)
    contents = [
        parcel(DEVICE, serial, tiny, *(tally(DEVICE, tiny, start, serial, serial) for start in STARTS))
        for serial in range(2, 12)
    ]
    ended = Event()

    def send() -> None:
        try:
            for content in contents:
                take(database, content, "it", NOW)
        finally:
            ended.set()

    def move() -> None:
        for group in cycle(("there", "")):
            if ended.is_set():
                return
            with database.begin() as connection:
                set_group(connection, DEVICE, group)

    with ThreadPoolExecutor(2) as threads:
        others = [threads.submit(send), threads.submit(move)]
        for days in (410, 380, 350):
            month = prune(database, days, NOW).horizon
            assert all(start[:7] >= month for start in starts_of(database))
        for other in others:
            other.result(60)
    assert starts_of(database) == ["2025-12", "2026-11-20T08"]
    totals.verify(database)
    outcome_totals.verify(database)


def test_nothing_is_older_than_no_days(database: Database) -> None:
    for days in (0, -1):
        with pytest.raises(UsageError, match="at least 1"):
            prune(database, days, NOW)


DAYS = st.integers(0, 800).map(lambda back: datetime(2026, 11, 21, tzinfo=UTC) - timedelta(days=back))
PLACES = st.tuples(DAYS, st.sampled_from([7, 10, 13])).map(lambda at: at[0].isoformat()[: at[1]])
STEPS = st.lists(st.one_of(st.tuples(st.just("send"), st.sets(PLACES, min_size=1, max_size=6)),
                           st.tuples(st.just("prune"), st.integers(1, 800))), max_size=8)  # fmt: skip


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_comes_and_goes_totals_are_sums_and_nothing_is_before_the_horizon(
    database: Database, tiny: Bundle, steps: list[tuple[str, Any]]
) -> None:
    with database.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
    fed(database, tiny, starts=())
    for serial, (step, what) in enumerate(steps, start=2):
        if step == "prune":
            prune(database, what, NOW)
        else:
            tallies = [tally(DEVICE, tiny, start, serial, serial) for start in sorted(what)]
            known = tuple(outcome(DEVICE, tiny, start, serial) for start in sorted(what) if len(start) == 10)
            take(database, parcel(DEVICE, serial, tiny, *tallies, outcomes=known), "it", NOW)
        totals.verify(database)
        outcome_totals.verify(database)
        with database.read() as connection:
            month = horizon.first(connection)
        assert all(start[:7] >= month for start in starts_of(database))

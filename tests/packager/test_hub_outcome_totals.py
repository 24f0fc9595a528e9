"""Whatever comes and goes: the totals of outcomes are the sums of what `hakobu.fleet.merge` makes of all that came."""

from collections.abc import Iterable, Mapping
from functools import reduce
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from hakobu.fleet.merge import merge_outcomes
from hakobu.hub import devices, horizon
from hakobu.hub.bundles import KnownBundle, add_bundle
from hakobu.hub.database import Database
from hakobu.hub.intake import Taken, take, take_many
from hakobu.hub.outcome_totals import OutcomeChanges, by_group, rebuild, summed, together, verify
from hakobu.hub.retention import prune
from hakobu.hub.tables import outcome_totals
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import CountError, DamageError
from hakobu_runtime.format.outcome import Outcome, OutcomeCounts
from hakobu_runtime.trust import Keyring
from hub_senders import NOW, Sender
from postgres import emptied

DAY = "2026-11-20"
Sums = dict[str, dict[str, OutcomeCounts]]
"""By group and day."""

PLACES = st.integers(0, 2)
OUTCOMES = st.tuples(
    PLACES,
    st.sampled_from("ab"),  # epoch
    st.sampled_from(("2026-08-31", "2026-10-01", "2026-11-01", DAY)),
    st.integers(1, 4),  # revision
    st.sampled_from((0, 1, 7, 300)),  # rows
    st.integers(0, 1),  # what they are
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(OUTCOMES, max_size=6)),
        st.tuples(st.just("move"), PLACES, st.sampled_from(("", "a", "b"))),
        st.tuples(st.just("forget"), PLACES),
        st.tuples(st.just("prune"), st.sampled_from((15, 40, 80))),
    ),
    max_size=12,
)


@pytest.fixture
def tiny(tiny_box: Path, keyring: Keyring) -> Bundle:
    return open_bundle(tiny_box, keyring)


@pytest.fixture
def bundle(database: Database, tiny: Bundle) -> KnownBundle:
    return add_bundle(database, tiny, NOW)


def found_sums(database: Database, bundle: KnownBundle) -> Sums:
    with database.read() as connection:
        found = by_group(connection, bundle)
    return {group: {window.start: counts for window, counts in days.items()} for group, days in found.items()}


def expected_sums(came: Iterable[Outcome], groups: Mapping[str, str]) -> Sums:
    found: Sums = {}
    for one in merge_outcomes(came):
        if one.counts.rows:
            days = found.setdefault(groups[one.device], {})
            days[one.window.start] = days.get(one.window.start, OutcomeCounts()).plus(one.counts)
    return found


class Hub:
    """A hub, and what it must hold."""

    def __init__(self, database: Database, tiny: Bundle) -> None:
        self.database = database
        self.senders = [Sender.of(f"device-{number}", tiny).enrol(database) for number in range(3)]
        self.groups = {sender.name: "" for sender in self.senders}
        self.came: list[Outcome] = []
        self.month = ""

    def send(self, told: list[Any]) -> None:
        """Let devices send, one parcel each, and send it once more."""
        parcels = []
        for number, sender in enumerate(self.senders):
            mine = {(epoch, start): sender.outcome(start, rows, revision, epoch, seed)
                    for place, epoch, start, revision, rows, seed in told if place == number}  # fmt: skip
            parcels.append(sender.pack(outcomes=tuple(mine.values())))
            self.came += [one for one in mine.values() if not horizon.is_before(one.window.start, self.month)]
        items = [("here", lambda content=content: content) for content in (*parcels, *parcels[::-1])]
        assert all(isinstance(found, Taken) for found in take_many(self.database, items, NOW))

    def move(self, place: int, group: str) -> None:
        """Put a device into a group."""
        name = self.senders[place].name
        with self.database.begin() as connection:
            devices.set_group(connection, name, group)
        self.groups[name] = group

    def forget(self, place: int) -> None:
        """Take a device out, and enrol it anew."""
        sender = self.senders[place]
        with self.database.begin() as connection:
            devices.forget(connection, sender.name)
        sender.enrol(self.database)
        self.groups[sender.name] = ""
        self.came = [one for one in self.came if one.device != sender.name]

    def prune(self, days: int) -> None:
        """Keep no month that ended so many days ago."""
        self.month = prune(self.database, days, NOW).horizon
        self.came = [one for one in self.came if not horizon.is_before(one.window.start, self.month)]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_comes_and_goes_totals_of_outcomes_are_their_sums(
    database: Database, tiny: Bundle, steps: list[Any]
) -> None:
    emptied(database)
    bundle, hub = add_bundle(database, tiny, NOW), Hub(database, tiny)
    for step, *what in steps:
        getattr(hub, step)(*what)
    verify(database)
    wanted = expected_sums(hub.came, hub.groups)
    assert found_sums(database, bundle) == wanted
    rebuild(database)
    verify(database)
    assert found_sums(database, bundle) == wanted


def test_outcomes_are_found_by_group_and_day(database: Database, tiny: Bundle, bundle: KnownBundle) -> None:
    numbers = count(1)
    for name, group in (("device-1", "a"), ("device-2", "a"), ("device-3", "b")):
        sender = Sender.of(name, tiny).enrol(database, group)
        days = tuple(sender.outcome(f"2026-11-0{day}", 10 * next(numbers)) for day in (1, 2, 3))
        take(database, sender.pack(outcomes=days), "here", NOW)
    first, second = (Sender.of("any", tiny).outcome(f"2026-11-0{day}", 1).window.begins.date() for day in (2, 3))
    with database.read() as connection:
        every = together(by_group(connection, bundle))
        some = together(by_group(connection, bundle, ("a",), first, first))
        last = by_group(connection, bundle, since=second)
    assert {window.start: counts.rows for window, counts in every.items()} == {
        "2026-11-01": 120, "2026-11-02": 150, "2026-11-03": 180,
    }  # fmt: skip
    assert {window.start: counts.rows for window, counts in some.items()} == {"2026-11-02": 70}
    assert {group: [counts.rows for counts in days.values()] for group, days in last.items()} == {"a": [90], "b": [90]}


@given(st.lists(st.tuples(st.sampled_from((0, 1, 7, 300)), st.integers(0, 3)), max_size=6))
def test_many_are_added_as_one_after_the_other(tiny_manifest: Any, told: list[tuple[int, int]]) -> None:
    sender = Sender("device-1", tiny_manifest, "a" * 64)
    some = [sender.outcome(DAY, rows, seed=seed).counts for rows, seed in told]
    assert summed(some) == reduce(OutcomeCounts.plus, some, OutcomeCounts())


def test_squares_beyond_64_bits_are_kept_to_the_last_digit(database: Database, bundle: KnownBundle) -> None:
    counts = OutcomeCounts(3, error=-(2**30), absolute=2**30, squares=2**90 + 1)
    for wanted in (counts, counts.plus(counts)):
        with database.begin() as connection:
            changes = OutcomeChanges()
            changes.add(bundle.id, "", DAY, counts)
            changes.apply(connection)
        assert found_sums(database, bundle) == {"": {DAY: wanted}}


def test_a_sum_that_passes_int64_changes_nothing(database: Database, bundle: KnownBundle) -> None:
    half = OutcomeCounts(2**62, ((0, 0, 2**62),))
    for many in (1, 2):
        changes = OutcomeChanges()
        changes.add(bundle.id, "", DAY, half)
        with database.begin() as connection:
            if many == 1:
                changes.apply(connection)
                continue
            with pytest.raises(CountError):
                changes.apply(connection)
    assert found_sums(database, bundle) == {"": {DAY: half}}


def test_what_goes_out_of_a_total_must_have_been_in_it(database: Database, tiny: Bundle, bundle: KnownBundle) -> None:
    sender = Sender.of("device-1", tiny).enrol(database)
    take(database, sender.pack(outcomes=(sender.outcome(DAY, 7),)), "here", NOW)
    with database.begin() as connection:
        connection.execute(delete(outcome_totals))
    with pytest.raises(DamageError, match="hakobu hub check"):
        take(database, sender.pack(outcomes=(sender.outcome(DAY, 8, revision=2),)), "here", NOW)
    with pytest.raises(DamageError, match="check --mend"):
        verify(database)
    rebuild(database)
    verify(database)


@pytest.mark.parametrize(
    "wrong", [{"rows": 8}, {"counts": b'{"rows":8}'}, {"counts": b"\xff"}, {"start": "2026-11-19"}], ids=str
)
def test_a_total_that_is_no_sum_is_found(
    database: Database, tiny: Bundle, bundle: KnownBundle, wrong: dict[str, Any]
) -> None:
    sender = Sender.of("device-1", tiny).enrol(database, "Halle 1")
    take(database, sender.pack(outcomes=(sender.outcome(DAY, 7),)), "here", NOW)
    verify(database)
    with database.begin() as connection:
        connection.execute(update(outcome_totals).values(**wrong))
    with pytest.raises(DamageError, match="hakobu hub check --mend"):
        verify(database)

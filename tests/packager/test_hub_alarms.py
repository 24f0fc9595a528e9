"""Alarms in the hub's database, SQLite and PostgreSQL: a fleet counts, days pass, and somebody looks."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from hakobu.fleet.gather import Counted
from hakobu.fleet.judging import judge_bundle as judge_folder
from hakobu.hub import devices as known_devices
from hakobu.hub.alarms import Alarm, close, evaluate, every, find, open_alarms, snooze
from hakobu.hub.bundles import KnownBundle, add_bundle
from hakobu.hub.database import Database
from hakobu.hub.periods import judge_bundle, periods
from hakobu.hub.sightings import Kind
from hakobu.hub.tables import alarms, evaluations, states
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import Keyring, PrivateKey
from hub_fleet import DRIFTED, GONE, STRAIGHT, Fleet, judgeable_box
from postgres import Databases

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
"""A Friday; the last complete day is Thursday the 19th, the last complete week that of the 9th to the 15th."""
NORTH, SOUTH = ("north-pc-1", "north-pc-2", "north-pc-3"), ("south-pc-1", "south-pc-2", "south-pc-3")


def day(number: int) -> str:
    return f"2026-11-{number:02d}"


@pytest.fixture(scope="session")
def judgeable(
    tiny_files: Mapping[str, bytes],
    tiny_manifest: Manifest,
    release_key: PrivateKey,
    keyring: Keyring,
    tmp_path_factory: pytest.TempPathFactory,
) -> Bundle:
    folder = tmp_path_factory.mktemp("judgeable")
    return open_bundle(judgeable_box(tiny_files, tiny_manifest, release_key, folder), keyring)


@pytest.fixture
def bundle(database: Database, judgeable: Bundle) -> KnownBundle:
    return add_bundle(database, judgeable, NOW)


@pytest.fixture
def fleet(database: Database, bundle: KnownBundle) -> Fleet:
    """Six devices in two groups, which counted as in training until Wednesday."""
    found = Fleet(database, bundle)
    found.enrol(*NORTH, group="north")
    found.enrol(*SOUTH, group="south")
    for number in range(9, 19):
        found.count(day(number))
    return found


def opened(database: Database) -> list[Alarm]:
    with database.read() as connection:
        return list(reversed(open_alarms(connection)))


def shown(found: list[Alarm] | tuple[Alarm, ...]) -> list[tuple[str, str, str]]:
    return [(one.matter.subject, one.place, one.period) for one in found]


def test_without_drift_there_is_no_alarm(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19))
    assert evaluate(database, NOW) == ()
    assert opened(database) == []


def test_a_drift_of_the_fleet_is_one_alarm(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), temp=DRIFTED)
    (alarm,) = evaluate(database, NOW)
    assert shown([alarm]) == [("temp", "the fleet", "2026-11-19")]
    assert alarm.words == "temp has drifted: 10 % of rows are from 0 to below 2, in training 50 %"
    assert alarm.sentence() == f"tiny 1.0.0, 2026-11-19: {alarm.words}"
    assert (alarm.opened, alarm.seen, alarm.closed, alarm.told) == (NOW, NOW, None, None)
    assert evaluate(database, NOW) == ()
    assert evaluate(database, NOW + timedelta(hours=1)) == ()
    assert opened(database) == [alarm]


def test_while_it_lasts_the_alarm_tells_of_the_newest_day(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), temp=DRIFTED)
    evaluate(database, NOW)
    fleet.count(day(20), temp=(0, 0, 200, 0, 0, 0))
    later = NOW + timedelta(days=1)
    assert evaluate(database, later) == ()
    (alarm,) = opened(database)
    assert (alarm.period, alarm.opened, alarm.seen) == ("2026-11-20", NOW, later)
    assert "0.0 % of rows" in alarm.words


def test_the_day_that_is_not_over_is_not_judged(database: Database, fleet: Fleet) -> None:
    fleet.count(day(20), temp=DRIFTED)
    assert evaluate(database, NOW) == ()
    assert shown(evaluate(database, NOW + timedelta(days=1))) == [("temp", "the fleet", "2026-11-20")]


def test_counts_that_come_late_of_old_days_call_nobody_up(database: Database, fleet: Fleet) -> None:
    for number in range(1, 9):
        fleet.count(day(number), temp=DRIFTED)
    assert evaluate(database, NOW) == ()


def test_a_group_that_drifts_alone_has_the_alarm(database: Database, fleet: Fleet) -> None:
    mild = (0, 50, 150, 0, 0, 0)
    fleet.count(day(19), NORTH, temp=mild)
    fleet.count(day(19), SOUTH)
    assert shown(evaluate(database, NOW)) == [("temp", "group north", "2026-11-19")]


def test_the_alarm_of_the_fleet_says_which_groups_show_it(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), NORTH, temp=(0, 0, 200, 0, 0, 0))
    fleet.count(day(19), SOUTH)
    (alarm,) = evaluate(database, NOW)
    assert alarm.place == "the fleet"
    assert alarm.words.endswith("; in 1 of 2 groups: north")


def test_three_quiet_days_close_it_and_the_next_drift_is_a_new_one(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), temp=DRIFTED)
    evaluate(database, NOW)
    for number in (20, 21, 22):
        assert len(opened(database)) == 1
        fleet.count(day(number))
        evaluate(database, NOW + timedelta(days=number - 19))
    assert opened(database) == []
    fleet.count(day(23), temp=DRIFTED)
    evaluate(database, NOW + timedelta(days=4))
    assert shown(opened(database)) == [("temp", "the fleet", "2026-11-23")]
    with database.read() as connection:
        assert len(every(connection)) == 2


def test_days_with_too_few_rows_neither_open_nor_close_one(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), temp=DRIFTED)
    evaluate(database, NOW)
    for number in range(20, 25):
        fleet.count(day(number), NORTH[:1], temp=(0, 2, 2, 0, 0, 0), load=(0, 0, 4, 0, 0, 0))
        evaluate(database, NOW + timedelta(days=number - 19))
    assert [one[0] for one in shown(opened(database))] == ["temp"]


def test_a_device_that_is_odd_is_told_apart_from_the_fleet(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), SOUTH)
    fleet.count(day(19), NORTH[1:])
    fleet.count(day(19), NORTH[:1], temp=GONE)
    (alarm,) = evaluate(database, NOW)
    assert (alarm.matter.kind, alarm.matter.device, alarm.matter.subject) == (Kind.DEVICE, NORTH[0], "temp")
    for number in (20, 21, 22):
        fleet.count(day(number))
        evaluate(database, NOW + timedelta(days=number - 19))
    assert opened(database) == []


def test_a_few_rows_do_not_show_that_a_device_is_well_again(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), (*SOUTH, *NORTH[1:]))
    fleet.count(day(19), NORTH[:1], temp=GONE)
    evaluate(database, NOW)
    for number in (20, 21, 22):
        fleet.count(day(number), (*SOUTH, *NORTH[1:]))
        fleet.count(day(number), NORTH[:1], temp=(0, 10, 10, 0, 0, 0), load=(0, 10, 10, 0, 0, 0))
    evaluate(database, NOW + timedelta(days=3))
    assert [one.matter.kind for one in opened(database)] == [Kind.DEVICE]


def test_devices_of_no_group_do_not_speak_for_the_fleet(database: Database, bundle: KnownBundle) -> None:
    fleet = Fleet(database, bundle)
    fleet.enrol(*NORTH, group="north")
    fleet.enrol(*SOUTH)
    fleet.count(day(19), NORTH)
    fleet.count(day(19), SOUTH, temp=(0, 50, 150, 0, 0, 0))
    assert evaluate(database, NOW) == ()


def test_a_device_that_changed_over_in_the_week_is_not_odd_for_that(database: Database, bundle: KnownBundle) -> None:
    """It counted on Monday alone, which was a strange day for all."""
    fleet = Fleet(database, bundle)
    fleet.enrol(*NORTH, *SOUTH)
    fleet.count(day(9), temp=(0, 200, 0, 0, 0, 0))
    for number in range(10, 20):
        fleet.count(day(number), (*SOUTH, *NORTH[1:]), temp=(0, 70, 130, 0, 0, 0))
    assert [alarm for alarm in evaluate(database, NOW) if alarm.matter.kind is Kind.DEVICE] == []


def test_one_bad_day_of_one_device_is_told_as_by_a_folder_and_drifts_no_week(
    database: Database, fleet: Fleet, bundle: KnownBundle
) -> None:
    fleet.count(day(11), NORTH[:1], temp=(0, 0, 0, 200, 0, 0))
    with database.read() as connection:
        days = list(periods(connection, bundle, Span.DAY))
        counted: dict[str, dict[Window, WindowCounts]] = {}
        for one in days:
            for device, part in one.devices.items():
                counted.setdefault(device, {})[one.window] = part.counts
        groups = dict.fromkeys(NORTH, "north") | dict.fromkeys(SOUTH, "south")
        model = ModelName(bundle.model, bundle.version, bundle.digest)
        for span in (Span.DAY, Span.WEEK, Span.MONTH):
            folder = judge_folder(bundle.manifest, bundle.validation, Counted(model, counted, groups=groups), span)
            from_hub = judge_bundle(connection, bundle, span)
            assert from_hub.plain() == folder.plain()
            assert sum(one.device == NORTH[0] for period in from_hub.periods for one in period.odd) == 1
            assert span is Span.DAY or [one.days for one in from_hub.groups["north"][0].odd] == [(day(11),)]
    assert evaluate(database, NOW) == (), "it was odd before the last seven days, and its week is as usual"


def test_what_a_fleet_without_its_odd_devices_shows_says_so(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), (*SOUTH, *NORTH[1:]), temp=DRIFTED)
    fleet.count(day(19), NORTH[:1], temp=GONE)
    found = {alarm.matter.kind: alarm for alarm in evaluate(database, NOW)}
    assert set(found) == {Kind.DEVICE, Kind.DRIFT}
    assert "10 % of rows" in found[Kind.DRIFT].words
    assert found[Kind.DRIFT].words.endswith("(without 1 odd device)")


def test_an_odd_device_that_is_blocked_calls_nobody_up_any_more(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), (*SOUTH, *NORTH[1:]))
    fleet.count(day(19), NORTH[:1], temp=GONE)
    evaluate(database, NOW)
    with database.begin() as connection:
        known_devices.block(connection, NORTH[0], "its sensor is broken")
    evaluate(database, NOW)
    assert opened(database) == []
    evaluate(database, NOW + timedelta(days=1))
    assert opened(database) == []


def test_outcomes_that_fall_while_the_inputs_look_the_same_are_concept_drift(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19))
    for number in range(9, 16):
        for name in NORTH + SOUTH:
            fleet.label(day(number), name, 100, 70)
    (alarm,) = evaluate(database, NOW)
    assert (alarm.matter.kind, alarm.matter.subject, alarm.period) == (Kind.OUTCOME, "accuracy", "2026-W46")
    assert "concept drift" in alarm.words


def test_outcomes_may_come_weeks_late(database: Database, fleet: Fleet) -> None:
    for number in range(9, 16):
        for name in NORTH + SOUTH:
            fleet.label(day(number), name, 100, 70)
    (alarm,) = evaluate(database, NOW + timedelta(weeks=5))
    assert alarm.matter.kind is Kind.OUTCOME


def test_a_version_that_nobody_runs_any_more_calls_nobody_up(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), temp=DRIFTED)
    evaluate(database, NOW)
    with database.begin() as connection:
        connection.execute(states.update().values(version="2.0.0", digest="f" * 64))
    evaluate(database, NOW + timedelta(days=1))
    assert len(opened(database)) == 1
    evaluate(database, NOW + timedelta(days=20))
    assert opened(database) == []


def test_nothing_new_is_judged_only_once(database: Database, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate(database, NOW)
    monkeypatch.setattr("hakobu.hub.alarms.judged", lambda *_: pytest.fail("judged again"))
    evaluate(database, NOW + timedelta(minutes=1))
    fleet.count(day(19))
    with pytest.raises(pytest.fail.Exception):
        evaluate(database, NOW + timedelta(minutes=2))


def test_a_snoozed_alarm_stays_open_and_its_like_is_snoozed_too(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), temp=DRIFTED)
    (alarm,) = evaluate(database, NOW)
    until = NOW + timedelta(days=30)
    with database.begin() as connection:
        assert snooze(connection, alarm.id, until).is_snoozed(NOW)
        close(connection, alarm.id, NOW)
    fleet.count(day(20), temp=DRIFTED)
    (again,) = evaluate(database, NOW + timedelta(days=1))
    assert again.id != alarm.id
    assert again.snoozed == until
    assert not again.is_snoozed(until)


def test_only_an_open_alarm_can_be_snoozed_or_closed(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), temp=DRIFTED)
    (alarm,) = evaluate(database, NOW)
    with database.begin() as connection:
        assert close(connection, alarm.id, NOW).closed == NOW
        assert open_alarms(connection) == ()
        assert find(connection, alarm.id) == every(connection, "tiny")[0]
        for number in (alarm.id, 999):
            with pytest.raises(StateError, match=f"no open alarm {number}"):
                snooze(connection, number, NOW)
            with pytest.raises(StateError, match="hakobu hub alarms"):
                close(connection, number, NOW)


def test_two_that_evaluate_at_once_open_each_alarm_once(database: Database, fleet: Fleet) -> None:
    fleet.count(day(19), temp=DRIFTED, load=DRIFTED)
    barrier = Barrier(4)
    found: list[Alarm] = []

    def look() -> None:
        barrier.wait()
        found.extend(evaluate(database, NOW))

    threads = [Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.matter.subject for one in found) == ["load", "temp"]
    assert len(opened(database)) == 2
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(evaluations)) == 1
        assert connection.scalar(select(func.count()).select_from(alarms)) == 2


# Without shrinking, which would take minutes with databases.
@settings(
    max_examples=3, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(data=st.data())
def test_in_whatever_order_counts_come_the_same_alarms_are_open(
    databases: Databases, judgeable: Bundle, data: st.DataObject
) -> None:
    """Each device brings its days in any order, with looks in between; or all of it is there before the first look."""
    counted = {day(number): data.draw(st.sampled_from([STRAIGHT, DRIFTED])) for number in range(16, 22)}
    moment = datetime(2026, 11, 22, 9, tzinfo=UTC)
    at_once, bit_by_bit = (Fleet(database, add_bundle(database, judgeable, NOW)) for database in _two(databases))
    for fleet in (at_once, bit_by_bit):
        fleet.enrol(*NORTH)
    for start, temp in counted.items():
        at_once.count(start, temp=temp)
    for start, name in data.draw(st.permutations([(start, name) for start in counted for name in NORTH])):
        bit_by_bit.count(start, [name], temp=counted[start])
        if data.draw(st.integers(0, 4)) == 0:
            moment += timedelta(seconds=1)
            evaluate(bit_by_bit.database, moment)
    for fleet in (at_once, bit_by_bit):
        evaluate(fleet.database, moment + timedelta(seconds=1))
        assert evaluate(fleet.database, moment + timedelta(seconds=2)) == ()
    assert [one[:2] for one in shown(opened(at_once.database))] == [
        one[:2] for one in shown(opened(bit_by_bit.database))
    ]


def _two(databases: Databases) -> tuple[Database, Database]:
    return databases.new(), databases.new()

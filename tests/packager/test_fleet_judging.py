"""A fleet's counts, judged: together, by group, without what is odd, and beside what came of the predictions."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from fleet_counts import BINS, counted, day, gone, high, known_manifest, parcel, right_and_wrong
from hakobu.fleet.gather import Counted, gather
from hakobu.fleet.judging import Judged, judge_bundle, judge_fleet
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.drift import Judgement
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.outcome import SCHEMA as OUTCOME
from hakobu_runtime.format.outcome import Outcome, OutcomeCounts
from hakobu_runtime.format.periods import judge_periods
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.validation import Gate, Stage, Validation
from hakobu_runtime.format.validation import Outcome as Verdict
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import PrivateKey

MODEL = ModelName("tiny", "1.0.0", "a" * 64)
PLAIN = Validation("hakobu.validation/1", ())
Fleet = dict[str, dict[Window, WindowCounts]]


@pytest.fixture
def manifest(tiny_manifest: Manifest) -> Manifest:
    return known_manifest(tiny_manifest)


def honest(devices: int, days: int, rows: int = 60) -> Fleet:
    rng = np.random.default_rng(5)
    return {f"device-{one:02}": {day(number): counted(rng, rows) for number in range(days)} for one in range(devices)}


def judgements(judged: Judged, name: str) -> list[Judgement]:
    return [one.judgement for period in judged.periods for one in period.judged.findings if one.name == name]


def judged(manifest: Manifest, fleet: Fleet, span: Span = Span.WEEK, **more: object) -> Judged:
    return judge_bundle(manifest, PLAIN, Counted(MODEL, fleet, **more), span)  # type: ignore[arg-type]


def test_a_fleet_is_judged_as_one_device_that_counted_all_of_it(manifest: Manifest) -> None:
    fleet = honest(6, 9)
    every: dict[Window, WindowCounts] = {}
    for windows in fleet.values():
        for window, counts in windows.items():
            every.setdefault(window, WindowCounts()).add(counts)
    for span in (Span.DAY, Span.WEEK, Span.MONTH):
        together = [period.judged for period in judge_fleet(manifest, fleet, span)]
        assert together == list(judge_periods(manifest, every, span))


def test_an_odd_device_makes_no_drift_and_is_told(manifest: Manifest) -> None:
    fleet = honest(4, 7)
    for window, counts in fleet["device-01"].items():
        counts.features["temp"] = high(60)
        assert window in fleet["device-00"]
    found = judged(manifest, fleet)
    assert judgements(found, "temp") == [Judgement.OK]
    (one,) = found.periods[0].odd
    assert (one.device, one.feature, one.rows) == ("device-01", "temp", 420)
    assert found.periods[0].live(manifest)["temp"].sum() == 3 * 420
    assert found.periods[0].counts.features["temp"][11] == 420, "what it counted is still known"
    assert not found.alarm(1)


def test_what_the_whole_fleet_shows_is_drift(manifest: Manifest) -> None:
    fleet = honest(4, 7)
    for windows in fleet.values():
        for counts in windows.values():
            counts.features["temp"] = high(60)
    found = judged(manifest, fleet)
    assert judgements(found, "temp") == [Judgement.ALARM]
    assert found.periods[0].odd == ()
    assert found.alarm(1)


def test_a_fleet_of_one_is_judged_as_it_is(manifest: Manifest) -> None:
    fleet = honest(1, 7)
    for counts in fleet["device-00"].values():
        counts.features["temp"] = gone(60)
    found = judged(manifest, fleet)
    assert (judgements(found, "temp"), found.periods[0].odd) == ([Judgement.ALARM], ())


def test_too_few_rows_are_insufficient_and_no_alarm(manifest: Manifest) -> None:
    fleet = {"device-00": {day(0): counted(np.random.default_rng(1), 20, {"temp": high(20)})}}
    found = judged(manifest, fleet, Span.DAY)
    assert judgements(found, "temp") == [Judgement.INSUFFICIENT]
    assert not found.alarm(1)


def test_groups_are_judged_apart_and_the_whole_tells_what_is_odd(manifest: Manifest) -> None:
    fleet = honest(12, 7, 100)
    groups = {f"device-{one:02}": "north" if one < 4 else "south" for one in range(12)}
    for one in range(4):
        for counts in fleet[f"device-{one:02}"].values():
            counts.features["load"] = high(100)
    for counts in fleet["device-11"].values():
        counts.features["temp"] = gone(100)
    found = judged(manifest, fleet, groups=groups)
    alarms = {
        name: [one.name for one in periods[0].judged.findings if one.judgement is Judgement.ALARM]
        for name, periods in found.groups.items()
    }
    assert alarms == {"north": ["load"], "south": []}
    assert [one.device for one in found.groups["south"][0].odd] == ["device-11"]
    assert judged(manifest, honest(2, 1), groups={}).groups == {}


def test_a_folded_month_is_a_period_of_its_own(manifest: Manifest) -> None:
    fleet = honest(2, 2)
    fleet["device-00"][Window("2026-02", Span.MONTH)] = counted(np.random.default_rng(2), 500)
    starts = [period.window.start for period in judge_fleet(manifest, fleet, Span.DAY)]
    assert starts == ["2026-02", "2026-03-02", "2026-03-03"]


def test_a_week_that_has_only_begun_is_held_against_days_too(manifest: Manifest) -> None:
    usual = {**manifest.features[0].baseline.usual, Span.DAY: msgspec.structs.replace(
        manifest.features[0].baseline.usual[Span.DAY], p99=9.0)}  # fmt: skip
    features = tuple(
        msgspec.structs.replace(one, baseline=msgspec.structs.replace(one.baseline, usual=usual))
        for one in manifest.features
    )
    manifest = msgspec.structs.replace(manifest, features=features)
    narrow = np.array([0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    rng = np.random.default_rng(3)
    for days, expected in ((2, Judgement.OK), (7, Judgement.ALARM)):
        fleet = {"device-00": {day(number): counted(rng, 100, {"temp": narrow}) for number in range(days)}}
        assert judgements(judged(manifest, fleet), "temp") == [expected]


def outcomes(fleet: Mapping[str, object], days: int, right: int) -> tuple[Outcome, ...]:
    counts: OutcomeCounts = right_and_wrong(50, right)
    return tuple(
        Outcome(OUTCOME, device, MODEL, day(number), 1, "e", -20, counts) for device in fleet for number in range(days)
    )


def test_outcomes_that_fall_while_inputs_stay_are_concept_drift(manifest: Manifest) -> None:
    fleet = honest(6, 7)
    found = judged(manifest, fleet, outcomes=outcomes(fleet, 7, 30))
    (result,) = found.results
    (standing,) = result.standings
    assert (result.counts.rows, result.scored) == (6 * 7 * 50, 6 * 7 * 60)
    assert standing.judgement is Judgement.ALARM
    assert "concept drift" in standing.words()
    assert found.alarm(1)
    good = judged(manifest, fleet, outcomes=outcomes(fleet, 7, 45))
    assert (good.results[0].standings[0].judgement, good.alarm(1)) == (Judgement.OK, False)


def test_outcomes_that_fall_while_inputs_move_too_are_not_called_concept_drift(manifest: Manifest) -> None:
    fleet = honest(6, 7)
    for windows in fleet.values():
        for counts in windows.values():
            counts.features["temp"] = high(60)
    (result,) = judged(manifest, fleet, outcomes=outcomes(fleet, 7, 30)).results
    assert "inputs have drifted too" in result.standings[0].words()


def test_without_a_calibrated_model_nothing_is_estimated(manifest: Manifest) -> None:
    gate = Gate(Stage.MODEL, "calibration", "", "", "", Verdict.PASSED)
    counted_ = Counted(MODEL, honest(2, 7))
    assert judge_bundle(manifest, PLAIN, counted_, Span.WEEK).results == ()
    (result,) = judge_bundle(manifest, Validation("hakobu.validation/1", (gate,)), counted_, Span.WEEK).results
    assert (result.counts.rows, result.estimate) == (0, None), "and this one gives no probabilities"


def test_parcels_in_any_order_and_twice_come_to_the_same_counts() -> None:
    key, rng = PrivateKey.generate(), np.random.default_rng(0)
    first = parcel("device-00", MODEL, {day(0): counted(rng, 10)}, key)
    second = parcel("device-00", MODEL, {day(0): counted(rng, 30), day(1): counted(rng, 5)}, key, serial=2)
    other = parcel("device-01", MODEL, {day(0): counted(rng, 7)}, key)
    found = [gather(order) for order in ((first, second, other), (other, second, first, second))]
    assert [
        {
            device: {window.start: counts.rows for window, counts in windows.items()}
            for device, windows in one.devices.items()
        }
        for (one,) in found
    ] == [{"device-00": {"2026-03-02": 30, "2026-03-03": 5}, "device-01": {"2026-03-02": 7}}] * 2


def test_what_ended_before_is_left_out() -> None:
    found = Counted(MODEL, honest(1, 5)).since(datetime(2026, 3, 4, 12, tzinfo=UTC))
    assert sorted(window.start for window in found.devices["device-00"]) == ["2026-03-04", "2026-03-05", "2026-03-06"]
    assert Counted(MODEL, honest(1, 5)).since(datetime(2027, 1, 1, tzinfo=UTC)).devices == {}


def test_counts_that_do_not_fit_the_bundle_are_left_out_and_told(manifest: Manifest) -> None:
    fleet = honest(2, 2)
    fleet["device-00"][day(0)].features["temp"] = np.zeros(3, dtype=np.int64)
    fleet["device-01"][day(1)].features["<b>"] = np.zeros(BINS.size, dtype=np.int64)
    kept, words = Counted(MODEL, fleet).fitting(manifest)
    assert [sorted(windows) for windows in kept.devices.values()] == [[day(1)], [day(0)]]
    assert words == (
        "device device-00, 2026-03-02: temp is counted over 3 slots, where the bundle has 14; it is left out",
        "device device-01, 2026-03-03: '<b>' is counted, which is nothing of the bundle's; it is left out",
    )


def test_a_device_that_was_odd_on_one_day_is_told_with_it_and_drifts_no_longer_period(manifest: Manifest) -> None:
    fleet = honest(12, 7)
    fleet["device-03"][day(2)].features["temp"] = high(60)
    for span in (Span.WEEK, Span.MONTH):
        (period,) = judged(manifest, fleet, span).periods
        (one,) = period.odd
        assert (one.device, one.feature, one.days, one.rows) == ("device-03", "temp", ("2026-03-04",), 60)
        assert period.live(manifest)["temp"].sum() == (12 * 7 - 1) * 60, "its other days are believed"
        assert period.live(manifest)["load"].sum() == 12 * 7 * 60
    (by_day,) = (period for period in judged(manifest, fleet, Span.DAY).periods if period.odd)
    assert (by_day.window, by_day.odd[0].days) == (day(2), ())


def test_a_device_that_counted_a_part_of_a_strange_week_is_not_odd_for_that(manifest: Manifest) -> None:
    """It counted on Monday and Tuesday, which were alike for all; the rest of the week was not."""
    narrow = np.array([0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    fleet = honest(12, 7)
    for number in (0, 1):
        for windows in fleet.values():
            windows[day(number)].features["temp"] = narrow
    fleet["device-03"] = {day(number): fleet["device-03"][day(number)] for number in (0, 1)}
    (week,) = judged(manifest, fleet).periods
    assert (week.odd, week.devices) == ((), 12)


def test_devices_that_all_began_midway_are_compared_with_each_other(manifest: Manifest) -> None:
    fleet = {device: dict(list(windows.items())[4:]) for device, windows in honest(12, 7, 20).items()}
    for counts in fleet["device-03"].values():
        counts.features["temp"] = gone(20)
    (week,) = judged(manifest, fleet).periods
    assert [(one.device, one.feature, one.days) for one in week.odd] == [("device-03", "temp", ())]


def test_no_honest_device_is_odd_on_a_day_of_a_month(manifest: Manifest) -> None:
    """Days of hours, folded months and days, which are all compared as what they are."""
    rng = np.random.default_rng(8)
    fleet = honest(30, 28)
    for device in list(fleet)[:5]:
        fleet[device] = {Window("2026-03", Span.MONTH): counted(rng, 28 * 60)}
    for device in list(fleet)[5:10]:
        hours = [Window(f"{day(number).start}T{hour:02}", Span.HOUR) for number in range(28) for hour in (6, 7)]
        fleet[device] = {hour: counted(rng, 30) for hour in hours}
    (month,) = judged(manifest, fleet, Span.MONTH).periods
    assert (month.odd, month.devices) == ((), 30)
    fleet["device-07"][Window("2026-03-10T07", Span.HOUR)].features["temp"] = gone(30)
    fleet["device-07"][Window("2026-03-10T06", Span.HOUR)].features["temp"] = gone(30)
    (month,) = judged(manifest, fleet, Span.MONTH).periods
    assert [(one.device, one.days, one.rows) for one in month.odd] == [("device-07", ("2026-03-10",), 60)]

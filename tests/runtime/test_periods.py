"""Periods held against training: whole and in part, of a single device and of a large fleet."""

import numpy as np
import pytest

from hakobu_runtime.format.drift import ALARM, Judgement, judge
from hakobu_runtime.format.feature import Baseline, Usual
from hakobu_runtime.format.histogram import NumberBins
from hakobu_runtime.format.periods import told_part
from hakobu_runtime.format.window import Span, Window

BINS = NumberBins(tuple(float(edge) for edge in range(11)))
TRAINED = (0, *[1000] * 10, 0, 0, 0)


def days(first: int, last: int) -> list[Window]:
    return [Window(f"2026-03-{day:02}", Span.DAY) for day in range(first, last + 1)]


@pytest.mark.parametrize(
    ("window", "counted", "told"),
    [
        (Window("2026-W11", Span.WEEK), days(9, 15), Span.WEEK),
        (Window("2026-W11", Span.WEEK), days(9, 13), Span.WEEK),
        (Window("2026-W11", Span.WEEK), days(9, 11), Span.DAY),
        (Window("2026-W11", Span.WEEK), [*days(9, 9), *days(15, 15)], Span.WEEK),
        (Window("2026-03", Span.MONTH), days(1, 31), Span.MONTH),
        (Window("2026-03", Span.MONTH), days(10, 16), Span.WEEK),
        (Window("2026-03", Span.MONTH), days(1, 2), Span.DAY),
        (Window("2026-03", Span.MONTH), [Window("2026-03", Span.MONTH)], Span.MONTH),
        (Window("2026-03-09", Span.DAY), [Window("2026-03-09", Span.DAY)], Span.DAY),
        (Window("2026-03", Span.MONTH), [], Span.MONTH),
    ],
)
def test_a_period_is_whole_when_most_of_it_lies_between_its_first_and_last_count(
    window: Window, counted: list[Window], told: Span
) -> None:
    assert told_part(window, counted) is told


def judged(usual: dict[Span, Usual], live: list[int], span: Span = Span.DAY, told: Span | None = None) -> Judgement:
    baseline = Baseline(BINS, TRAINED, usual)
    (finding,) = judge({"temp": baseline}, {"temp": np.array(live)}, span, told)
    return finding.judgement


def test_a_part_of_a_week_may_stray_as_far_as_a_day() -> None:
    usual, live = {Span.DAY: Usual(7, 6.0), Span.WEEK: Usual(7, 0.1)}, [0, *[100] * 3, *[0] * 10]
    assert judged(usual, live, Span.WEEK) is Judgement.ALARM
    assert judged(usual, live, Span.WEEK, Span.DAY) is Judgement.OK


@pytest.mark.parametrize("many", [1, 10, 1000])
def test_what_is_usual_of_a_day_is_usual_of_it_however_many_devices_count_it(many: int) -> None:
    """Each day of training held 200 rows, all in one bin: a fleet's days do so too, with more rows."""
    one_day = np.array([0, 200, *[0] * 12])
    alone = judge({"temp": Baseline(BINS, TRAINED)}, {"temp": one_day}, Span.DAY)[0].debiased
    usual = {Span.DAY: Usual(sum(TRAINED) // 200, alone)}
    assert judged(usual, [0, 200 * many, *[0] * 12]) is Judgement.OK
    assert judged({Span.DAY: Usual(50, alone / 3)}, [0, 200 * many, *[0] * 12]) is Judgement.ALARM


def test_the_more_features_are_judged_the_further_one_of_them_may_stray() -> None:
    moved = np.array([0, 600, 300, *[60] * 8, 0, 0, 0])
    far = judge({"temp": Baseline(BINS, TRAINED)}, {"temp": moved}, Span.DAY)[0].debiased
    assert far > ALARM
    usual = {Span.DAY: Usual(50, far / 1.3)}
    some = {f"feature {number}": Baseline(BINS, TRAINED, usual) for number in range(20)}
    counts = {name: np.array([0, *[100] * 10, 0, 0, 0]) for name in some}
    one = {"feature 0": some["feature 0"]}
    assert judge(one, {"feature 0": moved}, Span.DAY)[0].judgement is Judgement.ALARM
    assert judge(some, {**counts, "feature 0": moved}, Span.DAY)[0].judgement is Judgement.OK
    few = {name: Baseline(BINS, TRAINED, {Span.DAY: Usual(3, far / 1.3)}) for name in some}
    found = judge(few, {**counts, "feature 0": moved}, Span.DAY)[0]
    assert found.judgement is Judgement.ALARM, "three windows tell of no tail"
    assert found.threshold == pytest.approx(far / 1.3)

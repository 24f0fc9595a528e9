"""Counts of outcomes: exact, mergeable in any order, and as good as the rows for what is measured from them."""

from math import sqrt
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest, norm
from sklearn.metrics import accuracy_score, brier_score_loss, mean_absolute_error, mean_squared_error, roc_auc_score

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.concept import judge_outcomes
from hakobu_runtime.format.drift import Judgement
from hakobu_runtime.format.histogram import NumberBins
from hakobu_runtime.format.manifest import Metric
from hakobu_runtime.format.measures import (
    accuracy,
    auc,
    bias,
    brier,
    calibration,
    expected_accuracy,
    falls_by_chance,
    mean_absolute,
    mean_square,
    wilson,
)
from hakobu_runtime.format.outcome import SCORE_EDGES, OutcomeCounts, Subject, counts_of
from hakobu_runtime.format.tally import ModelName

MODEL = ModelName("late", "1.0.0", "0" * 64)
METRICS = {"accuracy": Metric(0.9, 0.8), "roc_auc": Metric(0.9, 0.8), "neg_mean_absolute_error": Metric(-0.9, -1.0)}
BINARY = Subject(MODEL, "late", ("no", "yes"), True, -20, METRICS, 1000)
THREE = Subject(MODEL, "late", ("a", "b", "c"), True, -20, METRICS, 1000)
REGRESSION = Subject(MODEL, "late", (), False, -17, METRICS, 1000)
Rows = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64]]


def binary_rows(rows: int, seed: int = 0, strength: float = 2.0) -> Rows:
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=rows)
    scores = (1 / (1 + np.exp(-strength * odds))).astype(np.float32)
    truths = (rng.random(rows) < 1 / (1 + np.exp(-2.0 * odds))).astype(np.float64)
    return (scores > 0.5).astype(np.int64), scores, truths


def some(subject: Subject, rows: Rows, chosen: NDArray[np.int64]) -> OutcomeCounts:
    codes, scores, truths = rows
    return counts_of(subject, codes[chosen], scores[chosen], truths[chosen])


def as_binned(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.digitize(scores, np.array(SCORE_EDGES, dtype=np.float32))


def test_accuracy_and_brier_are_those_of_the_rows() -> None:
    codes, scores, truths = binary_rows(5000)
    counts = counts_of(BINARY, codes, scores, truths)
    found = accuracy(counts)
    assert found is not None
    assert found.value == accuracy_score(truths, codes)
    assert brier(counts, -20) == pytest.approx(brier_score_loss(truths, scores), abs=1e-6)


def test_the_area_is_that_of_the_binned_scores_exactly_and_of_the_rows_nearly() -> None:
    codes, scores, truths = binary_rows(5000)
    found = auc(counts_of(BINARY, codes, scores, truths))
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(truths, as_binned(scores)), abs=1e-12)
    assert found.value == pytest.approx(roc_auc_score(truths, scores), abs=5e-4)


def test_the_error_of_the_area_is_delongs() -> None:
    codes, scores, truths = binary_rows(300)
    found = auc(counts_of(BINARY, codes, scores, truths))
    slots = as_binned(scores)
    wins = (slots[truths == 1][:, None] > slots[truths == 0]) + 0.5 * (
        slots[truths == 1][:, None] == slots[truths == 0]
    )
    variance = wins.mean(axis=1).var(ddof=1) / (truths == 1).sum() + wins.mean(axis=0).var(ddof=1) / (truths == 0).sum()
    assert found is not None
    assert found.error == pytest.approx(sqrt(variance), rel=1e-9)


@pytest.mark.parametrize(("hits", "rows"), [(0, 5), (5, 5), (3, 7), (800, 1000)])
def test_the_bounds_of_a_share_are_wilsons(hits: int, rows: int) -> None:
    theirs = binomtest(hits, rows).proportion_ci(method="wilson")
    assert wilson(hits, rows) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_a_fall_by_chance_is_the_normal_tail() -> None:
    assert falls_by_chance(0.03, 0.01) == pytest.approx(norm.sf(3.0))
    assert (falls_by_chance(0.1, 0.0), falls_by_chance(0.0, 0.0)) == (0.0, 1.0)


def test_calibration_tells_what_came_of_each_tenth() -> None:
    codes, scores, truths = binary_rows(3000)
    for place, tenth in enumerate(calibration(counts_of(BINARY, codes, scores, truths))):
        within = np.digitize(scores, np.arange(1, 10, dtype=np.float32) / np.float32(10)) == place
        assert tenth.rows == within.sum()
        assert tenth.so == pytest.approx(truths[within].mean(), nan_ok=True)


def test_errors_of_a_regression_are_those_of_the_rows_to_a_millionth_of_the_spread() -> None:
    rng = np.random.default_rng(0)
    values, truths = rng.normal(size=2000), rng.normal(size=2000)
    counts = counts_of(REGRESSION, np.zeros(2000, dtype=np.int64), values, truths)
    assert (counts.confusion, counts.so) == ((), ())
    assert mean_absolute(counts, -17).value == pytest.approx(mean_absolute_error(truths, values), abs=1e-5)
    assert mean_square(counts, -17) == pytest.approx(mean_squared_error(truths, values), rel=1e-5)
    assert bias(counts, -17) == pytest.approx((values - truths).mean(), abs=1e-5)


def test_of_three_classes_the_largest_probability_is_held_against_whether_it_was_right() -> None:
    codes = np.array([0, 1, 2, 2])
    counts = counts_of(THREE, codes, np.array([0.9, 0.4, 0.8, 0.5], dtype=np.float32), np.array([0.0, 2.0, 2.0, 2.0]))
    assert counts.confusion == ((0, 0, 1), (2, 1, 1), (2, 2, 2))
    assert (sum(counts.not_so), sum(counts.so)) == (1, 3)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([BINARY, THREE, REGRESSION]))
def test_counts_of_parts_in_any_order_are_the_counts_of_all_rows(data: st.DataObject, subject: Subject) -> None:
    rows = data.draw(st.integers(1, 60))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    most = max(len(subject.classes), 1)
    scores = rng.random(rows).astype(np.float32) if subject.classes else rng.normal(size=rows) * 1e3
    truths = rng.integers(0, most, rows).astype(np.float64) if subject.classes else rng.normal(size=rows) * 1e3
    whole: Rows = (rng.integers(0, most, rows), scores, truths)  # type: ignore[assignment]
    owner = np.array(data.draw(st.lists(st.integers(0, 4), min_size=rows, max_size=rows)))
    parts = [some(subject, whole, np.flatnonzero(owner == one)) for one in data.draw(st.permutations(range(5)))]
    total = OutcomeCounts()
    for part in parts:
        total = total.plus(part)
    assert total == some(subject, whole, np.arange(rows))
    assert total.minus(parts[0]).plus(parts[0]) == total
    assert decode(encode(total), OutcomeCounts, "here") == total


@pytest.mark.parametrize(
    "change",
    [
        {"rows": -1},
        {"rows": 11},
        {"confusion": ((1, 1, 5), (0, 0, 5))},
        {"confusion": ((0, 0, 5), (0, 0, 5))},
        {"so": (10,)},
        {"error": 10**9},
        {"absolute": -1},
        {"squares": 0},
        {"squares": -1},
    ],
    ids=lambda change: "-".join(f"{name}{str(value)[:3]}" for name, value in change.items()),
)
def test_counts_that_contradict_each_other_are_refused(change: dict[str, object]) -> None:
    codes, scores, truths = binary_rows(10)
    counts = counts_of(BINARY, codes, scores, truths)
    with pytest.raises(FormatError):
        decode(msgspec.json.encode({**msgspec.to_builtins(counts), **change}), OutcomeCounts, "here")


def test_a_part_that_is_none_cannot_be_taken_out() -> None:
    rows = binary_rows(10)
    with pytest.raises(FormatError):
        some(BINARY, rows, np.arange(3)).minus(some(BINARY, rows, np.arange(10)))


def by_day(
    subject: Subject, rows: tuple[NDArray[Any], NDArray[Any], NDArray[Any]], days: int = 20
) -> list[OutcomeCounts]:
    """The counts of rows that came on so many days, about as many on each."""
    parts = zip(*(np.array_split(column, days) for column in rows), strict=True)
    return [counts_of(subject, codes, scores, truths) for codes, scores, truths in parts]


def judged(days: list[OutcomeCounts], subject: Subject = BINARY) -> dict[str, Judgement]:
    return {one.metric: one.judgement for one in judge_outcomes(subject, days, inputs_drifted=False)}


def holdout_like(rows: int = 4000) -> Subject:
    """The subject whose hold-out was as these rows are."""
    counts = counts_of(BINARY, *binary_rows(rows, seed=7))
    right, area = accuracy(counts), auc(counts)
    assert right is not None
    assert area is not None
    metrics = {"accuracy": Metric(0.9, right.value), "roc_auc": Metric(0.9, area.value)}
    return msgspec.structs.replace(BINARY, metrics=metrics, holdout_rows=rows)


def test_a_model_as_good_as_on_its_holdout_is_ok() -> None:
    assert set(judged(by_day(BINARY, binary_rows(4000)), holdout_like()).values()) == {Judgement.OK}


def test_labels_that_contradict_the_model_are_an_alarm_named_concept_drift_where_inputs_stay() -> None:
    codes, scores, truths = binary_rows(4000)
    days = by_day(BINARY, (codes, scores, np.roll(truths, 1)))
    assert set(judged(days, holdout_like()).values()) == {Judgement.ALARM}
    same, drifted = (judge_outcomes(holdout_like(), days, inputs_drifted=one)[0].words() for one in (False, True))
    assert "concept drift" in same
    assert "concept drift" not in drifted


def test_few_labels_are_insufficient_whatever_they_say() -> None:
    codes, scores, truths = binary_rows(40)
    assert set(judged(by_day(BINARY, (codes, scores, np.roll(truths, 1)), 6), holdout_like()).values()) == {
        Judgement.INSUFFICIENT
    }


def test_the_same_model_on_the_same_kind_of_rows_seldom_alarms() -> None:
    subject = holdout_like()
    found = [judged(by_day(BINARY, binary_rows(3000, seed=seed)), subject) for seed in range(100, 300)]
    assert sum(Judgement.ALARM in one.values() for one in found) == 0
    assert sum(Judgement.WARN in one.values() for one in found) <= 6


def test_days_that_differ_as_days_do_are_no_reason_for_an_alarm() -> None:
    rng = np.random.default_rng(0)
    truths = np.zeros(3000)
    scores = np.full(3000, 0.25, dtype=np.float32)
    lists = {"by row": rng.random(3000) < 0.27, "by day": np.repeat(rng.random(20) < 0.27, 150)}
    found = {}
    for name, late in lists.items():
        days = by_day(BINARY, (np.zeros(3000, dtype=np.int64), scores, truths + late))
        subject = msgspec.structs.replace(BINARY, metrics={"accuracy": Metric(0.9, 0.8)}, holdout_rows=10**6)
        found[name] = judged(days, subject)["accuracy"]
    assert found == {"by row": Judgement.ALARM, "by day": Judgement.WARN}


def test_fewer_than_five_days_raise_no_alarm_however_many_labels() -> None:
    codes, scores, truths = binary_rows(4000)
    four, five = (judged(by_day(BINARY, (codes, scores, np.roll(truths, 1)), days), holdout_like()) for days in (4, 5))
    assert set(four.values()) == {Judgement.WARN}
    assert set(five.values()) == {Judgement.ALARM}


def test_a_regression_is_judged_by_how_much_its_mean_error_has_grown() -> None:
    rng = np.random.default_rng(0)
    truths = rng.normal(size=3000) * 10
    zeros = np.zeros(3000, dtype=np.int64)
    for width, judgement in ((1.0, Judgement.OK), (1.15, Judgement.WARN), (1.5, Judgement.ALARM)):
        values = truths + rng.laplace(scale=width, size=3000)  # whose mean absolute error is its scale
        days = by_day(REGRESSION, (zeros, values, truths))
        subject = msgspec.structs.replace(REGRESSION, holdout_rows=30_000)
        assert judged(days, subject) == {"mean_absolute_error": judgement}


def test_a_calibrated_model_expects_what_it_then_gets() -> None:
    codes, scores, truths = binary_rows(20_000)
    bins = NumberBins(tuple(np.quantile(scores, np.arange(0, 1.01, 0.1)).tolist()))
    found = expected_accuracy(bins, bins.count(scores), 2)
    assert found is not None
    assert found.low <= accuracy_score(truths, codes) <= found.high
    assert found.value == pytest.approx(accuracy_score(truths, codes), abs=0.01)
    assert found.low <= np.maximum(scores, 1 - scores).mean() <= found.high

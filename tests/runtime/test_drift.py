import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.drift import (
    ALARM,
    ALPHA,
    WARN,
    Finding,
    Judgement,
    Report,
    judge,
    share_text,
    usual_drift,
)
from hakobu_runtime.format.feature import Baseline, Usual
from hakobu_runtime.format.histogram import CategoryBins, Counts, NumberBins
from hakobu_runtime.format.statistics import chi2_critical, distance
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span

EDGES = (*(float(edge) for edge in range(0, 100, 10)), 100.5)
BINS = NumberBins(EDGES)
TRAINED = (0, *[8_000] * 10, 0, 0, 0)
MODEL = ModelName("late-flights", "1.0.0", "a" * 64)


def baseline(usual: dict[Span, float] | None = None, counts: tuple[int, ...] = TRAINED) -> Baseline:
    return Baseline(BINS, counts, {span: Usual(90, p99) for span, p99 in (usual or {}).items()})


def live(**slots: int) -> Counts:
    """Spread `inside` rows evenly over the bins, and add others by the slot's name."""
    counts = np.array([slots.get("below", 0), *[slots["inside"] // 10] * 10, slots.get("above", 0)])
    return np.append(counts, [slots.get("missing", 0), slots.get("invalid", 0)])


def only(usual: dict[Span, float] | None, counts: Counts, span: Span = Span.DAY) -> Finding:
    (finding,) = judge({"temp": baseline(usual)}, {"temp": counts}, span)
    return finding


def psi_of(debiased: float, rows: int = 100_000) -> Counts:
    """Return counts over BINS whose de-biased PSI is just above `debiased`, by moving rows from one bin to another."""
    for moved in range(0, rows // 10, max(1, rows // 10_000)):
        counts = live(inside=rows)
        counts[1] -= moved
        counts[2] += moved
        if distance(np.array(TRAINED), counts).debiased > debiased:
            return counts
    raise AssertionError("never as far as that")


# --- verdicts ---


def test_live_rows_like_training_are_ok() -> None:
    finding = only({Span.DAY: 0.02}, live(inside=5_000))
    assert finding.judgement is Judgement.OK
    assert finding.words() == "temp is as in training"
    assert (finding.rows, finding.span, finding.threshold) == (5_000, Span.DAY, 0.02)


@pytest.mark.parametrize(
    ("debiased", "judgement"),
    [
        (0.0, Judgement.OK),
        (0.08, Judgement.OK),
        (WARN, Judgement.WARN),
        (0.19, Judgement.WARN),
        (ALARM, Judgement.ALARM),
    ],
)
def test_the_judgement_follows_the_debiased_psi(debiased: float, judgement: Judgement) -> None:
    finding = only(None, psi_of(debiased))
    assert finding.debiased == pytest.approx(debiased, abs=0.01)
    assert finding.judgement is judgement


def test_the_figures_are_those_of_the_statistics() -> None:
    counts = live(inside=900, above=60, missing=40)
    finding, expected = only(None, counts), distance(np.array(TRAINED), counts)
    for name in ("psi", "debiased", "kl", "js", "p_value"):
        assert getattr(finding, name) == getattr(expected, name)


def test_few_rows_are_insufficient_however_far_off() -> None:
    finding = only(None, live(inside=0, above=40))
    assert finding.judgement is Judgement.INSUFFICIENT
    assert finding.words() == (
        "temp cannot be judged yet: 40 rows are too few, though 100 % of rows are above 100.5, in training 0.0 %"
    )


def test_few_rows_like_training_are_just_too_few() -> None:
    assert only(None, live(inside=40)).words() == "temp cannot be judged yet: 40 rows are too few"


def test_the_first_sufficient_row_count_is_where_chance_stays_below_the_alarm() -> None:
    critical = chi2_critical(ALPHA, 9)
    enough = next(n for n in range(10, 10_000, 10) if (1 / n + 1 / 80_000) * critical <= ALARM)
    assert only(None, live(inside=enough - 10)).judgement is Judgement.INSUFFICIENT
    assert only(None, live(inside=enough)).judgement is Judgement.OK


@pytest.mark.parametrize("counts", [{}, {"temp": np.zeros(BINS.size, dtype=np.int64)}])
def test_no_rows_are_insufficient(counts: dict[str, Counts]) -> None:
    (finding,) = judge({"temp": baseline()}, counts, Span.DAY)
    assert (finding.judgement, finding.rows, finding.psi) == (Judgement.INSUFFICIENT, 0, 0)
    assert finding.words() == "temp cannot be judged yet: 0 rows are too few"


def test_a_day_as_unusual_as_days_of_training_were_is_ok_and_says_so() -> None:
    counts = psi_of(0.5)
    assert only({Span.DAY: 0.4}, counts).judgement is Judgement.ALARM
    finding = only({Span.DAY: 0.6}, counts)
    assert finding.judgement is Judgement.OK
    assert finding.words().startswith("temp differs no more than a day in training did: ")


def test_a_reference_below_the_limits_lowers_none_of_them() -> None:
    assert only({Span.DAY: 0.001}, psi_of(0.05)).judgement is Judgement.OK


@pytest.mark.parametrize(
    ("usual", "span", "threshold"),
    [
        ({Span.HOUR: 0.3, Span.DAY: 0.2, Span.MONTH: 0.1}, Span.DAY, 0.2),
        ({Span.HOUR: 0.3, Span.DAY: 0.2}, Span.MONTH, 0.2),
        ({Span.HOUR: 0.3}, Span.WEEK, 0.3),
        ({Span.WEEK: 0.3, Span.MONTH: 0.1}, Span.DAY, 0.0),
        ({}, Span.DAY, 0.0),
    ],
)
def test_the_reference_is_that_of_the_span_or_the_nearest_shorter_one(
    usual: dict[Span, float], span: Span, threshold: float
) -> None:
    assert only(usual, live(inside=5_000), span).threshold == threshold


def test_a_drift_that_is_not_significant_among_many_features_is_ok() -> None:
    counts = psi_of(0.11, rows=130)
    alone = only(None, counts)
    assert alone.judgement is Judgement.WARN
    assert ALPHA / 50 < alone.p_value <= ALPHA
    names = [f"feature {number}" for number in range(49)]
    crowd = judge(
        {"temp": baseline(), **dict.fromkeys(names, baseline())},
        {"temp": counts, **dict.fromkeys(names, live(inside=130))},
        Span.DAY,
    )
    assert [finding.judgement for finding in crowd] == [Judgement.OK] * 50


def test_features_with_too_few_rows_cost_the_others_nothing() -> None:
    counts = psi_of(0.11, rows=130)
    empty = {f"feature {number}": baseline() for number in range(49)}
    assert judge({"temp": baseline(), **empty}, {"temp": counts}, Span.DAY)[0].judgement is Judgement.WARN


def test_inputs_that_are_all_missing_or_no_number_show() -> None:
    missing = only(None, live(inside=0, missing=500))
    assert missing.judgement is Judgement.ALARM
    assert missing.words() == "temp has drifted: 100 % of rows are missing, in training 0.0 %"
    assert missing.moved.label == "missing"
    invalid = only(None, live(inside=0, invalid=500))
    assert invalid.words() == "temp has drifted: 100 % of rows hold no number, in training 0.0 %"


def test_a_feature_that_was_always_missing_and_still_is_is_ok() -> None:
    always = baseline(counts=(0, *[0] * 10, 0, 500, 0))
    (finding,) = judge({"temp": always}, {"temp": live(inside=0, missing=500)}, Span.DAY)
    assert finding.judgement is Judgement.OK


def test_counts_over_other_bins_are_refused_by_name() -> None:
    with pytest.raises(FormatError, match="temp: 3 live counts cannot be held against 14"):
        judge({"temp": baseline()}, {"temp": np.array([1, 2, 3])}, Span.DAY)


def test_findings_stand_in_the_order_of_the_baselines() -> None:
    names = ["wind", "temp", "alt"]
    found = judge({name: baseline() for name in names}, {}, Span.DAY)
    assert [finding.name for finding in found] == names


# --- words ---


def test_the_sentence_of_the_design() -> None:
    bins = NumberBins((10.0, 30.0, 60.8))
    (finding,) = judge(
        {"temp": Baseline(bins, (0, 500, 500, 0, 0, 0))}, {"temp": np.array([0, 195, 195, 610, 0, 0])}, Span.MONTH
    )
    assert finding.words() == "temp has drifted: 61 % of rows are above 60.8, in training 0.0 %"


@pytest.mark.parametrize(
    ("slot", "words"),
    [
        (0, "are below 0"),
        (1, "are from 0 to below 7.7"),
        (2, "are 7.7"),
        (4, "are 90 or more"),
        (5, "are missing"),
        (6, "hold no number"),
    ],
)
def test_each_slot_of_numbers_has_words(slot: int, words: str) -> None:
    spike = float(np.float32(7.7))
    bins = NumberBins((0.0, spike, float(np.nextafter(np.float32(7.7), np.float32(9))), 90.0))
    counts = np.zeros(bins.size, dtype=np.int64)
    counts[slot] = 1_000
    (finding,) = judge({"x": Baseline(bins, (5, 5, 5, 1_000, 5, 5, 5))}, {"x": counts}, Span.DAY)
    assert finding.words() == f"x has drifted: 100 % of rows {words}, in training 0.5 %"
    assert finding.moved.label == bins.labels()[slot]


@pytest.mark.parametrize(("slot", "words"), [(0, "are 'JFK'"), (2, "are of another category"), (3, "are missing")])
def test_each_slot_of_categories_has_words(slot: int, words: str) -> None:
    counts = np.zeros(4, dtype=np.int64)
    counts[slot] = 1_000
    (finding,) = judge(
        {"origin": Baseline(CategoryBins(("JFK", "LGA")), (5, 1_000, 5, 5))}, {"origin": counts}, Span.DAY
    )
    assert finding.words() == f"origin has drifted: 100 % of rows {words}, in training 0.5 %"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0 %"),
        (1e-9, "under 0.1 %"),
        (0.0012, "0.1 %"),
        (0.0994, "9.9 %"),
        (0.61, "61 %"),
        (0.997, "99.7 %"),
        (0.99999, "over 99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_shares_are_never_shown_as_none_or_all_when_they_are_not(share: float, text: str) -> None:
    assert share_text(share) == text


def test_a_slot_that_lost_much_to_many_others_is_the_one_to_tell() -> None:
    trained = (0, 10_000, *[1_000] * 9, 0, 0, 0)
    (finding,) = judge({"x": baseline(counts=trained)}, {"x": live(inside=5_000)}, Span.DAY)
    assert finding.words() == "x has drifted: 10 % of rows are from 0 to below 10, in training 53 %"


# --- report ---


def test_a_report_is_as_bad_as_its_worst_finding() -> None:
    ok, alarm = only(None, live(inside=5_000)), only(None, psi_of(0.5))
    assert Report(model=MODEL, period="2026-11", findings=(ok, alarm, ok)).worst is Judgement.ALARM
    few = only(None, live(inside=10))
    assert Report(model=MODEL, period="2026-11", findings=(few, ok)).worst is Judgement.OK
    assert Report(model=MODEL, period="2026-11", findings=()).worst is Judgement.INSUFFICIENT


def test_a_report_survives_the_json_border() -> None:
    report = Report(model=MODEL, period="2026-11", findings=(only(None, psi_of(0.5)), only(None, live(inside=0))))
    assert decode(encode(report), Report, "here") == report
    assert msgspec.json.decode(encode(report))["findings"][0]["judgement"] == "alarm"


# --- the reference inside the training period ---


def windows(shares: list[list[float]], rows: int) -> list[Counts]:
    rng = np.random.default_rng(3)
    return [rng.multinomial(rows, one).astype(np.int64) for one in shares]


def test_windows_that_are_alike_usually_stray_nowhere() -> None:
    found = windows([[0.25] * 4] * 90, 1_000)
    usual = usual_drift(np.sum(found, axis=0), found)
    assert usual is not None
    assert usual.windows == 90
    assert usual.p99 < 0.02


def test_windows_that_differ_have_a_reference_above_which_few_of_them_lie() -> None:
    rng = np.random.default_rng(4)
    found = windows(rng.dirichlet([8.0] * 4, 200).tolist(), 1_000)
    whole = np.sum(found, axis=0)
    usual = usual_drift(whole, found)
    assert usual is not None
    above = [distance(whole - window, window).debiased > usual.p99 for window in found]
    assert sum(above) == 2
    assert usual.p99 > ALARM


def test_a_window_is_held_against_the_rest_of_training() -> None:
    one, other = np.array([900, 100]), np.array([500, 500])
    usual = usual_drift(one + other, [one, other])
    assert usual is not None
    assert usual.windows == 2
    assert usual.p99 == pytest.approx(distance(other, one).debiased)


@pytest.mark.parametrize("found", [[], [[500, 500]], [[500, 500], [0, 0]], [[500, 500], [3, 2]], [[1_000, 1_000]]])
def test_fewer_than_two_windows_that_can_be_judged_are_no_reference(found: list[list[int]]) -> None:
    assert usual_drift(np.array([1_000, 1_000]), [np.array(window) for window in found]) is None


def test_windows_too_short_to_judge_do_not_blur_the_reference() -> None:
    long, short = windows([[0.1] * 10] * 30, 1_000), windows([[0.1] * 10] * 30, 12)
    whole = np.sum([*long, *short], axis=0)
    usual = usual_drift(whole, [*long, *short])
    assert usual is not None
    assert usual.windows == 30
    assert usual.p99 < 0.05


@given(st.lists(st.lists(st.integers(0, 1_000), min_size=5, max_size=5), max_size=8))
def test_a_reference_is_finite_whatever_the_windows(found: list[list[int]]) -> None:
    parts = [np.array(window, dtype=np.int64) for window in found]
    usual = usual_drift(np.sum([*parts, np.zeros(5, dtype=np.int64)], axis=0), parts)
    assert usual is None or usual.p99 >= 0


# --- false alarms of the whole rule, simulated ---

SHARES = [
    np.array([0.0, *[0.1] * 10, 0.0, 0.0, 0.0]),
    np.array([0.0, 0.7, *[0.3 / 9] * 9, 0.0, 0.0, 0.0]),
    np.array([0.0, *[0.099] * 10, 0.0, 0.01, 0.0]),
]


@pytest.mark.parametrize("rows", [100, 130, 500])
def test_the_whole_rule_seldom_raises_a_false_alarm(rows: int) -> None:
    """Twenty features that do not drift, no reference from training: at most one period in a hundred is called up."""
    rng = np.random.default_rng(5)
    shares = [SHARES[number % len(SHARES)] for number in range(20)]
    known = {
        f"f{number}": baseline(counts=tuple(rng.multinomial(20_000, one).tolist())) for number, one in enumerate(shares)
    }
    hasty, called = 0, 0
    for _ in range(300):
        seen: dict[str, NDArray[np.int64]] = {
            f"f{number}": rng.multinomial(rows, one).astype(np.int64) for number, one in enumerate(shares)
        }
        findings = judge(known, seen, Span.DAY)
        hasty += any(finding.psi > ALARM for finding in findings)
        called += any(finding.judgement in (Judgement.WARN, Judgement.ALARM) for finding in findings)
    assert called <= 6
    if rows == 100:
        assert hasty > 30  # the plain rule "PSI above 0.2" would have called up one period in ten or more
        assert called == 0

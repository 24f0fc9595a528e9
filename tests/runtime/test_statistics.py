from collections import Counter
from collections.abc import Sequence
from math import inf, log, sqrt
from random import Random

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.statistics import (
    chi2_critical,
    chi2_sf,
    debiased_psi,
    distance,
    holm,
    jeffreys,
    js,
    kl,
    noise,
    psi,
)

COUNTS = st.lists(st.integers(0, 10**6), min_size=2, max_size=60)
PAIRS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=2, max_size=60).filter(
    lambda pairs: any(one for one, _ in pairs) and any(other for _, other in pairs)
)
Pairs = list[tuple[int, int]]
Array = NDArray[np.float64]


def both(pairs: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    counts = np.array(pairs, dtype=np.int64)
    return counts[:, 0], counts[:, 1]


# --- against scipy ---


@given(PAIRS)
def test_divergences_equal_those_of_scipy(pairs: Pairs) -> None:
    p, q = (jeffreys(counts) for counts in both(pairs))
    assert kl(p, q) == pytest.approx(scipy.stats.entropy(p, q), rel=1e-9, abs=1e-12)
    assert psi(p, q) == pytest.approx(scipy.stats.entropy(p, q) + scipy.stats.entropy(q, p), rel=1e-9, abs=1e-12)
    assert js(p, q) == pytest.approx(scipy.spatial.distance.jensenshannon(p, q, base=2) ** 2, rel=1e-7, abs=1e-12)


@given(PAIRS)
def test_divergences_of_unsmoothed_shares_equal_those_of_scipy(pairs: Pairs) -> None:
    p, q = (counts / counts.sum() for counts in both(pairs))
    assert kl(p, q) == pytest.approx(scipy.stats.entropy(p, q), rel=1e-9, abs=1e-12)
    assert js(p, q) == pytest.approx(scipy.spatial.distance.jensenshannon(p, q, base=2) ** 2, rel=1e-7, abs=1e-12)


@given(st.integers(1, 500), st.floats(0, 4))
def test_chi_square_tail_equals_that_of_scipy(dof: int, times: float) -> None:
    x = times * dof
    assert chi2_sf(x, dof) == pytest.approx(scipy.stats.chi2.sf(x, dof), rel=1e-10, abs=1e-290)


@given(st.integers(1, 400), st.floats(1e-12, 0.999))
def test_chi_square_critical_value_equals_that_of_scipy(dof: int, alpha: float) -> None:
    assert chi2_critical(alpha, dof) == pytest.approx(scipy.stats.chi2.isf(alpha, dof), rel=1e-9)


@given(st.integers(1, 100), st.floats(0, 500), st.floats(0, 500))
def test_chi_square_tail_falls(dof: int, one: float, other: float) -> None:
    assert chi2_sf(min(one, other), dof) >= chi2_sf(max(one, other), dof) - 1e-15


def test_chi_square_at_its_ends() -> None:
    assert chi2_sf(0, 3) == chi2_sf(-1, 3) == 1
    assert chi2_sf(1e9, 1) == chi2_sf(1e9, 400) == chi2_sf(inf, 2) == 0
    assert chi2_sf(1e-300, 1) == pytest.approx(1)


@pytest.mark.parametrize(("x", "dof"), [(1.0, 0), (1.0, -1), (float("nan"), 2)])
def test_chi_square_of_nonsense_is_refused(x: float, dof: int) -> None:
    with pytest.raises(FormatError, match="chi-square"):
        chi2_sf(x, dof)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, float("nan")])
def test_a_critical_value_needs_a_probability(alpha: float) -> None:
    with pytest.raises(FormatError, match="between 0 and 1"):
        chi2_critical(alpha, 3)


# --- against the peers, whose own figures for `peers_data` are recorded here ---

EVIDENTLY = {  # evidently 0.7.23 (pandas 2.3.3, numpy 2.4.6): Report([ValueDrift(column, method)])
    ("number", "psi"): 0.8771913721244871,
    ("number", "jensenshannon"): 0.2904105565685887,
    ("number", "kl_div"): 0.4036664266845863,
    ("category", "psi"): 5.344530293855258,
    ("category", "jensenshannon"): 0.5105377006067271,
    ("category", "kl_div"): 4.020358626386057,
}
NANNYML = {  # nannyml 0.13.1 (pandas 2.3.3, numpy 2.4.6): UnivariateDriftCalculator, jensen_shannon, one chunk
    "number": 0.3718108819009416,
    "category": 0.6132182727290475,
}


def peers_data() -> dict[str, tuple[Sequence[float], Sequence[float]] | tuple[Sequence[str], Sequence[str]]]:
    """Return 400 reference and 150 live rows: a number that grows and widens, a category that loses A and gains E."""
    r = Random(20261121)
    reference = [round(12.0 + 9.0 * (r.random() + r.random() + r.random() - 1.5), 2) for _ in range(400)]
    live = [round(16.5 + 11.0 * (r.random() + r.random() + r.random() - 1.5), 2) for _ in range(150)]
    known = ["ABCD"[min(3, int(4 * r.random() ** 2))] for _ in range(400)]
    now = ["BCDE"[min(3, int(4 * r.random() ** 2))] for _ in range(150)]
    return {"number": (reference, live), "category": (known, now)}


def evidently_shares(column: str) -> tuple[Array, Array]:
    """Count as Evidently does: Sturges' bins over both sides together, or every category of either."""
    reference, live = peers_data()[column]
    if column == "number":
        edges = np.histogram_bin_edges(np.concatenate([reference, live]), "sturges")
        counts = [np.histogram(values, edges)[0] for values in (reference, live)]
    else:
        keys = sorted({*reference, *live})
        counts = [np.array([Counter(values)[key] for key in keys]) for values in (reference, live)]
    return counts[0] / len(reference), counts[1] / len(live)


def nannyml_shares(column: str) -> tuple[Array, Array]:
    """Count as NannyML does: Doane's bins, or the categories, of the reference, and one for what is left over."""
    reference, live = peers_data()[column]
    if column == "number":
        edges = np.histogram_bin_edges(np.array(reference), "doane")
        counts = [np.histogram(values, edges)[0] for values in (reference, live)]
    else:
        counts = [np.array([Counter(values)[key] for key in sorted({*reference})]) for values in (reference, live)]
    p, q = counts[0] / len(reference), counts[1] / len(live)
    return np.append(p, 0.0), np.append(q, 1 - q.sum())


@pytest.mark.parametrize("column", ["number", "category"])
def test_figures_equal_those_of_evidently_on_its_bins(column: str) -> None:
    p, q = evidently_shares(column)
    assert sqrt(js(p, q) * log(2)) == pytest.approx(EVIDENTLY[column, "jensenshannon"], rel=1e-12)
    p, q = (np.where(shares == 0, 1e-4, shares) for shares in (p, q))
    assert psi(p, q) == pytest.approx(EVIDENTLY[column, "psi"], rel=1e-12)
    assert kl(p / p.sum(), q / q.sum()) == pytest.approx(EVIDENTLY[column, "kl_div"], rel=1e-12)


@pytest.mark.parametrize("column", ["number", "category"])
def test_figures_equal_those_of_nannyml_on_its_bins(column: str) -> None:
    assert sqrt(js(*nannyml_shares(column))) == pytest.approx(NANNYML[column], rel=1e-12)


# --- properties ---


@given(PAIRS)
def test_divergences_are_never_negative_and_js_is_at_most_one(pairs: Pairs) -> None:
    found = distance(*both(pairs))
    assert found.psi >= 0
    assert found.kl >= -1e-12
    assert 0 <= found.js <= 1
    assert 0 <= found.p_value <= 1
    assert 0 <= found.debiased <= found.psi


@given(PAIRS)
def test_psi_and_js_do_not_care_which_side_is_which(pairs: Pairs) -> None:
    one, other = both(pairs)
    there, back = distance(one, other), distance(other, one)
    assert there.psi == pytest.approx(back.psi)
    assert there.js == pytest.approx(back.js, abs=1e-12)


@given(COUNTS.filter(any))
def test_counts_do_not_differ_from_themselves(counts: list[int]) -> None:
    found = distance(np.array(counts), np.array(counts))
    assert (found.psi, found.debiased, found.kl, found.js, found.p_value) == (0, 0, 0, 0, 1)


@given(PAIRS, st.integers(0, 20))
def test_slots_that_nothing_ever_falls_into_change_nothing(pairs: Pairs, empty: int) -> None:
    assert distance(*both([*pairs, *[(0, 0)] * empty])) == distance(*both(pairs))


def test_without_live_rows_there_is_no_distance_and_endless_noise() -> None:
    found = distance(np.array([5, 5]), np.array([0, 0]))
    assert (found.psi, found.debiased, found.noise, found.p_value) == (0, 0, inf, 1)


def test_counts_over_other_slots_are_refused() -> None:
    with pytest.raises(FormatError, match="3 live counts cannot be held against 2 reference counts"):
        distance(np.array([5, 5]), np.array([1, 2, 3]))


def test_a_hand_calculation_agrees() -> None:
    p, q = np.array([30.5 / 101, 70.5 / 101]), np.array([5.5 / 11, 5.5 / 11])
    assert jeffreys(np.array([30, 70])) == pytest.approx(p)
    found = distance(np.array([30, 70]), np.array([5, 5]))
    assert found.psi == pytest.approx(sum((q - p) * np.log(q / p)))
    assert found.noise == noise(100, 10) == pytest.approx(0.11)
    assert found.debiased == debiased_psi(found.psi, 1, 0.11) == pytest.approx(found.psi - 0.11)
    assert found.dof == 1
    assert found.p_value == pytest.approx(scipy.stats.chi2.sf(found.psi / 0.11, 1))


def test_debiased_psi_is_never_below_nought() -> None:
    assert debiased_psi(0.05, 10, 0.01) == 0


# --- Holm ---


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0.001, 0.5))
def test_holm_equals_its_definition(p_values: list[float], alpha: float) -> None:
    """Reject the k smallest for the largest k such that each of them is at or below alpha / (m - its rank)."""
    ordered = sorted(p_values)
    held = [value <= alpha / (len(ordered) - rank) for rank, value in enumerate(ordered)]
    rejected = held.index(False) if False in held else len(held)
    found = holm(p_values, alpha)
    assert sum(found) == rejected
    assert sorted(value for value, one in zip(p_values, found, strict=True) if one) == ordered[:rejected]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.001, 0.5))
def test_holm_lies_between_bonferroni_and_no_correction(p_values: list[float], alpha: float) -> None:
    for value, significant in zip(p_values, holm(p_values, alpha), strict=True):
        assert significant or value > alpha / len(p_values)
        assert not significant or value <= alpha


def test_holm_of_its_own_paper_style_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05) == (True, False, False, True)
    assert holm([], 0.05) == ()


# --- the null distribution, simulated ---

UNIFORM = np.array([0.0, *[0.1] * 10, 0.0, 0.0, 0.0])
ZIPF = (1 / np.arange(1, 21)) / np.sum(1 / np.arange(1, 21))


@pytest.mark.parametrize("shares", [UNIFORM, ZIPF], ids=["deciles and empty slots", "skewed categories"])
@pytest.mark.parametrize(("trained", "live"), [(1_000, 1_000), (20_000, 400)])
def test_psi_over_k_is_chi_square_when_nothing_drifts(shares: Array, trained: int, live: int) -> None:
    rng = np.random.default_rng(7)
    found = [distance(rng.multinomial(trained, shares), rng.multinomial(live, shares)) for _ in range(1_500)]
    ratios = [one.psi / one.noise / one.dof for one in found]
    assert np.mean(ratios) == pytest.approx(1, abs=0.06)
    assert np.mean([one.p_value <= 0.05 for one in found]) == pytest.approx(0.05, abs=0.02)
    assert np.mean([one.p_value <= 0.01 for one in found]) == pytest.approx(0.01, abs=0.01)


def test_rare_categories_make_the_test_cautious_and_never_hasty() -> None:
    rng = np.random.default_rng(8)
    shares = (1 / np.arange(1, 21) ** 2) / np.sum(1 / np.arange(1, 21) ** 2)
    found = [distance(rng.multinomial(20_000, shares), rng.multinomial(100, shares)) for _ in range(1_500)]
    assert np.mean([one.psi / one.noise / one.dof for one in found]) < 1
    assert np.mean([one.p_value <= 0.01 for one in found]) <= 0.01

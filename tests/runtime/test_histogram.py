import warnings
from itertools import pairwise
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.histogram import BinRows, CategoryBins, NumberBins, as_counts, number_text

EDGES = st.lists(st.floats(-1e6, 1e6, width=32).map(lambda edge: edge + 0.0), min_size=2, max_size=12, unique=True).map(
    lambda edges: tuple(sorted(edges))
)
Drawn = tuple[NumberBins, NDArray[np.floating]]
TEXTS = st.sampled_from(["", "a", "b", "B", " a", "other", "missing", "日本"])


@st.composite
def bins_and_values(draw: st.DrawFn) -> Drawn:
    """Draw number bins and values that love the edges and everything that is no plain number."""
    edges = draw(EDGES)
    dtype: np.dtype[np.floating] = np.dtype(draw(st.sampled_from(["float32", "float64"])))
    exact = np.array(edges, dtype=dtype)
    ends = np.array([-np.inf, np.inf], dtype=dtype)
    near = np.concatenate([exact, np.nextafter(exact, ends[0]), np.nextafter(exact, ends[1])]).tolist()
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, float(np.finfo(np.float32).max), 1e-45]
    some = st.one_of(st.sampled_from([*near, *odd]), st.floats(-2e6, 2e6, width=32))
    return NumberBins(edges), np.array(draw(st.lists(some, max_size=60)), dtype=dtype)


def slot_of(bins: NumberBins, value: float) -> int:
    """Find the slot by looking at every bin: the brute force that the fast ways must equal."""
    if isnan(value):
        return bins.missing
    if value < bins.edges[0]:
        return 0
    for slot, (low, high) in enumerate(pairwise(bins.edges), start=1):
        if low <= value < high:
            return slot
    return len(bins.edges)


@given(bins_and_values())
def test_counts_equal_a_brute_force_count(drawn: Drawn) -> None:
    bins, values = drawn
    expected = [0] * bins.size
    for value in values.tolist():
        expected[slot_of(bins, value)] += 1
    assert bins.count(values).tolist() == expected
    assert bins.count(values).dtype == np.int64


@given(st.lists(bins_and_values(), max_size=40), st.integers(0, 60))
def test_rows_counted_together_have_the_counts_of_each(drawn: list[Drawn], size: int) -> None:
    values = np.full((len(drawn), size), np.nan)
    for row, (_, found) in zip(values, drawn, strict=True):
        row[: min(size, len(found))] = found[:size]
    bins = [one for one, _ in drawn]
    rows = BinRows([one.edges for one in bins])
    together = rows.counts(rows.below(values), size)
    in_parts = rows.counts(rows.below(values[:, : size // 3]) + rows.below(values[:, size // 3 :]), size)
    without_gaps = np.nan_to_num(values)
    assert (rows.below(without_gaps, whole=True) == rows.below(without_gaps)).all()
    assert [counts.tolist() for counts in in_parts] == [counts.tolist() for counts in together]
    assert [counts.tolist() for counts in together] == [
        one.count(row).tolist() for one, row in zip(bins, values, strict=True)
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_single_row_of_many_features_is_counted_in_memory_that_was_used_before(dtype: type[np.floating]) -> None:
    values = np.full((40, 1), 0.5, dtype=dtype)
    values[::3] = np.nan
    rows = BinRows([(0.0, 1.0)] * 40)
    for _ in range(20):
        np.full(40 * 3 * 1024, 7, dtype=np.uint8)  # what is let go of here is used again
        found = [counts.tolist() for counts in rows.counts(rows.below(values), 1)]
        assert found == [[0, 0, 0, 1, 0] if row % 3 == 0 else [0, 1, 0, 0, 0] for row in range(40)]


def test_a_large_matrix_is_counted_in_parts_as_its_rows_are_alone() -> None:
    values = np.random.default_rng(3).normal(size=(40, 20_000)).astype(np.float32)
    bins = [NumberBins(tuple(np.linspace(-2, row / 20, 2 + row % 11).tolist())) for row in range(40)]
    rows = BinRows([one.edges for one in bins])
    expected = [
        np.bincount(one.slots(found), minlength=one.size).tolist() for one, found in zip(bins, values, strict=True)
    ]
    for whole in (True, False):
        assert [counts.tolist() for counts in rows.counts(rows.below(values, whole=whole), 20_000)] == expected


@pytest.mark.parametrize("size", [1023, 1024, 1025, 4096, 4097, 300_000])
def test_many_values_are_counted_without_a_carry(size: int) -> None:
    bins = NumberBins((0.0, 1.0, 2.0))
    for value, slot in ((-1.0, 0), (0.5, 1), (1.5, 2), (2.5, 3), (np.nan, bins.missing)):
        expected = [0] * bins.size
        expected[slot] = size
        assert bins.count(np.full(size, value, dtype=np.float32)).tolist() == expected
    mixed = np.arange(size, dtype=np.float64) % 4 - 0.5
    assert bins.count(mixed).tolist() == np.bincount(bins.slots(mixed), minlength=bins.size).tolist()


@given(bins_and_values())
def test_slots_agree_with_counts(drawn: Drawn) -> None:
    bins, values = drawn
    slots = bins.slots(values)
    assert slots.tolist() == [slot_of(bins, value) for value in values.tolist()]
    assert np.bincount(slots, minlength=bins.size).tolist() == bins.count(values).tolist()


@given(bins_and_values(), st.integers(0, 60))
def test_counts_of_parts_add_up_to_the_count_of_the_whole(drawn: Drawn, cut: int) -> None:
    bins, values = drawn
    assert (bins.count(values[:cut]) + bins.count(values[cut:])).tolist() == bins.count(values).tolist()


@given(st.lists(TEXTS, max_size=40), st.integers(0, 40))
def test_categories_are_counted_as_they_are_written(texts: list[str], cut: int) -> None:
    bins = CategoryBins(("a", "b", "日本"))
    values = np.array(texts, dtype=object)
    known = [texts.count("a"), texts.count("b"), texts.count("日本")]
    expected = [*known, len(texts) - sum(known) - texts.count(""), texts.count("")]
    assert bins.count(values).tolist() == expected
    assert np.bincount(bins.slots(values), minlength=bins.size).tolist() == expected
    assert (bins.count(values[:cut]) + bins.count(values[cut:])).tolist() == expected


@given(npst.arrays(np.float32, st.integers(0, 30), elements=st.floats(width=32)))
def test_every_value_falls_into_exactly_one_slot(values: NDArray[np.float32]) -> None:
    assert NumberBins((-1.0, 0.0, 1.0)).count(values).sum() == values.size


def test_a_value_is_compared_in_its_own_precision() -> None:
    bins = NumberBins((0.0, 0.1, 1.0))  # 0.1 as float32 is a little more than 0.1
    assert bins.count(np.array([0.1], dtype=np.float32)).tolist()[1:3] == [0, 1]
    assert bins.count(np.array([np.float32(0.1)], dtype=np.float64)).tolist()[1:3] == [0, 1]
    assert bins.count(np.array([np.nextafter(np.float32(0.1), np.float32(0))])).tolist()[1:3] == [1, 0]


def test_edges_that_are_one_float32_leave_their_bin_empty_and_slots_agree() -> None:
    bins = NumberBins((1.0, 1.0 + 1e-12, 2.0))
    values = np.array([1.0, 1.5], dtype=np.float32)
    assert bins.count(values).tolist() == [0, 0, 2, 0, 0, 0]
    assert bins.slots(values).tolist() == [2, 2]


def test_edges_beyond_float32_are_endless_in_float32() -> None:
    bins = NumberBins((-1e300, 0.0, 1e300))
    values = np.array([-np.inf, -3e38, 3e38, np.inf, np.nan], dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bins.count(values).tolist() == [0, 2, 1, 1, 1, 0]
        assert bins.slots(values).tolist() == [1, 1, 2, 3, 4]


def test_infinities_lie_outside_and_nan_is_missing() -> None:
    bins = NumberBins((0.0, 1.0))
    assert bins.count(np.array([np.inf, -np.inf, np.nan, np.nan])).tolist() == [1, 0, 1, 2, 0]


def test_cells_that_hold_no_number_are_told_from_missing_ones() -> None:
    assert NumberBins((0.0, 1.0)).count(np.array([np.nan, np.nan, 0.5]), invalid=1).tolist() == [0, 1, 0, 1, 1]


def test_more_invalid_cells_than_missing_ones_are_refused() -> None:
    with pytest.raises(FormatError, match="2 cells hold no number, but only 1"):
        NumberBins((0.0, 1.0)).count(np.array([np.nan, 0.5]), invalid=2)


def test_a_spike_has_a_bin_of_its_own() -> None:
    spike = np.float32(7.7)
    bins = NumberBins((0.0, float(spike), float(np.nextafter(spike, np.float32(9))), 9.0))
    values = np.array([7.6999, 7.7, 7.7, 7.7001], dtype=np.float32)
    assert bins.count(values).tolist() == [0, 1, 2, 1, 0, 0, 0]
    assert bins.labels()[2] == "7.7"


def test_counting_leaves_the_values_alone_and_takes_strided_ones() -> None:
    matrix = np.arange(12, dtype=np.float32).reshape(4, 3)
    column = matrix[:, 1]
    assert NumberBins((0.0, 5.0, 9.0)).count(column).tolist() == [0, 2, 1, 1, 0, 0]
    assert matrix[:, 1].tolist() == [1, 4, 7, 10]


def test_labels_name_every_slot() -> None:
    assert NumberBins((0.5, 1.0, 60.8)).labels() == (
        "below 0.5", "0.5 to 1", "1 to 60.8", "above 60.8", "missing", "not a value"
    )  # fmt: skip
    assert CategoryBins(("b", "a")).labels() == ("b", "a", "other", "missing")


def test_the_last_label_is_true_of_whole_numbers() -> None:
    assert NumberBins((0.0, 6.0)).labels()[2] == "6 or more"


def test_large_numbers_are_shown_whole() -> None:
    assert number_text(1_757_376_000.0) == "1757376000"
    assert number_text(0.1234567) == "0.123457"
    assert number_text(1e300) == "1e+300"


@pytest.mark.parametrize("edges", [(), (1.0,), (1.0, 1.0), (2.0, 1.0), (0.0, float("inf")), (float("nan"), 1.0)])
def test_edges_must_be_two_or_more_and_finite_and_rise(edges: tuple[float, ...]) -> None:
    with pytest.raises(FormatError, match="edges"):
        NumberBins(edges)


@pytest.mark.parametrize("categories", [(), ("a", "a"), ("a", "")])
def test_categories_must_be_distinct_and_not_empty(categories: tuple[str, ...]) -> None:
    with pytest.raises(FormatError, match="categor"):
        CategoryBins(categories)


@pytest.mark.parametrize("counts", [[1, 2, 3, 4], [0, 0, 0, 0, -1], [0, 0, 0, 0, 2**63]])
def test_counts_that_do_not_fit_their_bins_are_refused(counts: list[int]) -> None:
    with pytest.raises(FormatError, match=r"counts for|2\^63"):
        as_counts(counts, NumberBins((0.0, 1.0)))


@given(EDGES)
def test_bins_survive_the_json_border(edges: tuple[float, ...]) -> None:
    bins = NumberBins(edges)
    assert decode(encode(bins), NumberBins, "here") == bins


def test_the_bin_after_that_of_0_alone_begins_at_0_for_a_person() -> None:
    after = float(np.nextafter(np.float32(0), np.float32(1)))
    assert NumberBins((0.0, after, 0.32)).labels()[1:3] == ("0", "0 to 0.32")

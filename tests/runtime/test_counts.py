from functools import reduce
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.counts import LATENCY_EDGES_US, WindowCounts

SMALL = st.integers(0, 2**40)
ARRAYS = st.lists(SMALL, min_size=3, max_size=3).map(lambda counts: np.array(counts, dtype=np.int64))
LATENCIES = st.lists(SMALL, min_size=12, max_size=12).map(lambda counts: np.array(counts, dtype=np.int64))
NAMES = st.sampled_from(["temp", "wind", "origin"])


def some_counts() -> st.SearchStrategy[WindowCounts]:
    return st.builds(
        WindowCounts,
        rows=SMALL,
        verdicts=st.dictionaries(st.sampled_from(["ok", "warned", "rejected"]), SMALL),
        features=st.dictionaries(NAMES, ARRAYS),
        outputs=st.dictionaries(st.sampled_from(["labels", "scores"]), ARRAYS),
        breaches=st.dictionaries(NAMES, st.dictionaries(st.sampled_from(["missing", "above range"]), SMALL)),
        latency=LATENCIES,
    )


def flat(counts: WindowCounts) -> dict[tuple[str, ...], int]:
    """Spell every non-zero count out under a key of its own."""
    found: dict[tuple[str, ...], int] = {("rows",): counts.rows}
    found |= {("verdicts", key): value for key, value in counts.verdicts.items()}
    for part in ("features", "outputs"):
        for name, array in getattr(counts, part).items():
            found |= {(part, name, str(slot)): int(value) for slot, value in enumerate(array)}
    for name, rules in counts.breaches.items():
        found |= {("breaches", name, rule): value for rule, value in rules.items()}
    found |= {("latency", str(slot)): int(value) for slot, value in enumerate(counts.latency)}
    return {key: value for key, value in found.items() if value}


def added(into: WindowCounts, more: WindowCounts) -> WindowCounts:
    into.add(more)
    return into


@given(st.lists(some_counts(), max_size=5), st.randoms(use_true_random=False))
def test_counts_add_up_exactly_in_any_order(parts: list[WindowCounts], random: Random) -> None:
    expected: dict[tuple[str, ...], int] = {}
    for part in parts:
        for key, value in flat(part).items():
            expected[key] = expected.get(key, 0) + value
    shuffled = random.sample(parts, len(parts))
    assert flat(reduce(added, parts, WindowCounts())) == expected
    assert flat(reduce(added, shuffled, WindowCounts())) == expected


@given(some_counts(), some_counts())
def test_adding_leaves_the_added_counts_alone(one: WindowCounts, other: WindowCounts) -> None:
    before = flat(other)
    total = WindowCounts()
    total.add(other)
    total.add(one)
    assert flat(other) == before


@given(some_counts())
def test_counts_can_be_added_to_themselves(counts: WindowCounts) -> None:
    doubled = {key: 2 * value for key, value in flat(counts).items()}
    counts.add(counts)
    assert flat(counts) == doubled


def test_a_sum_beyond_int64_is_refused_instead_of_wrapping() -> None:
    counts = WindowCounts(features={"temp": np.array([2**63 - 1, 0, 0])})
    with pytest.raises(FormatError, match=r"temp: the sum of the counts passes 2\^63 - 1"):
        counts.add(WindowCounts(features={"temp": np.array([1, 0, 0])}))


@pytest.mark.parametrize("size", [1, 2, 4])
def test_counts_over_other_slots_are_refused(size: int) -> None:
    counts = WindowCounts(features={"temp": np.zeros(3, dtype=np.int64)})
    with pytest.raises(FormatError, match=f"temp: {size} counts cannot be added to 3"):
        counts.add(WindowCounts(features={"temp": np.zeros(size, dtype=np.int64)}))


def test_there_is_one_latency_slot_more_than_edges() -> None:
    assert WindowCounts().latency.shape == (len(LATENCY_EDGES_US) + 1,)

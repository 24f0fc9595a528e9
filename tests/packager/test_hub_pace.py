"""How often somebody may try: never more than allowed, in any stretch of time, and in memory that does not grow."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hakobu.hub.pace import Pace, source

STEPS = st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 5, allow_subnormal=False)), max_size=120)


@given(STEPS, st.integers(1, 4), st.floats(0.5, 10), st.integers(1, 12))
def test_never_more_get_through_than_allowed_in_any_window(
    steps: list[tuple[str, float]], many: int, seconds: float, most: int
) -> None:
    pace, now = Pace(many, seconds, most), 0.0
    let: dict[str, list[float]] = {}
    for key, wait in steps:
        now += wait
        if pace.allow(key, now):
            let.setdefault(key, []).append(now)
        assert len(pace._times) <= max(1, most // many)
    for times in let.values():
        assert all(later - first >= seconds for first, later in zip(times, times[many:], strict=False))


@given(STEPS, st.integers(1, 4), st.floats(0.5, 10))
@example([("a", 0.9540133253010443), ("a", 1.0652290458370508), ("a", 1.0652290458370508)], 1, 1.0652290458370508)
def test_everybody_gets_all_that_is_allowed(steps: list[tuple[str, float]], many: int, seconds: float) -> None:
    pace, now = Pace(many, seconds), 0.0
    let: dict[str, list[float]] = {}
    for key, wait in steps:
        now += wait
        times = let.setdefault(key, [])
        expected = sum(now - time < seconds for time in times) < many
        assert (pace.wait(key, now) == 0) == expected
        assert pace.allow(key, now) == expected
        if expected:
            times.append(now)


def test_who_waits_as_long_as_told_is_let_through() -> None:
    pace = Pace(2, 60.0)
    assert [pace.allow("a", second) for second in (0, 20, 30)] == [True, True, False]
    assert pace.wait("a", 30) == 30
    assert not pace.allow("a", 59.5)
    assert pace.allow("a", 60)
    assert pace.wait("b", 60) == 0


def test_a_crowd_of_new_keys_does_not_wash_out_who_has_to_wait() -> None:
    pace = Pace(2, 60.0, most=20)
    assert [pace.allow("guesser", second) for second in (0, 1, 2)] == [True, True, False]
    let = sum(pace.allow(f"crowd-{number}", 3) for number in range(1000))
    assert let == 9 + 2  # those that could be told apart, and what all others share
    assert not pace.allow("guesser", 4)
    assert len(pace._times) == 10


def test_who_gets_a_place_of_its_own_does_not_begin_anew() -> None:
    pace = Pace(2, 10.0, most=2)
    assert pace.allow("first", 0)
    assert [pace.allow("second", 5) for _ in range(3)] == [True, True, False]
    assert not pace.allow("second", 10)  # when nothing is known of the first one any more
    assert [pace.allow("second", 15) for _ in range(3)] == [True, True, False]


def test_what_is_past_is_forgotten() -> None:
    pace = Pace(1, 60.0, most=10)
    for round_ in range(5):
        assert sum(pace.allow(f"{round_}-{number}", 60.0 * round_) for number in range(50)) == 11
    assert len(pace._times) == 10


def test_a_thread_that_comes_late_with_its_time_gets_no_more() -> None:
    pace = Pace(1, 10.0)
    assert pace.allow("a", 100.0)
    assert not pace.allow("a", 99.0)
    assert not pace.allow("a", 109.9)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002::/64"),
        ("2001:db8:1:2::ffff", "2001:0db8:0001:0002::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_whoever_has_a_line_is_one_whatever_addresses_it_has(address: str, key: str) -> None:
    assert source(address) == key

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.window import Span, Window, ends, truncate

SPANS = st.sampled_from(Span)
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC))


@given(MOMENTS, SPANS)
@example(datetime(2024, 12, 30, tzinfo=UTC), Span.WEEK)  # belongs to 2025
@example(datetime(2021, 1, 3, 23, 59, tzinfo=UTC), Span.WEEK)  # belongs to 2020, week 53
@example(datetime(999, 12, 31, tzinfo=UTC), Span.DAY)  # strftime pads the year on some platforms only
def test_a_window_holds_the_moment_that_it_is_of(moment: datetime, span: Span) -> None:
    window = Window.of(moment, span)
    assert window.begins <= moment < ends(window)
    assert Window.of(window.begins, span) == window
    assert Window.of(ends(window), span) != window


@given(MOMENTS, SPANS)
def test_windows_of_one_span_follow_each_other_without_a_gap(moment: datetime, span: Span) -> None:
    window = Window.of(moment, span)
    following = Window.of(ends(window), span)
    assert following.begins == ends(window)
    assert following > window


@given(MOMENTS, SPANS)
def test_a_window_survives_the_json_border(moment: datetime, span: Span) -> None:
    window = Window.of(moment, span)
    assert decode(encode(window), Window, "here") == window


@given(MOMENTS)
def test_hours_lie_in_their_day_week_and_month(moment: datetime) -> None:
    hour = Window.of(moment, Span.HOUR)
    for span in (Span.DAY, Span.WEEK, Span.MONTH):
        assert hour.widen(span) == Window.of(moment, span)


@pytest.mark.parametrize(
    ("span", "start"),
    [(Span.HOUR, "2026-11-21T09"), (Span.DAY, "2026-11-21"), (Span.WEEK, "2026-W47"), (Span.MONTH, "2026-11")],
)
def test_windows_are_named_as_the_design_says(span: Span, start: str) -> None:
    assert Window.of(datetime(2026, 11, 21, 9, 30, tzinfo=UTC), span) == Window(start, span)


def test_a_local_time_is_counted_in_its_utc_window() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert Window.of(datetime(2026, 11, 21, 8, tzinfo=tokyo), Span.DAY).start == "2026-11-20"


@pytest.mark.parametrize(
    ("span", "start"),
    [
        (Span.DAY, "2026-11-31"),
        (Span.DAY, "2026-1-1"),
        (Span.DAY, "2026-11-21T09"),
        (Span.DAY, " 2026-11-1"),
        (Span.DAY, "２０２６-11-21"),
        (Span.DAY, "0000-01-01"),
        (Span.HOUR, "2026-11-21T24"),
        (Span.HOUR, "2026-11-21 09"),
        (Span.WEEK, "2026-W54"),
        (Span.WEEK, "2025-W53"),
        (Span.WEEK, "2026-W1"),
        (Span.WEEK, f"{10**30}-W01"),
        (Span.WEEK, "20_6-W01"),
        (Span.MONTH, "2026-13"),
        (Span.MONTH, ""),
    ],
)
def test_a_name_that_starts_no_window_is_refused(span: Span, start: str) -> None:
    with pytest.raises(FormatError, match="does not start a window"):
        Window(start, span)
    with pytest.raises(FormatError):
        decode(encode({"start": start, "span": span.value}), Window, "tally")


@given(st.lists(st.integers(-(10**10), 10**10), max_size=20), SPANS, st.sampled_from(["s", "ms", "ns"]))
@example([-1, 0, 345_599, 345_600], Span.WEEK, "s")  # 1970-01-05 was a Monday
def test_truncating_equals_the_window_of_each_time(seconds: list[int], span: Span, unit: str) -> None:
    times = np.array(seconds, dtype="datetime64[s]")
    times = times[np.abs(times.astype(np.int64)) < 9_000_000_000] if unit == "ns" else times
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    expected = [Window.of(epoch + timedelta(seconds=int(time)), span).begins for time in times.astype(np.int64)]
    found = truncate(times.astype(f"datetime64[{unit}]"), span)
    assert found.dtype == np.dtype("datetime64[s]")
    assert [epoch + timedelta(seconds=int(time)) for time in found.astype(np.int64)] == expected


@pytest.mark.parametrize("span", list(Span))
def test_a_time_that_is_none_stays_none(span: Span) -> None:
    assert np.isnat(truncate(np.array(["NaT", "2026-11-21T09:30"], dtype="datetime64[ns]"), span)).tolist() == [
        True,
        False,
    ]

"""Spans of time, in UTC, for which counts are kept."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import Value


class Span(StrEnum):
    """How long a window is."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Window(Value, frozen=True, order=True):
    """One span of time that starts at `start`: `2026-11-21T09`, `2026-11-21`, `2026-W47` or `2026-11`."""

    start: str
    span: Span

    def __post_init__(self) -> None:
        try:
            moment = parse_start(self.start, self.span)
        except ValueError as error:
            raise FormatError(f"{self.start!r} does not start a window of one {self.span}") from error
        if start_text(moment, self.span) != self.start:
            raise FormatError(f"{self.start!r} does not start a window of one {self.span}")

    @classmethod
    def of(cls, moment: datetime, span: Span) -> "Window":
        """Return the window of `span` that holds `moment`, an aware time."""
        return cls(start_text(moment.astimezone(UTC), span), span)

    @property
    def begins(self) -> datetime:
        """The first moment inside."""
        return parse_start(self.start, self.span)

    def widen(self, span: Span) -> "Window":
        """Return the window of `span` that holds the beginning of this one; a longer window stays what it is."""
        if _SPANS.index(self.span) > _SPANS.index(span):
            return self
        return Window.of(self.begins, span)


_SPANS = list(Span)
_UNITS = {Span.HOUR: "h", Span.DAY: "D", Span.MONTH: "M"}
_PATTERNS = {Span.HOUR: "%Y-%m-%dT%H", Span.DAY: "%Y-%m-%d", Span.MONTH: "%Y-%m"}
_LENGTHS = {Span.HOUR: 13, Span.DAY: 10, Span.WEEK: 8, Span.MONTH: 7}


def start_text(moment: datetime, span: Span) -> str:
    """Return how a window of `span` around `moment` (UTC) is named."""
    if span is Span.WEEK:
        year, week, _ = moment.isocalendar()
        return f"{year:04d}-W{week:02d}"
    # Not strftime: whether it pads a year before 1000 depends on the platform.
    return moment.replace(tzinfo=None).isoformat(timespec="hours")[: _LENGTHS[span]]


@lru_cache(maxsize=10_000)  # a year of hours: thousands of devices count in the same windows
def parse_start(text: str, span: Span) -> datetime:
    """Return the first moment of the window of `span` that `text` names; ValueError when it names none."""
    if len(text) != _LENGTHS[span]:
        raise ValueError(f"{text!r} is not {_LENGTHS[span]} characters long")
    if span is Span.WEEK:
        year, _, week = text.partition("-W")
        day = date.fromisocalendar(int(year), int(week), 1)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    return datetime.strptime(text, _PATTERNS[span]).replace(tzinfo=UTC)


def truncate(times: NDArray[np.datetime64], span: Span) -> NDArray[np.datetime64]:
    """Return the first second of the window of `span` around each of `times`; weeks start on Monday, NaT stays."""
    if span is Span.WEEK:
        monday = np.datetime64("1970-01-05", "D")
        days = times.astype("datetime64[D]")
        starts = days - (days - monday) % np.timedelta64(7, "D")
    else:
        starts = times.astype(f"datetime64[{_UNITS[span]}]")
    return starts.astype("datetime64[s]")


def ends(window: Window) -> datetime:
    """Return the first moment after `window`."""
    if window.span is Span.MONTH:
        return (window.begins + timedelta(days=32)).replace(day=1)
    hours = {Span.HOUR: 1, Span.DAY: 24, Span.WEEK: 168}[window.span]
    return window.begins + timedelta(hours=hours)

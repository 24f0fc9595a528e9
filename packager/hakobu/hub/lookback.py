"""How far back alarms look: at complete periods alone, and at recent ones.

Inputs, outputs and devices are judged by the last seven complete days, inputs and outputs by the last complete week,
too; outcomes by the complete weeks of the last quarter. A day that is not over holds the morning and not the evening,
which would look like drift. Seven days, as a device that comes home once a week brings them all at once. A week as
well, since small sites have too few rows in a day, and what differs from day to day anyway may show in a week alone.
Labels come late, and an alarm by them takes five days: hence weeks, and more of them. What comes home still later is
for the pages to show, and calls nobody up.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from hakobu_runtime.format.window import Span, Window

_DAYS = 7
_WEEKS = 13
"""Of outcomes."""
FARTHEST = timedelta(weeks=_WEEKS + 2)
"""Before this, nothing is judged."""


@dataclass(frozen=True, slots=True)
class Lookback:
    """What is looked back at on one day, UTC."""

    today: date

    @classmethod
    def of(cls, now: datetime) -> "Lookback":
        """Return what is looked back at, at the time `now`."""
        return cls(Window.of(now, Span.DAY).begins.date())

    @property
    def ends(self) -> datetime:
        """The end of the last complete day."""
        return _midnight(self.today)

    @property
    def begins(self) -> datetime:
        """The first moment of which inputs are looked at."""
        return _midnight(self.since)

    @property
    def monday(self) -> date:
        """The first day of the last complete week."""
        return self.today - timedelta(days=self.today.weekday() + 7)

    @property
    def since(self) -> date:
        """The first day of which inputs are looked at."""
        return min(self.monday, self.today - timedelta(days=_DAYS))

    @property
    def quarter(self) -> date:
        """The first day of which outcomes are looked at, a Monday."""
        return self.monday - timedelta(weeks=_WEEKS - 1)

    @property
    def sunday(self) -> date:
        """The last day of the last complete week."""
        return self.monday + timedelta(days=6)

    def holds(self, window: Window) -> bool:
        """Say whether a day, or the week, is one that inputs are judged by."""
        begins = window.begins.date()
        if window.span is Span.WEEK:
            return begins == self.monday
        return window.span is Span.DAY and self.today - timedelta(days=_DAYS) <= begins < self.today


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)

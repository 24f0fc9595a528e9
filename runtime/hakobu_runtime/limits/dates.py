"""Reading dates and times, and taking the parts of them that a model can use."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hakobu_runtime.format.feature import Part

_EPOCH = datetime(1970, 1, 1)
_DAY = timedelta(days=1)

_PARTS: dict[Part, Callable[[datetime], float]] = {
    Part.YEAR: lambda moment: moment.year,
    Part.MONTH: lambda moment: moment.month,
    Part.DAY: lambda moment: moment.day,
    Part.DAY_OF_WEEK: lambda moment: moment.weekday(),
    Part.DAY_OF_YEAR: lambda moment: moment.timetuple().tm_yday,
    Part.HOUR: lambda moment: moment.hour,
    Part.MINUTE: lambda moment: moment.minute,
    Part.ELAPSED_DAYS: lambda moment: (moment.replace(tzinfo=None) - _EPOCH) / _DAY,
}


def read_moment(text: str, pattern: str | None) -> datetime | None:
    """Return the date or time that `text` holds, in ISO 8601 or in `strptime`'s `pattern`; None when it holds none."""
    try:
        return datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        return None


def part_of(moment: datetime, part: Part) -> float:
    """Return `part` of `moment`, by the clock as it is written (a UTC offset is not applied)."""
    return float(_PARTS[part](moment))


def as_utc(moment: datetime) -> datetime | None:
    """Return `moment` in UTC, a time without an offset taken as UTC; None when that leaves the calendar."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None

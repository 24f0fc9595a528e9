"""When a clock cannot be right. Imports little: every start of an executable asks."""

from datetime import UTC, datetime, timedelta

WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)
"""When this runtime was written: a clock that says less is wrong."""
LAST = WRITTEN + timedelta(days=365 * 25)
"""After which nobody uses this runtime any more."""


def is_possible(now: datetime) -> bool:
    """Say whether a clock that is set may say `now`."""
    return WRITTEN <= now <= LAST

"""The horizon: the month before which the hub keeps no counts, and takes none.

Without it a device that sends an old window once more, as after `export --all`, would bring back a part of what was
pruned. It lies between two months, which no window reaches across, so that each period is kept whole or not at all.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, Function, delete, func, insert, select

from hakobu.hub.tables import facts
from hakobu_runtime.format.window import Span, start_text

_NAME = "horizon"
_MOVING, _PRUNING = 0x686F7269, 0x7072756E
"""Of PostgreSQL's advisory locks, those for this; SQLite has one writer at a time anyway."""
_MONTH = len("2026-01")


def first(connection: Connection) -> str:
    """Return the first month whose counts are kept, like 2026-01; "" when all are.

    Until the transaction ends the horizon stays where it is, so that what it lets in is not behind it at once.
    """
    _lock(connection, _MOVING, func.pg_advisory_xact_lock_shared)
    found = connection.execute(select(facts.c.value).where(facts.c.name == _NAME)).scalar_one_or_none()
    return found or ""


def is_before(start: str, month: str) -> bool:
    """Say whether a window that begins at `start` is before `month`, the first one kept, so that it is not kept."""
    return start[:_MONTH] < month


def move(connection: Connection, moment: datetime) -> str:
    """Let the month of `moment` (UTC) be the first one that is kept, unless a later one is; return which one is."""
    _lock(connection, _MOVING, func.pg_advisory_xact_lock)
    known = connection.execute(select(facts.c.value).where(facts.c.name == _NAME)).scalar_one_or_none() or ""
    month = max(known, start_text(moment, Span.MONTH))
    if month != known:
        connection.execute(delete(facts).where(facts.c.name == _NAME))
        connection.execute(insert(facts).values(name=_NAME, value=month))
    return month


def hold(connection: Connection) -> None:
    """Let nobody prune until the transaction ends, which changes counts of any age."""
    _lock(connection, _PRUNING, func.pg_advisory_xact_lock_shared)


def begin_pruning(connection: Connection) -> None:
    """Wait for those who `hold`, and let them wait until the transaction ends, which takes out what is too old."""
    _lock(connection, _PRUNING, func.pg_advisory_xact_lock)


def _lock(connection: Connection, number: int, lock: Callable[[int], Function[None]]) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(select(lock(number)))

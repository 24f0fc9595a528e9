"""Retention: what is older than so many days goes, a whole month of counts at a time."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, delete, func, or_, select, tuple_

from hakobu.hub import horizon, sessions
from hakobu.hub.database import Database
from hakobu.hub.tables import alarms, invites, outcome_totals, outcomes, parcels, refusals, totals, windows
from hakobu_runtime.errors import UsageError
from hakobu_runtime.format.receipt import MOST_PARCELS

_COUNTS = (totals, windows, outcome_totals, outcomes)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went."""

    horizon: str
    """The first month whose counts are kept; windows before it are not taken any more, whenever they come."""
    windows: int
    outcomes: int
    totals: int
    """Of windows and of outcomes."""
    parcels: int
    refusals: int
    alarms: int
    invites: int
    sessions: int

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


def prune(database: Database, days: int, now: datetime) -> Pruned:
    """Take out what is older than `days`: of counts the months that ended before, so that no total is half of one.

    Killed in between, the months that are gone are gone whole, and the next call goes on. Of each device's parcels the
    newest stay, which its receipts speak of.
    """
    if days < 1:
        raise UsageError(f"nothing is older than {days} days: give at least 1")
    limit = now - timedelta(days=days)
    with database.begin() as connection:
        first = horizon.move(connection, limit)
    gone = {table.name: 0 for table in _COUNTS}
    for month in _months(database, first):
        with database.begin() as connection:
            horizon.begin_pruning(connection)
            for table in _COUNTS:
                gone[table.name] += _delete(connection, table, func.substr(table.c.start, 1, 7) == month)
    with database.begin() as connection:
        return Pruned(
            first,
            windows=gone[windows.name],
            outcomes=gone[outcomes.name],
            totals=gone[totals.name] + gone[outcome_totals.name],
            parcels=_prune_parcels(connection, limit),
            refusals=_delete(connection, refusals, refusals.c.day < f"{limit:%Y-%m-%d}"),
            alarms=_delete(connection, alarms, alarms.c.closed < limit),
            invites=_delete(connection, invites, or_(invites.c.used < limit, invites.c.expires < limit)),
            sessions=sessions.prune(connection, now),
        )


def _months(database: Database, first: str) -> list[str]:
    """Return the months before `first` of which something is kept, oldest first."""
    found: set[str] = set()
    with database.read() as connection:
        for table in _COUNTS:
            month = func.substr(table.c.start, 1, 7)
            found.update(connection.execute(select(month).where(month < first).distinct()).scalars())
    return sorted(found)


def _prune_parcels(connection: Connection, limit: datetime) -> int:
    """Take out the parcels that came before `limit`, but for the newest of each device."""
    newest = func.row_number().over(partition_by=parcels.c.device_id, order_by=parcels.c.serial.desc())
    ranked = select(parcels.c.device_id, parcels.c.serial, parcels.c.received, newest.label("place")).subquery()
    old = select(ranked.c.device_id, ranked.c.serial).where(ranked.c.place > MOST_PARCELS, ranked.c.received < limit)
    return _delete(connection, parcels, tuple_(parcels.c.device_id, parcels.c.serial).in_(old))


def _delete(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    return connection.execute(delete(table).where(condition)).rowcount

"""The mark of what a judgement rests on: while it stays the same, to judge again would say the same."""

from hashlib import sha256

from sqlalchemy import Connection, func, select

from hakobu import __version__
from hakobu.hub.bundles import KnownBundle
from hakobu.hub.lookback import Lookback
from hakobu.hub.tables import devices, outcomes, states, totals, windows


def mark_of(connection: Connection, bundle: KnownBundle, back: Lookback) -> str:
    """Return a text, 64 letters long, that is another one whenever `judged` may say something else of the bundle."""
    told: list[object] = [__version__, back.today]
    for table, since in ((windows, back.since), (outcomes, back.quarter)):
        query = select(func.count(), func.sum(table.c.revision)).where(table.c.bundle_id == bundle.id)
        told += connection.execute(query.where(table.c.start >= since.isoformat())).one()
    rows = select(func.sum(totals.c.rows)).where(totals.c.bundle_id == bundle.id)
    told.append(connection.scalar(rows.where(totals.c.start >= back.since.isoformat())))
    told.append(connection.scalar(select(func.count()).where(states.c.digest == bundle.digest)))
    blocked = func.sum(func.length(devices.c.blocked))
    groups = select(devices.c.group_name, func.count(), func.sum(devices.c.id), blocked).group_by(devices.c.group_name)
    told += sorted(tuple(map(str, row)) for row in connection.execute(groups))
    return sha256("\0".join(map(str, told)).encode()).hexdigest()

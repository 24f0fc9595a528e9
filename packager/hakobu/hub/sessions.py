"""Sessions: who is logged in, by a random token of which only the sha256 is kept."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, delete, insert, select, update

from hakobu.hub.accounts import Account
from hakobu.hub.tables import accounts, sessions

IDLE = timedelta(hours=12)
"""After which a session ends that nobody used."""
LONGEST = timedelta(days=7)
"""After which each session ends."""
_STEP = timedelta(minutes=5)
"""How much of a session has to pass before it is written down that it is in use."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in."""

    account: Account
    csrf: str
    """What each form of theirs must hold."""
    digest: str
    """Of the token."""
    opened: datetime
    expires: datetime

    def is_worn(self, now: datetime) -> bool:
        """Say whether it is time to `renew` it, so that it does not end while it is used."""
        return _end(self.opened, now) - self.expires >= _STEP


def open(connection: Connection, account: Account, now: datetime) -> tuple[str, str]:  # noqa: A001 - sessions.open
    """Log `account` in; return the token for its cookie, and what its forms must hold. Takes out what has expired."""
    prune(connection, now)
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    row = {"token": _digest(token), "account_id": account.id, "csrf": csrf, "opened": now, "expires": _end(now, now)}
    connection.execute(insert(sessions).values(**row))
    return token, csrf


def find(connection: Connection, token: str, now: datetime) -> Session | None:
    """Return the session whose token this is; None when there is none, or none any more. Changes nothing."""
    query = select(sessions, accounts).join(accounts).where(sessions.c.token == _digest(token))
    row = connection.execute(query).one_or_none()
    if row is None or row.expires <= now:
        return None
    account = Account(row.id, row.name, row.operator, row.made)
    return Session(account, row.csrf, row.token, row.opened, row.expires)


def renew(connection: Connection, session: Session, now: datetime) -> None:
    """Let `session` go on from now, but not beyond its end."""
    changed = update(sessions).where(sessions.c.token == session.digest).values(expires=_end(session.opened, now))
    connection.execute(changed)


def close(connection: Connection, token: str) -> None:
    """Log out the session whose token this is."""
    connection.execute(delete(sessions).where(sessions.c.token == _digest(token)))


def prune(connection: Connection, now: datetime) -> int:
    """Take out the sessions that have expired; return how many."""
    return connection.execute(delete(sessions).where(sessions.c.expires <= now)).rowcount


def _end(opened: datetime, used: datetime) -> datetime:
    return min(used + IDLE, opened + LONGEST)


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()

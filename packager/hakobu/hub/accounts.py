"""Accounts of people: a name, and scrypt's hash of a password."""

import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import scrypt
from typing import Any
from unicodedata import normalize

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from hakobu.hub.names import as_name
from hakobu.hub.tables import accounts, sessions
from hakobu_runtime.errors import StateError, UsageError

SHORTEST = 12
"""Letters of a password."""
_LONGEST = 1_000
_SALT = 16
_SIZE = 32


@dataclass(frozen=True, slots=True)
class Cost:
    """How much work a password takes, by scrypt's own names (RFC 7914)."""

    n: int
    r: int
    p: int


STANDARD = Cost(1 << 15, 8, 3)
"""32 MiB and about a quarter of a second, as OWASP's Password Storage Cheat Sheet has it."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in."""

    id: int
    name: str
    operator: bool
    """Whether they may change things; everybody else looks."""
    made: datetime


def add(
    connection: Connection, name: str, password: str, operator: bool, now: datetime, cost: Cost = STANDARD
) -> Account:
    """Make an account; raise UsageError when name or password are not good enough, StateError when it exists."""
    known = as_name(name, "an account")
    if not known:
        raise UsageError("an account needs a name")
    row = {"name": known, "password": _encoded(password, cost), "operator": operator, "made": now}
    try:
        with connection.begin_nested():
            connection.execute(insert(accounts).values(**row))
    except IntegrityError as error:
        raise StateError(
            f"there is an account {known!r} already; hakobu hub user password changes its password"
        ) from error
    return needed(connection, known)


def find(connection: Connection, name: str) -> Account | None:
    """Return the account `name`, which may be any text; None when there is none."""
    row = _row(connection, name)
    return None if row is None else _account(row)


def needed(connection: Connection, name: str) -> Account:
    """Return the account `name`; raise StateError when there is none."""
    found = find(connection, name)
    if found is None:
        raise StateError(f"there is no account {name[:80]!r}; hakobu hub user list lists those that are")
    return found


def every(connection: Connection) -> tuple[Account, ...]:
    """Return all accounts, by name."""
    return tuple(_account(row) for row in connection.execute(select(accounts).order_by(accounts.c.name)))


def check(connection: Connection, name: str, password: str) -> Account | None:
    """Return the account whose name and password these are, None for any others, which take the same time.

    That is a quarter of a second, so give a connection that only reads: a writer would keep all others waiting.
    """
    row = _row(connection, name)
    kept = _decoy(connection) if row is None else str(row.password)
    holds = _holds(kept, password)
    return _account(row) if row is not None and holds else None


def set_password(connection: Connection, name: str, password: str, cost: Cost = STANDARD) -> None:
    """Give the account `name` another password, and log it out everywhere."""
    account = needed(connection, name)
    connection.execute(update(accounts).where(accounts.c.id == account.id).values(password=_encoded(password, cost)))
    connection.execute(delete(sessions).where(sessions.c.account_id == account.id))


def remove(connection: Connection, name: str) -> Account:
    """Take the account `name` out, log it out everywhere, and return what it was."""
    account = needed(connection, name)
    connection.execute(delete(accounts).where(accounts.c.id == account.id))
    return account


def _row(connection: Connection, name: str) -> Row[Any] | None:
    try:
        known = as_name(name, "an account")
    except UsageError:
        return None
    return connection.execute(select(accounts).where(accounts.c.name == known)).one_or_none()


def _account(row: Row[Any]) -> Account:
    return Account(row.id, row.name, row.operator, row.made)


def _encoded(password: str, cost: Cost) -> str:
    """Return what is kept of `password`: scrypt$n$r$p$salt$hash."""
    if not SHORTEST <= len(normalize("NFKC", password)) <= _LONGEST:
        raise UsageError(f"a password needs at least {SHORTEST} letters, and at most {_LONGEST:,}: take a few words")
    salt = secrets.token_bytes(_SALT)
    return _written(cost, salt, _hash(password, salt, cost))


def _written(cost: Cost, salt: bytes, digest: bytes) -> str:
    parts = (b64encode(part).decode() for part in (salt, digest))
    return "$".join(("scrypt", str(cost.n), str(cost.r), str(cost.p), *parts))


def _read(kept: str) -> tuple[Cost, bytes, bytes]:
    _, n, r, p, salt, digest = kept.split("$")
    return Cost(int(n), int(r), int(p)), b64decode(salt), b64decode(digest)


def _holds(kept: str, password: str) -> bool:
    cost, salt, digest = _read(kept)
    # One that is too long to be anybody's takes no longer than others do.
    found = _hash(password[:_LONGEST], salt, cost)
    return secrets.compare_digest(found, digest) and len(password) <= _LONGEST


def _hash(password: str, salt: bytes, cost: Cost) -> bytes:
    """Return scrypt's hash of `password`, written in one of the ways that look the same."""
    content = normalize("NFKC", password).encode("utf-8", "surrogatepass")
    room = 128 * cost.r * (cost.n + cost.p + 2) + (1 << 20)
    return scrypt(content, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=room, dklen=_SIZE)


def _decoy(connection: Connection) -> str:
    """Return the kept form of a password that nobody has, as costly as that of the first account."""
    first = connection.execute(select(accounts.c.password).order_by(accounts.c.id).limit(1)).scalar_one_or_none()
    cost = _read(first)[0] if first else STANDARD
    return _written(cost, secrets.token_bytes(_SALT), secrets.token_bytes(_SIZE))

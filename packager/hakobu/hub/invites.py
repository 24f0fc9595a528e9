"""Invitations: a token that enrols one device, once, until it expires; what is stored of it opens nothing."""

import secrets
from base64 import b32encode
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, insert, select, update

from hakobu.hub.devices import Device, enrol, find, recognise
from hakobu.hub.names import as_name
from hakobu.hub.tables import invites
from hakobu_runtime.errors import TrustError, UsageError
from hakobu_runtime.trust import PublicKey

_BYTES = 15
"""120 random bits: 24 letters, and too many to guess, with or without a limit to trying."""
_LETTERS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ")
"""Crockford's: no letter of it can be taken for another, and none is U."""
_MISREAD = str.maketrans("ILO", "110", "- ")
_MOST_DAYS = 366


def make(connection: Connection, now: datetime, days: int, group: str) -> str:
    """Return a new token, like K7QF-3M2X-…, that enrols a device into `group` within `days`; nobody keeps it."""
    if not 1 <= days <= _MOST_DAYS:
        raise UsageError(f"an invitation cannot hold for {days} days: give 1 to {_MOST_DAYS}")
    letters = b32encode(secrets.token_bytes(_BYTES)).decode().translate(_LETTERS)
    row = {"token": _digest(letters), "group_name": as_name(group, "a group"), "made": now}
    connection.execute(insert(invites).values(**row, expires=now + timedelta(days=days)))
    return "-".join(letters[place : place + 4] for place in range(0, len(letters), 4))


def use(connection: Connection, token: str, now: datetime) -> str:
    """Use up `token`, which only one of many at a time can, and return the group that it enrols into.

    Raises TrustError when it is unknown, used or expired.
    """
    this = invites.c.token == _digest(token)
    taken = update(invites).where(this, invites.c.used.is_(None), invites.c.expires > now).values(used=now)
    won = connection.execute(taken).rowcount == 1
    row = connection.execute(select(invites).where(this)).one_or_none()
    if row is None:
        raise TrustError("this invitation is not known here: type it as it was given, or ask for a new one")
    if not won:
        words = f"was used on {row.used:%Y-%m-%d}" if row.used else f"expired on {row.expires:%Y-%m-%d}"
        raise TrustError(f"this invitation {words}: ask the operator of the hub for a new one (hakobu hub invite)")
    return str(row.group_name)


def admit(connection: Connection, token: str, name: str, key_pem: str, now: datetime) -> Device:
    """Enrol the device `name`, whose parcel was signed with its key, by `token`; the same again uses up no other one.

    Raises TrustError when the token is of no use, the device is known by another key, or is blocked.
    """
    known = find(connection, name)
    if known is not None:  # the answer was lost on its way, and the device asks once more
        return recognise(known, PublicKey.from_pem(key_pem.encode("utf-8", "replace"), f"the key of the device {name}"))
    group = use(connection, token, now)
    device = enrol(connection, name, key_pem, group, now)
    connection.execute(update(invites).where(invites.c.token == _digest(token)).values(device_id=device.id))
    return device


def _digest(token: str) -> str:
    """Return what is stored of `token`, in whatever way it is typed."""
    return sha256(token.upper().translate(_MISREAD).encode("utf-8", "replace")).hexdigest()

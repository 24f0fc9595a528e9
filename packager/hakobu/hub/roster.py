"""A roster: the devices of a hub with their public keys, as `hakobu hub devices --json` prints them.

With it a hub that lost its database, and has no backup, knows its devices again, and they need no new invitations. A
public key is no secret; who writes the file, though, says whose counts are believed.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from sqlalchemy import Connection

from hakobu.hub.devices import block, enrol, find
from hakobu_runtime.errors import FormatError, InputError
from hakobu_runtime.format.codec import decode

_LARGEST = 256 << 20


class Listed(msgspec.Struct, frozen=True):
    """What of a device is needed to know it again."""

    name: str
    key_pem: str
    group: str
    blocked: str = ""
    """Why nothing is taken from it; "" when it is not blocked."""


class _Roster(msgspec.Struct, frozen=True):
    schema: Literal["hakobu.hub-devices/1"]
    devices: tuple[Listed, ...]


def read_roster(path: Path) -> tuple[Listed, ...]:
    """Return the devices in the file at `path`; raise InputError when it is none."""
    try:
        with path.open("rb") as file:
            return decode(file.read(_LARGEST), _Roster, str(path)).devices
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check the name and its permissions") from error
    except FormatError as error:
        raise InputError(f"{error}; 'hakobu hub devices --json' prints such a file") from error


def enrol_listed(connection: Connection, listed: Iterable[Listed], now: datetime) -> int:
    """Enrol those of the devices that are not known yet, and return how many were not; the others stay as they are.

    Raises TrustError when one is known by another key.
    """
    new = 0
    for one in listed:
        known = find(connection, one.name)
        if known is not None and known.key_pem == one.key_pem:
            continue
        enrol(connection, one.name, one.key_pem, one.group, now)
        if one.blocked:
            block(connection, one.name, one.blocked)
        new += 1
    return new

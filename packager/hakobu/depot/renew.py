"""Keeping a depot from expiring: the online roles by schedule, the others when their time comes."""

from datetime import datetime, timedelta
from pathlib import Path

from hakobu.depot.depot import Depot
from hakobu.depot.editing import editing
from hakobu.depot.keychain import Keychain
from hakobu.depot.roles import MOST_DAYS, SNAPSHOT, days_of
from hakobu_runtime.errors import UsageError


def refresh(path: Path, keychain: Keychain, now: datetime) -> Depot:
    """Sign a new timestamp, and a new snapshot once half of its time is over; the online keys are enough."""
    with editing(path, keychain, now) as edition:
        snapshot = edition.depot.snapshot.signed
        if snapshot.expires - now < timedelta(days=days_of(snapshot)) / 2:
            edition.renew(SNAPSHOT)
        return edition.publish()


def renew_role(path: Path, role: str, days: int | None, keychain: Keychain, now: datetime) -> Depot:
    """Sign a role other than root anew, to hold from now on for `days`, or for as long as before."""
    check_days(days)
    with editing(path, keychain, now) as edition:
        edition.depot.role(role)
        edition.renew(role, days)
        return edition.publish()


def check_days(days: int | None) -> None:
    """Raise UsageError when metadata cannot hold for so many days."""
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise UsageError(f"metadata hold for 1 to {MOST_DAYS} days, not {days}")

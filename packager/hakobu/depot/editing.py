"""Beginning to change a depot: alone, from a whole one, at a time that can be."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from hakobu.depot.depot import METADATA, Depot, open_depot
from hakobu.depot.disk import at_work
from hakobu.depot.edition import Edition
from hakobu.depot.keychain import Keychain
from hakobu.depot.tidy import tidy
from hakobu_runtime.errors import StateError

_SLACK = timedelta(days=1)
_LONGEST_SLEEP = timedelta(days=3 * 365)


@contextmanager
def editing(path: Path, keychain: Keychain, now: datetime) -> Iterator[Edition]:
    """Yield an edition of the depot at `path`, which nobody else changes until the block ends.

    What a killed command left is taken away first. Raises StateError when the depot is not whole, another command
    works on it, its disk refuses, or the clock cannot be right, and TrustError when a signature does not hold.
    """
    check_clock(open_depot(path), now)
    with at_work(path, METADATA):
        depot = open_depot(path)
        tidy(depot)
        yield Edition(depot, keychain, now)


def check_clock(depot: Depot, now: datetime) -> None:
    """Raise StateError when it cannot be `now`, by what the depot says.

    Devices believe a depot about the time. What is signed by a clock that is years ahead makes them hold all that comes
    later for expired, and could never be taken back.
    """
    if now < depot.made - _SLACK:
        raise StateError(
            f"the clock of this PC says {now:%Y-%m-%d}, but {depot.path} was signed on {depot.made:%Y-%m-%d}: "
            "set the clock"
        )
    if now > depot.made + _LONGEST_SLEEP:
        raise StateError(
            f"the clock of this PC says {now:%Y-%m-%d}, years after {depot.path} was last signed "
            f"({depot.made:%Y-%m-%d}): set the clock; if it is right, refresh with SOURCE_DATE_EPOCH set to times "
            "that are at most three years apart"
        )

"""Why a depot's metadata are refused, in words: what was found, which rule it breaks, and what to do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tuf.api.exceptions import (
    BadVersionNumberError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.serialization import DeserializationError

from hakobu_runtime.errors import HakobuError, TransferError, TrustError


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is said to be, and what time it is at least."""

    now: datetime
    floor: datetime

    @property
    def latest(self) -> datetime:
        """The time that expiry is judged at."""
        return max(self.now, self.floor)


def refusal(
    where: str, content: bytes, error: RepositoryError, expiries: Mapping[str, datetime], clock: Clock
) -> HakobuError:
    """Return the error that says why metadata are refused; `content` came last, from `where`.

    `expiries` are those of what was verified before.
    """
    if isinstance(error, ExpiredMetadataError):
        return _expired(where, content, expiries, clock)
    if not _is_json(content):
        return TransferError(
            f"{where}: is cut short or damaged (it is no JSON any more): try again, or copy the depot again"
        )
    if isinstance(error, DeserializationError):
        return TransferError(f"{where}: is no metadata of a depot: check the address of the depot")
    if isinstance(error, UnsignedMetadataError):
        return TrustError(
            f"{where}: is not signed by the keys that this device trusts: it is another depot, or somebody has changed "
            "it; check the address or the stick, or ask for a new follow file and run 'hakobu-run follow FILE'"
        )
    if isinstance(error, BadVersionNumberError):
        return TrustError(
            f"{where}: is older than what this device has seen already ({error}): the copy or the stick is out of "
            "date, or somebody holds back what is new; take a fresh one"
        )
    if isinstance(error, LengthOrHashMismatchError):
        return TrustError(
            f"{where}: does not belong to the rest of the depot (its digest or length differs): two states of the "
            "depot were mixed, or it was tampered with; copy the depot again, in whole"
        )
    return TrustError(f"{where}: breaks a rule of The Update Framework ({error}); tell whoever runs the depot")


def _expired(where: str, content: bytes, expiries: Mapping[str, datetime], clock: Clock) -> TransferError:
    past = [(moment, name) for name, moment in expiries.items() if moment <= clock.latest]
    moment, name = min(past) if past else (_expiry(content), "")
    what = f"the depot's '{name}'" if name else "it"
    on = f" on {moment:%Y-%m-%d}" if moment else ""
    if clock.now < clock.floor:
        doubt = ""
    else:
        doubt = f"; or this PC's clock, which says {clock.now.astimezone(UTC):%Y-%m-%d}, is ahead: then set it"
    return TransferError(
        f"{where}: nothing is installed, since {what} expired{on}: have the depot signed anew with 'hakobu depot "
        f"refresh', or the stick written anew{doubt}"
    )


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def _expiry(content: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat(json.loads(content)["signed"]["expires"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return None

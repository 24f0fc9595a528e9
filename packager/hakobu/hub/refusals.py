"""Why a parcel is refused: a reason in words that its device can show, and how often each kind came."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from hakobu.hub.database import Database
from hakobu.hub.tables import refusals
from hakobu_runtime.errors import CountError, FormatError, HakobuError, SizeError, TrustError
from hakobu_runtime.format.parcel import plain_words


class Kind(StrEnum):
    """What is wrong with a parcel."""

    MALFORMED = "malformed"
    TOO_LARGE = "too-large"
    FORGED = "forged"
    UNKNOWN_DEVICE = "unknown-device"
    BLOCKED = "blocked"
    UNKNOWN_BUNDLE = "unknown-bundle"
    OTHER_BINS = "other-bins"
    FUTURE = "future"
    IMPOSSIBLE_COUNTS = "impossible-counts"
    SERIAL_REUSED = "serial-reused"
    TOO_OLD = "too-old"
    """Windows of a month that was pruned: left out, and the rest of the parcel taken."""

    @property
    def status(self) -> int:
        """The HTTP status that says so."""
        return _STATUS.get(self, 422)


_STATUS = {
    Kind.MALFORMED: 400,
    Kind.TOO_LARGE: 413,
    Kind.FORGED: 403,
    Kind.UNKNOWN_DEVICE: 403,
    Kind.BLOCKED: 403,
    Kind.SERIAL_REUSED: 409,
}
_TRUST = {Kind.FORGED, Kind.UNKNOWN_DEVICE, Kind.BLOCKED, Kind.SERIAL_REUSED}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A parcel of which nothing was stored."""

    where: str
    """The file, or the address that posted it."""
    kind: Kind
    words: str
    """For a person at the device, without `where`: on one line, of printable letters."""

    @property
    def status(self) -> int:
        """The HTTP status that says so."""
        return self.kind.status

    @property
    def error(self) -> "Refused":
        """What raises it."""
        kind = Distrusted if self.kind in _TRUST else Unfit
        return kind(self)


class Refused(HakobuError):  # noqa: N818 - what became of it, which is no fault of ours
    """A parcel that the hub refuses; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.where}: {refusal.words}")
        self.refusal = refusal


class Distrusted(Refused, TrustError):  # noqa: N818
    """Refused since it is not, or may not be, from the device that it names."""


class Unfit(Refused, FormatError):  # noqa: N818
    """Refused for what it holds."""


def refusal_of(error: FormatError | TrustError, where: str) -> Refusal:
    """Return the refusal of a parcel that could not be read."""
    words = plain_words(str(error).removeprefix(f"{where}: "))
    return Refusal(where, _kind(error), words)


def count(connection: Connection, refusal: Refusal, now: datetime, many: int = 1) -> None:
    """Count a refusal, or `many` of its kind, on the day of `now` (UTC), with its reason as the last one."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {"day": now.date().isoformat(), "kind": str(refusal.kind), "many": many, "words": refusal.words}
    query = dialect.insert(refusals).values(row)
    again = {"many": refusals.c.many + many, "words": refusal.words}
    connection.execute(query.on_conflict_do_update(index_elements=["day", "kind"], set_=again))


def count_apart(database: Database, refusal: Refusal, now: datetime) -> None:
    """Count a refusal in a transaction of its own."""
    with database.begin() as connection:
        count(connection, refusal, now)


def _kind(error: BaseException) -> Kind:
    """Return the kind of what went wrong, which the JSON border may have wrapped."""
    if isinstance(error, TrustError):
        return Kind.FORGED
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, CountError):
            return Kind.IMPOSSIBLE_COUNTS
        if isinstance(cause, SizeError):
            return Kind.TOO_LARGE
        cause = cause.__cause__
    return Kind.MALFORMED

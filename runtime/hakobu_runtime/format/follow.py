"""Which channel a device follows, from which depot, and whom it believes: given to it once, in a file or a program."""

from datetime import datetime
from typing import Final, Literal

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.channel import CHANNEL
from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.manifest import NAME

SCHEMA: Final = "hakobu.follow/1"
ENDING = ".follow"
_MOST_ROWS = 1_000_000
_SCHEMES = ("http://", "https://")


class Follow(Value, frozen=True):
    """The update settings of one model."""

    schema: Literal["hakobu.follow/1"]
    model: str
    channel: str
    root: str
    """The content of the depot's root metadata (TUF) that is trusted first."""
    since: str
    """When this was written, ISO 8601 in UTC: the time cannot be earlier, whatever a clock says."""
    depot: str = ""
    """The address of the depot, http(s):// or a folder; "" where updates come on sticks alone."""
    hub: str = ""
    """The address that counts are sent to; "" where they go on sticks, or not at all."""
    least_rows: int = 0
    """The fewest rows that a window must have counted to leave the device."""
    receipt_keys: tuple[str, ...] = ()
    """The public keys (PEM) of receipts, until the channel has said which they are."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.model) or not CHANNEL.fullmatch(self.channel):
            raise FormatError(f"channel {self.channel!r} of model {self.model!r}: names are of a-z, 0-9 and hyphens")
        if "://" in self.depot and not self.depot.startswith(_SCHEMES):
            raise FormatError(
                f"the depot {self.depot!r} must be an address like https://example.org/depot, or a folder"
            )
        if self.hub and not (self.hub.startswith(_SCHEMES) and self.hub.isprintable()):
            raise FormatError(f"the hub {self.hub!r} must be an address like https://example.org/hakobu")
        if not 0 <= self.least_rows <= _MOST_ROWS:
            raise FormatError(f"a window of {self.least_rows} rows at least cannot be asked for: 0 to {_MOST_ROWS:,}")
        moment = _moment(self.since)
        if moment is None or moment.tzinfo is None:
            raise FormatError(f"since {self.since!r} must be a time with its zone, like 2026-01-31T12:00:00+00:00")

    @property
    def earliest(self) -> datetime:
        """The time that it cannot be earlier than."""
        return datetime.fromisoformat(self.since)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None

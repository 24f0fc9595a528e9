"""A receipt: which parcels of a device have come home, so that it need not send their counts again.

Signed with a key that the device's channel names, on a stick it lies at `hakobu/receipts/DEVICE.receipt`. One that is
lost, doubled or old does no harm: counts that it does not speak of are sent once more, and counted once.
"""

import re
from typing import Final, Literal

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.parcel import DEVICE, check_moment

SCHEMA: Final = "hakobu.receipt/1"
KIND: Final = "application/vnd.hakobu.receipt+zlib"
"""The type of what is signed: the JSON of a receipt, deflated."""
FOLDER: Final = "hakobu/receipts"
"""On a stick."""
ENDING: Final = ".receipt"
LARGEST: Final = 64 << 10
"""Bytes, of the file and of its JSON."""
MOST_PARCELS: Final = 64
"""That a receipt speaks of, the newest; a device remembers no more of its own."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class CameHome(Value, frozen=True, order=True):
    """One parcel that came home."""

    serial: int
    digest: str
    """The sha256, in hex, of what was signed: so a serial that a copy of the device used acknowledges nothing."""

    def __post_init__(self) -> None:
        if self.serial < 1 or not _DIGEST.fullmatch(self.digest):
            raise FormatError(f"no parcel has the serial {self.serial} and the digest {self.digest[:80]!r}")


class Receipt(Value, frozen=True):
    """What of a device came home."""

    schema: Literal["hakobu.receipt/1"]
    device: str
    made: str
    """When, ISO 8601 in UTC."""
    parcels: tuple[CameHome, ...]

    def __post_init__(self) -> None:
        if not DEVICE.fullmatch(self.device):
            raise FormatError(f"{self.device[:80]!r} is no name of a device")
        if len(self.parcels) > MOST_PARCELS:
            raise FormatError(f"a receipt speaks of {MOST_PARCELS} parcels at most, not of {len(self.parcels)}")
        check_moment(self.made)

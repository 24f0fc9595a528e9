"""What a hub answers to a parcel: it is taken, or refused, or the device is known from now on.

A newer hub may say more than is known here, so a field that is unknown is passed over, as it is in no other format.
"""

from typing import Final, Literal

import msgspec

TAKEN: Final = "hakobu.taken/1"
REFUSED: Final = "hakobu.refused/1"
ENROLLED: Final = "hakobu.enrolled/1"
PARCELS: Final = "api/v1/parcels"
"""Below the hub's address: where parcels are posted."""
ENROL: Final = "api/v1/enrol"
"""Where a device makes itself known."""
INVITE: Final = "Hakobu-Invite"
"""The header that an invitation's code stands in."""
LARGEST: Final = 256 << 10
"""Bytes of an answer; a receipt takes 64 KiB at most."""


class Taken(msgspec.Struct, frozen=True):
    """The parcel is in the hub's database."""

    schema: Literal["hakobu.taken/1"]
    device: str
    serial: int
    new: bool
    receipt: str | None = None
    """The file of a receipt, in base64; none where the hub has no key for it."""


class Refused(msgspec.Struct, frozen=True):
    """Nothing of the parcel was taken."""

    schema: Literal["hakobu.refused/1"]
    kind: str
    """Why, for machines."""
    error: str
    """Why, for the people at the device."""


class Enrolled(msgspec.Struct, frozen=True):
    """The device's key is known from now on."""

    schema: Literal["hakobu.enrolled/1"]
    device: str
    group: str = ""

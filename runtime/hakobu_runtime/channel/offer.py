"""Reading what a depot says about a channel."""

from datetime import datetime
from typing import Final

from tuf.api.metadata import Timestamp

from hakobu_runtime.errors import FormatError, TransferError
from hakobu_runtime.format.channel import SCHEMA, Channel
from hakobu_runtime.format.codec import decode
from hakobu_runtime.format.follow import Follow

MADE: Final = "x-hakobu-made"
"""The field of a depot's timestamp that says when it was signed, ISO 8601 in UTC."""


def read_channel(content: bytes, follow: Follow, where: str) -> Channel:
    """Return the channel in `content`; raise TransferError when it is none that this program can follow."""
    try:
        channel = decode(content, Channel, f"{where}: channel {follow.channel} of {follow.model}")
    except FormatError as error:
        newer = f"; this program reads {SCHEMA}: update it, if the depot writes a newer one"
        raise TransferError(f"{error}{newer}") from error
    if (channel.model, channel.name) != (follow.model, follow.channel):
        raise TransferError(
            f"{where}: channel {channel.name} of {channel.model} stands in the place of channel {follow.channel} of "
            f"{follow.model}; tell whoever runs the depot"
        )
    return channel


def signed_at(timestamp: Timestamp, follow: Follow) -> datetime:
    """Return when `timestamp` was signed, as it says itself; where it does not say, when the device began to follow.

    Raises TransferError when that is no time.
    """
    said = timestamp.unrecognized_fields.get(MADE)
    if said is None:
        return follow.earliest
    try:
        moment = datetime.fromisoformat(said)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise TransferError(f"the depot's timestamp says that it was signed at {said!r}, which is no time with a zone")
    return moment

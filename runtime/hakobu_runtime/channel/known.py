"""What a device knows of its channel without asking anybody: verified anew from its own files, expired or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Root, Snapshot, Targets, Timestamp
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from hakobu_runtime.channel.offer import read_channel, signed_at
from hakobu_runtime.errors import HakobuError
from hakobu_runtime.format.channel import Channel, channel_target
from hakobu_runtime.format.follow import Follow

_ALWAYS = datetime.min.replace(tzinfo=UTC)
"""A time at which nothing has expired."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was fetched at some time."""

    channel: Channel
    made: datetime
    """When the depot signed it."""
    expires: datetime
    """When the first of its metadata does."""
    expired: bool


def channel_file(folder: Path, name: str) -> Path:
    """Return where the channel's own file is kept."""
    return folder / "channels" / f"{name}.json"


def read_known(folder: Path, follow: Follow, latest: datetime) -> Known | None:
    """Return what `folder` holds of the channel, judged at the time `latest`; None when it is not all there, or sound.

    A refresh heals what is damaged.
    """
    try:
        trusted = TrustedMetadataSet(follow.root.encode(), EnvelopeType.METADATA)
        trusted.reference_time = _ALWAYS
        for content in _roots(folder, trusted):
            trusted.update_root(content)
        trusted.update_timestamp((folder / f"{Timestamp.type}.json").read_bytes())
        trusted.update_snapshot((folder / f"{Snapshot.type}.json").read_bytes())
        trusted.update_targets((folder / f"{Targets.type}.json").read_bytes())
        role = trusted.update_delegated_targets(
            (folder / f"{follow.model}.json").read_bytes(), follow.model, Targets.type
        )
        content = channel_file(folder, follow.channel).read_bytes()
        role.targets[channel_target(follow.model, follow.channel)].verify_length_and_hashes(content)
        channel = read_channel(content, follow, str(folder))
        made = signed_at(trusted.timestamp, follow)
    except (OSError, RepositoryError, HakobuError, KeyError):
        return None
    expires = min(
        signed.expires for signed in (trusted.root, trusted.timestamp, trusted.snapshot, trusted.targets, role)
    )
    return Known(channel, made, expires, expired=expires <= latest)


def _roots(folder: Path, trusted: TrustedMetadataSet) -> Iterator[bytes]:
    """Yield the roots that followed the first one, as far as they are kept."""
    for version in count(trusted.root.version + 1):
        path = folder / "root_history" / f"{version}.{Root.type}.json"
        if not path.is_file():
            break
        yield path.read_bytes()

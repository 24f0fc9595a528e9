"""What is done to releases after they were published: wider, back, never again, nothing older."""

from datetime import datetime
from pathlib import Path

import msgspec

from hakobu.depot.editing import editing
from hakobu.depot.history import find, record, revocations
from hakobu.depot.keychain import Keychain
from hakobu.depot.offer import bar, demand, widen, withdraw
from hakobu_runtime.errors import UsageError
from hakobu_runtime.format.channel import Channel, Release

_LONGEST_REASON = 500


def set_rollout(path: Path, model: str, channel: str, rollout: int, keychain: Keychain, now: datetime) -> Channel:
    """Let the newest release of a channel come to `rollout` percent of the devices, and return the channel."""
    with editing(path, keychain, now) as edition:
        changed = widen(edition.depot.channel(model, channel), rollout)
        edition.put_channel(changed)
        edition.publish()
    return changed


def roll_back(path: Path, model: str, channel: str, keychain: Keychain, now: datetime) -> tuple[Release, Channel]:
    """Withdraw the newest release of a channel, so that the former one is offered again; return it, and the channel."""
    with editing(path, keychain, now) as edition:
        before = edition.depot.channel(model, channel)
        changed = withdraw(before)
        edition.put_channel(changed)
        edition.publish()
    return before.releases[0], changed


def revoke(path: Path, model: str, version: str, reason: str, keychain: Keychain, now: datetime) -> tuple[Channel, ...]:
    """Let no device use `version` any more, in no channel; return the channels of the model."""
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        raise UsageError(f"devices tell the reason to people: give it in 1 to {_LONGEST_REASON} letters")
    with editing(path, keychain, now) as edition:
        edition.depot.model(model)
        signed = edition.model(model)
        published = find(signed, version, model)
        record(signed, version, msgspec.structs.replace(published, revoked=reason.strip()))
        channels = tuple(bar(channel, revocations(signed)) for channel in edition.channels(model))
        for channel in channels:
            edition.put_channel(channel)
        edition.publish()
    return channels


def set_minimum(path: Path, model: str, channel: str, version: str, keychain: Keychain, now: datetime) -> Channel:
    """Let the followers of a channel use nothing older than `version`, "" for anything, and return the channel."""
    with editing(path, keychain, now) as edition:
        changed = demand(edition.depot.channel(model, channel), version)
        edition.put_channel(changed)
        edition.publish()
    return changed

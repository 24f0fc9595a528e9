"""What may be done to a channel: pure, a channel comes in and another goes out."""

from collections.abc import Iterable
from typing import NoReturn

import msgspec

from hakobu_runtime.errors import ProjectError, UsageError
from hakobu_runtime.format.channel import CHANNEL, SCHEMA, Channel, Release, Revoked
from hakobu_runtime.format.manifest import VERSION, precedence

KEPT = 10
"""How many releases a channel names, so that it can go back to them; more, where none of these comes to all devices."""
_LONGEST_NOTES = 4000
"""Letters; every device reads them at every sync."""


def new_channel(model: str, name: str, revoked: tuple[Revoked, ...]) -> Channel:
    """Return a channel that offers nothing; raise UsageError when no channel can have this name."""
    if not CHANNEL.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a channel: they are 1 to 32 of a-z, 0-9 and inner hyphens, like stable"
        )
    return Channel(SCHEMA, model, name, revoked=revoked)


def add(channel: Channel, release: Release) -> Channel:
    """Offer `release` before all others; raise ProjectError when the channel has a newer one, or went back from it."""
    if release.digest in channel.withdrawn:
        raise ProjectError(
            f"{channel.model} {release.version} was withdrawn from channel {channel.name}, and devices that left it do "
            "not take it again: publish a newer version"
        )
    newest = channel.releases[0] if channel.releases else None
    if newest is not None and precedence(release.version) <= precedence(newest.version):
        raise ProjectError(
            f"channel {channel.name} of {channel.model} offers {newest.version} already, which is not older than "
            f"{release.version}: publish a newer version, or go back with 'hakobu depot rollback'"
        )
    if channel.minimum_version and precedence(release.version) < precedence(channel.minimum_version):
        raise ProjectError(
            f"{channel.model} {release.version} is older than {channel.minimum_version}, the oldest that channel "
            f"{channel.name} allows: publish a newer version, or lower that with 'hakobu depot minimum'"
        )
    return _tidied(channel, (release, *channel.releases))


def widen(channel: Channel, rollout: int) -> Channel:
    """Let the newest release come to `rollout` percent of the devices; raise UsageError when there is none."""
    newest, *others = channel.releases or _nothing(channel)
    return _tidied(channel, (msgspec.structs.replace(newest, rollout=rollout), *others))


def withdraw(channel: Channel) -> Channel:
    """Take back the newest release, so that the former one is offered; raise UsageError when that cannot be."""
    newest, *others = channel.releases or _nothing(channel)
    former = others[0] if others else None
    if former is None:
        raise UsageError(
            f"channel {channel.name} of {channel.model} has no release before {newest.version} to go back to: stop its "
            f"roll-out (hakobu depot rollout {channel.model} {channel.name} 0), or revoke it"
        )
    if channel.minimum_version and precedence(former.version) < precedence(channel.minimum_version):
        raise UsageError(
            f"{channel.model} {former.version}, to go back to, is older than {channel.minimum_version}, the oldest "
            f"that channel {channel.name} allows: lower that first with 'hakobu depot minimum'"
        )
    withdrawn = (*channel.withdrawn, newest.digest)
    return msgspec.structs.replace(channel, releases=tuple(others), withdrawn=withdrawn)


def bar(channel: Channel, revoked: Iterable[Revoked]) -> Channel:
    """Call these bundles revoked, and offer none of them."""
    entries = tuple(revoked)
    digests = {entry.digest for entry in entries}
    kept = tuple(release for release in channel.releases if release.digest not in digests)
    withdrawn = tuple(digest for digest in channel.withdrawn if digest not in digests)
    return msgspec.structs.replace(channel, releases=kept, withdrawn=withdrawn, revoked=entries)


def demand(channel: Channel, version: str) -> Channel:
    """Let nothing older than `version` be used, "" for anything; raise UsageError when nothing offered is so new."""
    if version and not VERSION.fullmatch(version):
        raise UsageError(f"minimum version {version!r} must be written like 1.2.3")
    newest = channel.releases[0] if channel.releases else None
    if version and (newest is None or precedence(newest.version) < precedence(version)):
        there = f"only {newest.version}" if newest else "nothing"
        raise UsageError(
            f"channel {channel.name} of {channel.model} offers {there}: with a minimum of {version} its devices would "
            "have nothing to run; publish that version first"
        )
    return msgspec.structs.replace(channel, minimum_version=version)


def check_notes(notes: str) -> str:
    """Return `notes`; raise UsageError when they are too long to be read by every device at every sync."""
    if len(notes) > _LONGEST_NOTES:
        raise UsageError(
            f"notes of {len(notes):,} letters are too long; every device fetches them: {_LONGEST_NOTES:,} at most"
        )
    return notes


def reachable(releases: tuple[Release, ...]) -> tuple[Release, ...]:
    """Return those that some device may be offered: none after the first that comes to all."""
    for place, release in enumerate(releases):
        if release.rollout == 100:
            return releases[: place + 1]
    return releases


def _tidied(channel: Channel, releases: tuple[Release, ...]) -> Channel:
    """Drop what is too old to go back to, and the patches to what no device is offered any more."""
    offered = reachable(releases)
    others = tuple(msgspec.structs.replace(release, patches=()) for release in releases[len(offered) : KEPT])
    return msgspec.structs.replace(channel, releases=offered + others)


def _nothing(channel: Channel) -> NoReturn:
    raise UsageError(f"channel {channel.name} of {channel.model} offers nothing: publish a bundle in it first")

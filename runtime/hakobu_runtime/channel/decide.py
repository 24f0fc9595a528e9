"""What a device should do about its channel: pure, so that the same channel always gives the same answer."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from hakobu_runtime.format.channel import Channel, Release
from hakobu_runtime.format.manifest import precedence, release


class Step(StrEnum):
    """What a device should do next about its channel."""

    CURRENT = "current"
    """It has what the channel offers."""
    INSTALL = "install"
    AHEAD = "ahead"
    """It has a newer version than it is offered, and keeps that."""
    WAITING = "waiting"
    """A newer release is being rolled out, and has not come to this device."""
    FAILED = "failed"
    """The newer release failed on this device, and is not tried again."""
    TOO_NEW = "too-new"
    """The newer release needs a newer runtime."""
    NOTHING = "nothing"
    """The channel has nothing for this device."""


@dataclass(frozen=True, slots=True)
class Held:
    """A bundle that a device has."""

    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why."""

    step: Step
    words: str
    """For a person, without a full stop."""
    release: Release | None = None
    """The one to install, or the one that is current, waited for, or held back."""
    barred: str = ""
    """Why the active bundle must not be used any more; "" while it may."""


def barred(channel: Channel, held: Held) -> str:
    """Return why `held` must not be used any more, revoked or below the minimum; "" when it may."""
    for revoked in channel.revoked:
        if revoked.digest == held.digest:
            return f"{channel.model} {held.version} was revoked: {revoked.reason or 'no reason was given'}"
    if channel.minimum_version and precedence(held.version) < precedence(channel.minimum_version):
        return f"{channel.model} {held.version} is older than {channel.minimum_version}, the oldest that may be used"
    return ""


def decide(channel: Channel, device: str, runtime: str, active: Held | None, failed: Collection[str]) -> Decision:
    """Return what `device`, with version `runtime` of the runtime and the bundle `active`, should do about `channel`.

    The newest release that reaches the device, has not `failed` there (digests), and fits its runtime is the one to
    have. It is never an older one than the active bundle, unless that was withdrawn or must not be used any more.
    """
    ban = barred(channel, active) if active else ""
    free = active is None or bool(ban) or active.digest in channel.withdrawn
    held_back: Decision | None = None
    for candidate in channel.releases:
        if active and not free and not _improves(candidate, active):
            return held_back or _stay(channel, candidate, active, device)
        obstacle = _obstacle(channel, candidate, device, runtime, failed, ban)
        if obstacle is None:
            return Decision(Step.INSTALL, f"{channel.model} {candidate.version} is offered", candidate, ban)
        held_back = held_back or obstacle
    return held_back or _empty(channel, active, ban)


def _improves(candidate: Release, active: Held) -> bool:
    """Say whether `candidate` is another bundle, and not an older version."""
    return candidate.digest != active.digest and precedence(candidate.version) >= precedence(active.version)


def _stay(channel: Channel, candidate: Release, active: Held, device: str) -> Decision:
    name = f"{channel.model} {active.version}"
    if candidate.digest != active.digest:
        words = f"{name} is newer than {candidate.version}, which channel {channel.name} offers"
        return Decision(Step.AHEAD, words, candidate)
    if not candidate.reaches(device):
        return Decision(Step.AHEAD, f"{name} is here before its roll-out has come to this device", candidate)
    return Decision(Step.CURRENT, f"{name} is what channel {channel.name} offers", candidate)


def _obstacle(
    channel: Channel, candidate: Release, device: str, runtime: str, failed: Collection[str], ban: str
) -> Decision | None:
    """Return why `candidate` is not to be installed; None when it is."""
    name = f"{channel.model} {candidate.version}"
    unusable = barred(channel, Held(candidate.version, candidate.digest))
    if unusable:
        return Decision(Step.NOTHING, unusable, None, ban)
    if candidate.digest in failed:
        return Decision(Step.FAILED, f"{name} failed on this device, and is not tried again", candidate, ban)
    if not candidate.reaches(device):
        share = f"{candidate.rollout} percent of the devices"
        return Decision(Step.WAITING, f"{name} goes to {share} so far, and this one is not among them", candidate, ban)
    if release(candidate.min_runtime) > release(runtime):
        needs = f"{name} needs hakobu-runtime {candidate.min_runtime} or newer; this is {runtime}"
        return Decision(Step.TOO_NEW, f"{needs}: update the program", candidate, ban)
    return None


def _empty(channel: Channel, active: Held | None, ban: str) -> Decision:
    if not channel.releases:
        return Decision(Step.NOTHING, f"channel {channel.name} of {channel.model} has no release", None, ban)
    return Decision(Step.NOTHING, f"channel {channel.name} of {channel.model} has nothing for this device", None, ban)

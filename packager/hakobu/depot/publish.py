"""`hakobu publish` and `hakobu depot promote`: a release comes into a channel."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from hakobu.depot.editing import editing
from hakobu.depot.edition import Edition
from hakobu.depot.history import Published, read_history, record, revocations
from hakobu.depot.keychain import Keychain
from hakobu.depot.offer import add, check_notes, demand, new_channel
from hakobu.depot.patches import add_patches
from hakobu.depot.roles import TARGETS, check_model, holder
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.errors import BundleError, ProjectError, UsageError
from hakobu_runtime.format import manifest as manifest_format
from hakobu_runtime.format.channel import Channel, Release, bundle_target
from hakobu_runtime.format.manifest import precedence
from hakobu_runtime.format.validation import Outcome

Tell = Callable[[str], None]
"""Hears what is begun now."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a bundle is to be published."""

    channel: str
    rollout: int = 100
    """Percent of the devices."""
    notes: str = ""
    minimum_version: str | None = None
    """The oldest version that may be used still; None leaves that as it is."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A release that a channel offers now."""

    channel: Channel
    release: Release
    delegated: str = ""
    """The name of the key that signs a model which is new in the depot; "" when it is not."""
    words: tuple[str, ...] = ()
    """What the builder should know about it."""


def publish(
    path: Path, bundle: Bundle, order: Order, keychain: Keychain, now: datetime, tell: Tell = lambda words: None
) -> Offered:
    """Publish `bundle` in a channel of the depot at `path`, and make what is missing of both.

    Its gates must have passed: a finding that the caller looks at before. Raises ProjectError when the bundle is not in
    order for this depot, and what `editing` and `Edition.publish` raise.
    """
    manifest = bundle.manifest
    model, version = manifest.name, manifest.version
    _check(bundle, order)
    content = _content(bundle)
    with editing(path, keychain, now) as edition:
        delegated = ""
        if model not in edition.depot.models:
            edition.check_key(TARGETS)  # before a key is made that would be of no use
            key = keychain.named(model)
            edition.delegate(model, key)
            delegated = holder(key)
        signed = edition.model(model)
        _check_order(bundle, edition)
        record(signed, version, Published(bundle.digest, _moment(now)))
        channel = _channel(edition, model, order.channel)
        release = Release(
            version,
            bundle.digest,
            bundle_target(model, version),
            len(content),
            _moment(now),
            order.rollout,
            min_runtime=manifest.min_runtime,
            notes=check_notes(order.notes),
        )
        words = _remarks(bundle, channel, release)
        edition.put(model, release.target, content)
        release = _put_first(edition, channel, release, content, order.minimum_version, tell)
        tell("sign")
        edition.publish()
    return Offered(_channel(edition, model, order.channel), release, delegated, words)


def promote(
    path: Path,
    model: str,
    source: str,
    order: Order,
    keychain: Keychain,
    now: datetime,
    version: str | None = None,
    tell: Tell = lambda words: None,
) -> Offered:
    """Offer what channel `source` of a model offers, its newest release or `version`, in another channel too."""
    with editing(path, keychain, now) as edition:
        if source == order.channel:
            raise UsageError(f"a release is promoted from one channel to another, not from {source} to itself")
        release = _pick(edition.depot.channel(model, source), version)
        edition.model(model)
        channel = _channel(edition, model, order.channel)
        promoted = msgspec.structs.replace(
            release,
            published=_moment(now),
            rollout=order.rollout,
            notes=check_notes(order.notes) or release.notes,
            patches=(),
        )
        content = edition.read_bundle(model, release)
        promoted = _put_first(edition, channel, promoted, content, order.minimum_version, tell)
        tell("sign")
        edition.publish()
    return Offered(_channel(edition, model, order.channel), promoted)


def _put_first(
    edition: Edition, channel: Channel, release: Release, content: bytes, minimum: str | None, tell: Tell
) -> Release:
    """Offer `release` first in `channel`, with patches from what that offers now, and return it as it is offered."""
    add(channel, release)  # what is refused should be so before the patches, which take their time
    tell("make patches")
    patches = add_patches(edition, channel.model, release.version, content, channel.releases)
    release = msgspec.structs.replace(release, patches=patches)
    channel = add(channel, release)
    edition.put_channel(channel if minimum is None else demand(channel, minimum))
    return release


def _check(bundle: Bundle, order: Order) -> None:
    """Raise when the bundle or the order make no sense, whatever the depot."""
    manifest = bundle.manifest
    check_model(manifest.name)
    new_channel(manifest.name, order.channel, ())
    check_notes(order.notes)
    if not 0 <= order.rollout <= 100:
        raise UsageError(f"a roll-out reaches 0 to 100 percent of the devices, not {order.rollout}")
    if not all(manifest.version.partition("-")[2].split(".")) and "-" in manifest.version:
        raise ProjectError(
            f"version {manifest.version!r} cannot be the name of a folder everywhere: write it like 1.2.3-rc.1"
        )
    if bundle.validation.failed or not bundle.validation.gates:
        raise BundleError(
            f"{bundle.path}: not every gate let it through; 'hakobu inspect' shows them: it is not published"
        )


def _content(bundle: Bundle) -> bytes:
    content = bundle.path.read_bytes()
    if sha256(content).hexdigest() != bundle.digest:
        raise BundleError(f"{bundle.path}: was changed meanwhile; run the command again")
    return content


def _check_order(bundle: Bundle, edition: Edition) -> None:
    """Raise ProjectError when the bundle was published before, or is not newer than all that were."""
    model, version = bundle.manifest.name, bundle.manifest.version
    history = read_history(edition.model(model))
    for former, published in history.items():
        if published.digest == bundle.digest:
            raise ProjectError(
                f"{bundle.path}: is in the depot already, as {model} {former} of {published.published[:10]}; to offer "
                "it in another channel: hakobu depot promote"
            )
    newest = max(history, key=precedence, default=None)
    if newest is not None and precedence(version) <= precedence(newest):
        raise ProjectError(
            f"{bundle.path}: its version {version} is not above {newest}, which was published before: raise the "
            "version in hakobu.toml and build again"
        )


def _channel(edition: Edition, model: str, name: str) -> Channel:
    """Return the channel as it will be; a new one that offers nothing where there is none."""
    for channel in edition.channels(model):
        if channel.name == name:
            return channel
    return new_channel(model, name, revocations(edition.model(model)))


def _pick(channel: Channel, version: str | None) -> Release:
    if not channel.releases:
        raise UsageError(f"channel {channel.name} of {channel.model} offers nothing to promote")
    if version is None:
        return channel.releases[0]
    for release in channel.releases:
        if release.version == version:
            return release
    there = ", ".join(release.version for release in channel.releases)
    raise UsageError(f"channel {channel.name} of {channel.model} has no release {version!r}; there is {there}")


def _remarks(bundle: Bundle, channel: Channel, release: Release) -> tuple[str, ...]:
    """Say what the builder may not expect of this release."""
    words = []
    unjudged = [gate.name for gate in bundle.validation.gates if gate.outcome is Outcome.NOT_JUDGED]
    if unjudged:
        words.append(f"not judged, for too little to judge by: {', '.join(unjudged)}")
    former = channel.releases[0] if channel.releases else None
    if former is not None and manifest_format.release(release.min_runtime) > manifest_format.release(
        former.min_runtime
    ):
        words.append(
            f"it needs hakobu-runtime {release.min_runtime}, {former.version} needed {former.min_runtime}: devices "
            "with an older program stay on what they have until it is updated"
        )
    return tuple(words)


def _moment(now: datetime) -> str:
    return now.replace(microsecond=0).isoformat()

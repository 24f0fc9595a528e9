"""`hakobu depot status`: what a depot offers, who keeps its keys, and what is about to expire."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tuf.api.metadata import Signed

from hakobu.depot.depot import Depot
from hakobu.depot.history import read_history
from hakobu.depot.keychain import Keychain
from hakobu.depot.pending import Standing, read_pending, standing
from hakobu.depot.roles import SNAPSHOT, TIMESTAMP, days_of, holder
from hakobu.depot.rotate import keys_of
from hakobu_runtime.console.table import style, table
from hakobu_runtime.format.channel import Channel

_SOON = 1 / 8
"""Of its time, what is left of it when a role is called about to expire; a quarter for those that cron renews."""


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """One role: until when what it signed holds, and its keys."""

    name: str
    version: int
    expires: str
    """ISO 8601 in UTC."""
    days: int
    """How many are left."""
    soon: bool
    """Whether it should be renewed now."""
    threshold: int
    keys: tuple[str, ...]
    here: tuple[str, ...]
    """Those of the keys that are at hand."""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model: its channels, and all that was ever published."""

    name: str
    channels: tuple[Channel, ...]
    versions: tuple[str, ...]
    withdrawn: dict[str, tuple[str, ...]]
    """The versions that were rolled back, by channel."""
    revoked: dict[str, str]
    """The reason, by version."""


@dataclass(frozen=True, slots=True)
class Status:
    """A depot at a glance."""

    depot: str
    made: str
    roles: tuple[RoleStatus, ...]
    models: tuple[ModelStatus, ...]
    waiting: Standing | None
    """The new root that waits for signatures."""
    advice: tuple[str, ...]
    """What is to be renewed, and how."""


def status(depot: Depot, keychain: Keychain, now: datetime) -> Status:
    """Return what `depot` is like `now`, with the keys of `keychain` at hand."""
    metadata = read_pending(depot)
    return Status(
        str(depot.path),
        depot.made.isoformat(),
        tuple(_role(depot, name, keychain, now) for name in depot.signed),
        tuple(_model(depot, name) for name in depot.models),
        None if metadata is None else standing(depot, metadata),
        tuple(expiring(depot, now)),
    )


def status_words(found: Status) -> str:
    """Return `found` for a person."""
    return "\n".join(_words(found))


def expiring(depot: Depot, now: datetime) -> Iterator[str]:
    """Say of each role that has expired, or soon will, what is to be done."""
    for name, signed in depot.signed.items():
        if _is_soon(name, signed, now):
            verb = "refresh" if name in (SNAPSHOT, TIMESTAMP) else f"renew {name}"
            state = "has expired" if signed.expires <= now else "expires"
            yield f"{name} {state} on {signed.expires:%Y-%m-%d}: hakobu depot {verb}"


def _role(depot: Depot, name: str, keychain: Keychain, now: datetime) -> RoleStatus:
    signed = depot.signed[name]
    keys = keys_of(depot, name)
    return RoleStatus(
        name,
        signed.version,
        signed.expires.isoformat(),
        (signed.expires - now).days,
        _is_soon(name, signed, now),
        depot.role(name).threshold,
        tuple(holder(key) for key in keys),
        tuple(holder(key) for key in keys if keychain.has(key.keyid)),
    )


def _is_soon(name: str, signed: Signed, now: datetime) -> bool:
    share = 2 * _SOON if name in (SNAPSHOT, TIMESTAMP) else _SOON
    return signed.expires - now < timedelta(days=days_of(signed)) * share


def _model(depot: Depot, name: str) -> ModelStatus:
    history = read_history(depot.model(name))
    channels = tuple(depot.channel(name, channel) for channel in depot.channels(name))
    versions = {entry.digest: version for version, entry in history.items()}
    return ModelStatus(
        name,
        channels,
        tuple(history),
        {
            channel.name: tuple(versions.get(digest, digest[:12]) for digest in channel.withdrawn)
            for channel in channels
        },
        {version: entry.revoked for version, entry in history.items() if entry.revoked},
    )


def _words(found: Status) -> Iterator[str]:
    yield f"depot {found.depot}, last signed {_day(found.made)}"
    yield ""
    header = ("role", "version", "expires", "signed by", "here")
    yield table(header, [_row(role) for role in found.roles])
    rows = [row for model in found.models for row in _rows(model)]
    yield ""
    if rows:
        yield table(("model", "channel", "release", "roll-out", "published", "size", "patches"), rows)
    else:
        yield "nothing is published yet: hakobu publish BUNDLE --channel stable"
    for model in found.models:
        yield from _remarks(model)
    yield from _advice(found)


def _row(role: RoleStatus) -> tuple[str, ...]:
    left = f"in {role.days:,} days" if role.days >= 0 else "EXPIRED"
    expires = f"{_day(role.expires)} ({left})"
    colour = "red" if role.days < 0 else "yellow"
    who = ", ".join(role.keys) if len(role.keys) == 1 else f"{role.threshold} of {', '.join(role.keys)}"
    return (
        role.name,
        str(role.version),
        style(expires, fg=colour) if role.soon else expires,
        who,
        ", ".join(role.here) or "none",
    )


def _rows(model: ModelStatus) -> Iterator[tuple[str, ...]]:
    for channel in model.channels:
        if not channel.releases:
            yield (model.name, channel.name, "none", "", "", "", "")
        for release in channel.releases:
            yield (
                model.name,
                channel.name,
                release.version,
                f"{release.rollout}%",
                _day(release.published),
                f"{release.size:,}",
                ", ".join(f"{patch.size:,}" for patch in release.patches) or "none",
            )


def _remarks(model: ModelStatus) -> Iterator[str]:
    for channel in model.channels:
        if channel.minimum_version:
            yield f"{model.name}, {channel.name}: nothing older than {channel.minimum_version} may be used"
        if channel.withdrawn:
            yield f"{model.name}, {channel.name}: withdrawn {', '.join(model.withdrawn[channel.name])}"
    for version, reason in model.revoked.items():
        yield f"{model.name} {version} is revoked: {reason}"


def _advice(found: Status) -> Iterator[str]:
    yield from found.advice
    if found.waiting is not None:
        waiting, names = found.waiting, ", ".join(found.waiting.open)
        yield f"root {waiting.version} waits for {waiting.lacking} more of {names}: hakobu depot sign KEY.pem"


def _day(moment: str) -> str:
    return moment[:10]

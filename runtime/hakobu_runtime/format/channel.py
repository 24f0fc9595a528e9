"""A channel: what the devices that follow it should run, and what none of them may run any more.

It is the target `MODEL/channels/NAME.json` of a depot, so TUF's metadata sign it, and no older one can come back.
"""

import re
from typing import Final, Literal

from hakobu_runtime.digest import sha256
from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.manifest import NAME, VERSION

SCHEMA: Final = "hakobu.channel/1"
CHANNEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TARGET = re.compile(r"[a-z0-9-]+(?:/[0-9A-Za-z][0-9A-Za-z._-]*)+")


def channel_target(model: str, channel: str) -> str:
    """Return the path of the target that says what `channel` of `model` holds."""
    return f"{model}/channels/{channel}.json"


def bundle_target(model: str, version: str) -> str:
    """Return the path of the target that is the bundle of a release."""
    return f"{model}/{version}/{model}-{version}.hako"


class Patch(Value, frozen=True):
    """A shorter way to a release for a device that has a certain earlier bundle."""

    base: str
    """The digest of that bundle."""
    target: str
    size: int
    """Bytes."""

    def __post_init__(self) -> None:
        _check_digest(self.base)
        _check_target(self.target)
        _check_size(self.size)


class Probation(Value, frozen=True):
    """How a release has to prove itself on each device before its former slot is given up."""

    batches: int = 20
    """How many batches of rows are watched."""
    rejected: float = 0.5
    """The largest share of these rows that it may reject, unless the former bundle rejected as many."""
    crashes: int = 2
    """How many of the processes that score with it may die before it is given up."""

    def __post_init__(self) -> None:
        if not (0 <= self.batches <= 100_000 and 0 <= self.rejected <= 1 and 1 <= self.crashes <= 100):
            raise FormatError(
                "a probation takes 0 to 100000 batches, a share of rejected rows from 0 to 1, and 1 to 100 crashes"
            )


class Release(Value, frozen=True):
    """One bundle, and which share of the devices should have it."""

    version: str
    digest: str
    """The sha256 of the bundle, in hex."""
    target: str
    size: int
    """Bytes."""
    published: str
    """When, ISO 8601 in UTC."""
    rollout: int = 100
    """Percent of the devices."""
    seed: str = ""
    """What decides, with the device's name, which devices these are; the same seed, the same order of devices."""
    min_runtime: str = "0.0.0"
    notes: str = ""
    patches: tuple[Patch, ...] = ()
    probation: Probation = Probation()

    def __post_init__(self) -> None:
        if not VERSION.fullmatch(self.version) or not VERSION.fullmatch(self.min_runtime):
            raise FormatError(f"release {self.version!r} for runtime {self.min_runtime!r}: write versions like 1.2.3")
        _check_digest(self.digest)
        _check_target(self.target)
        _check_size(self.size)
        if not 0 <= self.rollout <= 100:
            raise FormatError(f"a roll-out reaches 0 to 100 percent of the devices, not {self.rollout}")

    def reaches(self, device: str) -> bool:
        """Say whether the roll-out has come to `device`; once it has, a larger one has, too."""
        return bucket(device, self.seed or self.digest) < self.rollout


class Revoked(Value, frozen=True):
    """A bundle that must not be used any more, wherever it is."""

    version: str
    digest: str
    reason: str

    def __post_init__(self) -> None:
        _check_digest(self.digest)


class Channel(Value, frozen=True):
    """What a channel of a model holds."""

    schema: Literal["hakobu.channel/1"]
    model: str
    name: str
    releases: tuple[Release, ...] = ()
    """The newest first; a device takes the first that reaches it."""
    withdrawn: tuple[str, ...] = ()
    """Digests of releases that were rolled back: a device leaves them for the one that is offered."""
    revoked: tuple[Revoked, ...] = ()
    minimum_version: str = ""
    """The oldest version that may be used still; "" for any."""
    receipt_keys: tuple[str, ...] = ()
    """The public keys, as PEM, whose receipts say that counts have come home."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.model) or not CHANNEL.fullmatch(self.name):
            raise FormatError(f"channel {self.name!r} of model {self.model!r}: names are of a-z, 0-9 and inner hyphens")
        if self.minimum_version and not VERSION.fullmatch(self.minimum_version):
            raise FormatError(f"minimum version {self.minimum_version!r} must be written like 1.2.3")
        digests = [release.digest for release in self.releases]
        barred = {*self.withdrawn, *(entry.digest for entry in self.revoked)}
        if len(set(digests)) != len(digests) or barred & set(digests):
            raise FormatError(f"channel {self.name} offers a release twice, or one that was withdrawn or revoked")

    def offered(self, device: str) -> Release | None:
        """Return the release that `device` should run; None when none has come to it."""
        return next((release for release in self.releases if release.reaches(device)), None)


def bucket(device: str, seed: str) -> int:
    """Return which hundredth of the devices, 0 to 99, `device` belongs to under `seed`."""
    return int.from_bytes(sha256(f"{seed}\n{device}".encode())[:8], "big") % 100


def _check_digest(digest: str) -> None:
    if not _DIGEST.fullmatch(digest):
        raise FormatError(f"{digest!r} is not a sha256 in hex")


def _check_target(target: str) -> None:
    if not _TARGET.fullmatch(target) or len(target) > 300:
        raise FormatError(f"{target!r} is not the path of a target like model/1.2.3/model-1.2.3.hako")


def _check_size(size: int) -> None:
    if not 0 < size < 2**40:
        raise FormatError(f"a size of {size} bytes is not possible")

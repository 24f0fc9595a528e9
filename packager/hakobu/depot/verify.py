"""`hakobu depot verify`: the whole depot, read as devices read it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from hakobu.depot.depot import METADATA, Depot, root_versions
from hakobu.depot.invite import invitation
from hakobu_runtime.channel.client import Client, open_fetcher
from hakobu_runtime.channel.patch import apply_patch
from hakobu_runtime.errors import DamageError
from hakobu_runtime.format.channel import Channel, Release


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found whole."""

    channels: tuple[str, ...]
    """As MODEL/CHANNEL."""
    bundles: int
    patches: int
    size: int
    """Bytes of both."""


def verify(depot: Depot, now: datetime, tell: Callable[[str], None] = lambda words: None) -> Verified:
    """Follow every channel of `depot` from its first root on, fetch all that it offers, and apply each patch.

    Raises the error of the first thing that a device would stumble over.
    """
    first = next(root_versions(depot.path / METADATA))
    root = (depot.path / METADATA / f"{first}.root.json").read_text(encoding="utf-8")
    channels, bundles, patches, size = [], set(), set(), 0
    with TemporaryDirectory(prefix="hakobu-verify-") as folder:
        for model in depot.models:
            for name in depot.channels(model):
                tell(f"{model}/{name}")
                follow = msgspec.structs.replace(invitation(depot, model, name), root=root)
                fetcher = open_fetcher(str(depot.path))
                client = Client(Path(folder) / model / name, follow, fetcher, now, depot.made)
                client.refresh()
                channel = client.channel()
                found = _fetch(client, channel, Path(folder) / "bundles")
                channels.append(f"{model}/{name}")
                bundles |= {release.digest for release in channel.releases}
                patches |= {patch.target for release in channel.releases for patch in release.patches}
                size += found
    return Verified(tuple(channels), len(bundles), len(patches), size)


def _fetch(client: Client, channel: Channel, folder: Path) -> int:
    """Fetch what `channel` names into `folder`, where another one may have put some of it; return its bytes."""
    folder.mkdir(exist_ok=True)
    size = 0
    for release in channel.releases:
        place = folder / release.digest
        if not place.exists():
            client.fetch(release.target, place)
            size += release.size
            _check(place.read_bytes(), release, release.target)
    for release in channel.releases:
        for patch in release.patches:
            made = client.fetch(patch.target, folder / "patch").read_bytes()
            base = folder / patch.base
            if base.exists():
                _check(apply_patch(base.read_bytes(), made, release.size), release, patch.target)
            (folder / "patch").unlink()
            size += patch.size
    return size


def _check(content: bytes, release: Release, where: str) -> None:
    if sha256(content).hexdigest() != release.digest:
        raise DamageError(f"{where}: is not the bundle that the channel promises; publish a newer version")

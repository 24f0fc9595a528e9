"""One look at a depot for one model: what its channel offers, and the fetching of what that names.

This module imports tuf and, for a depot behind an address, urllib3: import it where a depot is asked, and nowhere that
scoring passes.
"""

from datetime import datetime
from pathlib import Path
from typing import Final

from tuf.api.metadata import Targets

from hakobu_runtime.channel.cache import clear_file, keeping, make_folder
from hakobu_runtime.channel.download import Advance
from hakobu_runtime.channel.fetch import Fetcher
from hakobu_runtime.channel.folder import FolderFetcher
from hakobu_runtime.channel.known import Known, channel_file, read_known
from hakobu_runtime.channel.offer import read_channel, signed_at
from hakobu_runtime.channel.refusal import Clock
from hakobu_runtime.channel.updater import Updater
from hakobu_runtime.errors import TransferError, TrustError
from hakobu_runtime.format.channel import Channel, channel_target
from hakobu_runtime.format.follow import Follow

_LARGEST_CHANNEL: Final = 4 << 20
"""Bytes; a release takes about one kilobyte."""


def open_fetcher(address: str, *, timeout: float = 30.0, rate: int | None = None) -> Fetcher:
    """Return what reads the depot at `address`: http://, https://, or a folder.

    `timeout`: seconds to connect in, and to wait for more; `rate`: bytes a second at most. Nothing is read yet.
    """
    if address.startswith(("http://", "https://")):
        from hakobu_runtime.channel.http import HttpFetcher

        return HttpFetcher(address, timeout=timeout, rate=rate)
    return FolderFetcher(Path(address))


class Client:
    """One look at a depot for one model.

    `folder` keeps what is known of the depot. Expiry is judged at the later one of `now`, which the PC's clock says,
    and `floor`, the latest time that a depot is known to have signed at.
    """

    def __init__(self, folder: Path, follow: Follow, fetcher: Fetcher, now: datetime, floor: datetime) -> None:
        self._folder = folder
        self._follow = follow
        self._fetcher = fetcher
        self._clock = Clock(now, max(floor, follow.earliest))
        self._updater: Updater | None = None
        self._made: datetime | None = None

    def refresh(self) -> None:
        """Fetch and verify the depot's metadata; do it once.

        Raises TransferError where nothing usable came, and where the metadata have expired; TrustError where they are
        not from whom this device trusts, or older than what it knows; StateError where they cannot be kept.
        """
        updater = Updater(
            self._folder,
            self._follow.root.encode(),
            self._fetcher.inside("metadata"),
            self._fetcher.inside("targets"),
            self._clock,
        )
        updater.refresh()
        updater.find(channel_target(self._follow.model, self._follow.channel))  # reads the model's own role
        made = signed_at(updater.timestamp, self._follow)
        if made >= min(updater.expiries().values()):
            raise TrustError(
                f"{self._fetcher.place}: the depot was signed on {made:%Y-%m-%d}, by its own word, and parts of it had "
                "expired then: set the clock where it is signed, and run 'hakobu depot refresh' there"
            )
        self._updater, self._made = updater, made

    @property
    def made(self) -> datetime:
        """When the depot was signed last, by its own word; only after `refresh`. For the floor."""
        if self._made is None:
            raise ValueError("refresh() comes first")
        return self._made

    def channel(self) -> Channel:
        """Return the channel, after `refresh`; raise TransferError when the depot has none of this name."""
        updater = self._refreshed()
        path = channel_target(self._follow.model, self._follow.channel)
        target = updater.find(path)
        if target is None:
            raise self._no_channel(updater)
        if target.length > _LARGEST_CHANNEL:
            raise TransferError(f"{self._fetcher.place}: {path} has {target.length} bytes, which no channel needs")
        kept = channel_file(self._folder, self._follow.channel)
        with keeping(self._folder):
            make_folder(kept.parent)
            clear_file(kept)
        updater.take(target, kept, lambda done, whole: None)
        return read_channel(kept.read_bytes(), self._follow, self._fetcher.place)

    def fetch(self, target: str, into: Path, advance: Advance = lambda done, whole: None) -> Path:
        """Put the verified content of `target` at `into`, after `refresh`; what came is kept when it breaks off.

        `advance` is told how many bytes there are of how many. Raises TransferError, TrustError or StateError.
        """
        updater = self._refreshed()
        found = updater.find(target)
        if found is None:
            raise TransferError(f"{self._fetcher.place}: the depot has no {target}; tell whoever runs it")
        updater.take(found, into, advance)
        return into

    def known(self) -> Known | None:
        """Return what was fetched at some time and is sound still, expired or not, from `folder` alone."""
        return read_known(self._folder, self._follow, self._clock.latest)

    def _refreshed(self) -> Updater:
        if self._updater is None:
            raise ValueError("refresh() comes first")
        return self._updater

    def _no_channel(self, updater: Updater) -> TransferError:
        model, channel = self._follow.model, self._follow.channel
        top, own = updater.role(Targets.type), updater.role(model)
        if own is None:
            roles = top.delegations.roles if top and top.delegations and top.delegations.roles else {}
            others = ", ".join(sorted(roles)) or "no model at all"
            return TransferError(
                f"{self._fetcher.place}: the depot has nothing of {model}, it has {others}: check the address, or "
                "publish it there with 'hakobu publish'"
            )
        names = sorted(Path(path).stem for path in own.targets if path.startswith(f"{model}/channels/"))
        return TransferError(
            f"{self._fetcher.place}: {model} has no channel {channel!r}, but {', '.join(names) or 'none at all'}: "
            "follow another one, or ask whoever runs the depot"
        )

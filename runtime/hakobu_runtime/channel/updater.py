"""The updater of python-tuf, made fit for a device: power cuts, FAT, wrong clocks, and errors that say what to do.

It stands on inner parts of python-tuf 7, which have no promise: `_dir`, `_trusted_set`, `_download_metadata`,
`_persist_file`, `_persist_root` and `_update_root_symlink` (docs/decisions/0011). A test fails when one changes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from tuf.api.exceptions import DownloadHTTPError, LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Root, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater as TufUpdater
from tuf.ngclient.fetcher import FetcherInterface

from hakobu_runtime.channel.cache import keep, keeping, make_folder
from hakobu_runtime.channel.download import Advance, Wanted, download
from hakobu_runtime.channel.fetch import AbsentError, Fetcher, read_whole
from hakobu_runtime.channel.refusal import Clock, refusal
from hakobu_runtime.errors import StateError, TransferError


class Updater(TufUpdater):
    """One look at a TUF repository, whose metadata and targets are read through two fetchers."""

    def __init__(self, folder: Path, root: bytes, metadata: Fetcher, targets: Fetcher, clock: Clock) -> None:
        """`folder` keeps what is known, `root` is the root metadata that is trusted first.

        Raises StateError when either is of no use.
        """
        self._metadata, self._targets, self._clock = metadata, targets, clock
        self._came = ("", b"")
        self._begun = False
        with keeping(folder):
            make_folder(folder)
            try:
                super().__init__(str(folder), "", fetcher=_None(), bootstrap=root)
            except RepositoryError as error:
                raise StateError(
                    f"the root metadata that this device was given to trust first cannot be read ({error}): "
                    "ask for the follow file again, and run 'hakobu-run follow FILE'"
                ) from error
        self._begun = True
        self._trusted_set.reference_time = clock.latest

    def refresh(self) -> None:
        """Bring what is known up to date, or raise TransferError, TrustError or StateError."""
        with self._in_words():
            super().refresh()

    def find(self, target: str) -> TargetFile | None:
        """Return what is promised of `target`, after `refresh`; None when there is no such target."""
        with self._in_words():
            return self.get_targetinfo(target)

    def take(self, target: TargetFile, into: Path, advance: Advance) -> None:
        """Put the verified content of `target` at `into`; see `download`."""
        digests = list(target.hashes.values())
        folder, slash, name = target.path.rpartition("/")
        prefix = f"{digests[0]}." if self._trusted_set.root.consistent_snapshot else ""
        mark = sha256(" ".join(digests).encode()).hexdigest()[:16]
        wanted = Wanted(f"{folder}{slash}{prefix}{name}", target.length, mark, lambda file: _is(target, file))
        download(self._targets, wanted, into, advance)

    @property
    def timestamp(self) -> Timestamp:
        """The newest timestamp, after `refresh`."""
        return self._trusted_set.timestamp

    def role(self, name: str) -> Targets | None:
        """Return the targets role of this name, as far as it was needed so far."""
        found = self._trusted_set.get(name)
        return found if isinstance(found, Targets) else None

    def expiries(self) -> dict[str, datetime]:
        """Return when each role that was needed so far expires."""
        names = list(self._trusted_set._trusted_set)
        return {name: self._trusted_set[name].expires for name in names}

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        with keeping(Path(self._dir)):
            try:
                yield
            except RepositoryError as error:
                name, content = self._came
                raise refusal(f"{self._metadata.place}/{name}", content, error, self.expiries(), self._clock) from error

    def _download_metadata(self, rolename: str, length: int, version: int | None = None) -> bytes:
        encoded = quote(rolename, "")
        name = f"{encoded}.json" if version is None else f"{version}.{encoded}.json"
        try:
            content = read_whole(self._metadata, name, length)
        except AbsentError as error:
            if rolename == Root.type:
                raise DownloadHTTPError(str(error), 404) from error  # that there is no newer one is no news
            if rolename == Timestamp.type:
                raise TransferError(
                    f"{self._metadata.place}: there is no depot here ({name} is missing, or kept from us): "
                    "check the address or the stick"
                ) from error
            raise
        self._came = (name, content)
        return content

    def _persist_file(self, filename: str, data: bytes) -> None:
        keep(Path(filename), data)

    def _persist_root(self, version: int, data: bytes) -> None:
        folder = Path(self._dir, "root_history")
        make_folder(folder)
        keep(folder / f"{version}.root.json", data)

    def _update_root_symlink(self) -> None:
        """Copy the newest root: FAT has no links. Not before it is known that there is no newer one."""
        if self._begun:
            newest = Path(self._dir, "root_history", f"{self._trusted_set.root.version}.root.json")
            keep(Path(self._dir, "root.json"), newest.read_bytes())


class _None(FetcherInterface):
    """What python-tuf asks for and never uses: `_download_metadata` and `take` read through our own fetchers."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        raise NotImplementedError


def _is(target: TargetFile, file: BinaryIO) -> bool:
    try:
        target.verify_length_and_hashes(file)
    except LengthOrHashMismatchError:
        return False
    return True

"""What a device believes of a depot, by the real `Client`: asked once for each different question, and remembered.

The answer depends on the metadata that the device has, on the copy of the depot that it reads and where that breaks
off, and on which of their expiries have passed: these are all that the client is given, and it compares the time with
nothing else. So 10,000 devices ask some thousand questions, and every version, length, digest and expiry in them is
checked by TUF's client as on a device, with files in a folder. A signature that was found to hold is not computed
again for the same key and the same bytes; one that was not is, each time. That a device with files of its own comes to
the same is what the witnesses show.
"""

import json
import shutil
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple, NoReturn

from securesystemslib.signer import Signature, SSlibKey

from hakobu_runtime.channel.client import Client
from hakobu_runtime.channel.known import Known
from hakobu_runtime.errors import HakobuError
from hakobu_runtime.format.channel import Channel
from hakobu_runtime.format.follow import Follow
from updates_depot import Copy
from updates_life import BUNDLES

Files = tuple[tuple[str, bytes], ...]
"""What a device knows of the depot: the files of its metadata folder."""


Verify = Callable[[SSlibKey, Signature, bytes], None]
"""Raises where a signature of some bytes is not one by this key."""


class _Question(NamedTuple):
    known: int
    copy: int
    cut: str
    passed: tuple[int, int]
    """How many of the expiries in what is known, and in the copy, have passed."""


@dataclass(frozen=True, slots=True)
class _Answer:
    known: int
    """What the device knows from then on."""
    made: datetime | None = None
    channel: Channel | None = None
    outlook: Known | None = None
    trouble: HakobuError | None = None
    """Why there is no channel."""


class Beliefs:
    """All answers so far, and the different states of knowledge that devices are in."""

    def __init__(self, follow: Follow, scratch: Path) -> None:
        self.follow = follow
        self._scratch = scratch
        self._files: list[Files] = [()]
        self._moments: list[tuple[datetime, ...]] = [()]
        self._numbers: dict[Files, int] = {(): 0}
        self._answers: dict[_Question, _Answer] = {}
        self._clients: dict[int, tuple[Client, Copy]] = {}
        self._copies: dict[int, tuple[datetime, ...]] = {}
        self._outlooks: dict[int, Known | None] = {}
        """What `known` says of each state of knowledge; `sync` asks it for the day on which that expires."""

    @property
    def asked(self) -> int:
        """How many questions the real client was asked."""
        return len(self._answers)

    def answer(self, known: int, copy: Copy, latest: datetime) -> _Answer:
        """Return what a device that knows `known` learns from `copy` at the time `latest`."""
        if copy.number not in self._copies:
            self._copies[copy.number] = _expiries(copy.files.items())
        passed = bisect_right(self._moments[known], latest), bisect_right(self._copies[copy.number], latest)
        cut = "" if copy.cut in BUNDLES else copy.cut  # which no metadata are
        question = _Question(known, copy.number, cut, passed)
        if question not in self._answers:
            self._answers[question] = self._ask(known, copy, latest)
        return self._answers[question]

    def fetch(self, copy: Copy, target: str, into: Path) -> Path:
        """Put a target at `into`, by the real client that last believed this copy."""
        client, read = self._clients[copy.number]
        read.cut = copy.cut
        try:
            return client.fetch(target, into)
        finally:
            read.cut = ""

    def _ask(self, known: int, copy: Copy, latest: datetime) -> _Answer:
        folder = self._scratch / "metadata"
        shutil.rmtree(folder, ignore_errors=True)
        for name, content in self._files[known]:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        client, made = Client(folder, self.follow, copy, latest, latest), None
        try:
            client.refresh()
            made = client.made
            channel = client.channel()
        except HakobuError as error:
            return _Answer(self._number(folder), made, trouble=error)
        if copy.number not in self._clients:
            read = Copy(copy.number, copy.files, copy.channel)
            client = Client(folder, self.follow, read, latest, latest)
            client.refresh()
            self._clients[copy.number] = client, read
        known = self._number(folder)
        if known not in self._outlooks:
            self._outlooks[known] = client.known()
        return _Answer(known, made, channel, self._outlooks[known])

    def _number(self, folder: Path) -> int:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = tuple((path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths)
        if files not in self._numbers:
            self._numbers[files] = len(self._files)
            self._files.append(files)
            self._moments.append(_expiries(files))
        return self._numbers[files]


class RememberedClient:
    """The client of one device at one look: the real one's answers."""

    def __init__(self, beliefs: Beliefs, known: int, copy: Copy, latest: datetime) -> None:
        self._beliefs = beliefs
        self._copy = copy
        self._answer = beliefs.answer(known, copy, latest)
        self.knows = self._answer.known

    @property
    def learned(self) -> Channel | None:
        """What it told the device of its channel; None when nothing."""
        return self._answer.channel

    def refresh(self) -> None:
        """Raise what the real client raised."""
        if self._answer.made is None:
            self._refuse()

    @property
    def made(self) -> datetime:
        """When the depot was signed."""
        if self._answer.made is None:
            raise ValueError("refresh() comes first")
        return self._answer.made

    def channel(self) -> Channel:
        """Return the channel, or raise what the real client raised."""
        return self._answer.channel or self._refuse()

    def known(self) -> Known | None:
        """Return what the real client said that is known."""
        return self._answer.outlook

    def fetch(self, target: str, into: Path, advance: object = None) -> Path:
        """Fetch with the real client."""
        return self._beliefs.fetch(self._copy, target, into)

    def _refuse(self) -> NoReturn:
        trouble = self._answer.trouble or HakobuError("the real client said nothing")
        raise type(trouble)(str(trouble))  # anew, for an error that is raised again remembers every time


def verifying_once(verify: Verify) -> Verify:
    """Return what verifies each signature once: whether it holds depends on the key and the bytes, and nothing else."""
    held: set[tuple[str, str, str, bytes]] = set()

    def remembering(key: SSlibKey, signature: Signature, data: bytes) -> None:
        asked = (key.scheme, str(key.keyval["public"]), signature.signature, data)
        if asked not in held:
            verify(key, signature, data)  # raises when it does not
            held.add(asked)

    return remembering


@cache
def _expiry(content: bytes) -> datetime:
    return datetime.fromisoformat(json.loads(content)["signed"]["expires"].replace("Z", "+00:00"))


def _expiries(files: Iterable[tuple[str, bytes]]) -> tuple[datetime, ...]:
    """Return when the metadata among these files expire, the first first."""
    return tuple(sorted(_expiry(content) for _, content in files if b'"signed"' in content))

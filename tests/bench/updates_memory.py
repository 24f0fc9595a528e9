"""Thousands of devices in memory: what each remembers, and the doors through which the real code reaches it.

Replaced are the ledger's file (by one database in memory, into which the rows of the device at hand are put), TUF's
client (by its remembered answers; see updates_trust), the locks of files, the removal of bundles that no slot names,
and what would be done again with the same bytes: reading and trying a bundle, putting it where all devices have theirs,
reading the pinned keys, parsing the name of a window. Nothing that decides is replaced.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property, lru_cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from securesystemslib.signer import SSlibKey

from hakobu_runtime.bundle import Bundle, open_bundle, read_bundle
from hakobu_runtime.channel.fetch import Fetcher
from hakobu_runtime.device import arrival, counting, ledger, slots
from hakobu_runtime.device import install as installing
from hakobu_runtime.device import sync as syncing
from hakobu_runtime.device.install import golden_difference
from hakobu_runtime.device.state import State, read_keyring
from hakobu_runtime.format import window
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.trust import Keyring
from updates_counts import Counted
from updates_depot import START, Copy
from updates_device import Device
from updates_ledger import Ledgers, Rows
from updates_life import Life
from updates_trust import Beliefs, RememberedClient, verifying_once


@dataclass(frozen=True)
class Cell(State):
    """The state of one device, whose bundles and pinned keys lie where those of all devices do: they are the same."""

    whole: Path

    @cached_property
    def trust(self) -> Path:
        """The pinned public keys."""
        return self.whole / "trust.json"

    @cached_property
    def bundles(self) -> Path:
        """The installed bundles."""
        return self.whole / "bundles"

    @cached_property
    def slots(self) -> Path:
        """What its ledger is called."""
        return self.root / "slots.sqlite"

    @cached_property
    def updates(self) -> Path:
        """What was begun to be fetched."""
        return self.root / "updates"


class Memory:
    """The devices' ledgers and what they know of the depot."""

    def __init__(self, folder: Path, follow: Follow, first: Path) -> None:
        self.beliefs = Beliefs(follow, folder / "scratch")
        self.client: RememberedClient | None = None
        """The one of the last look."""
        self._folder = folder
        self._first = first
        self._ledgers = Ledgers()
        self._at_hand: Device | None = None
        self._rows: dict[int, Rows] = {}
        self._known: dict[int, int] = {}
        self._tried: dict[str, str] = {}

    def add(self, life: Life) -> Device:
        """Return a new device, in which its program has put the first release."""
        state = Cell(self._folder / f"{life.number}", self._folder)
        device = Device(life, state, Counted(life.name))
        self._rows[life.number] = {}
        self._known[life.number] = 0
        with self.turn_of(device):
            name_device(state, life.name)
            installing.install(state, self._first, life.clock(life.joined))
            device.learn()
        return device

    @contextmanager
    def turn_of(self, device: Device) -> Iterator[None]:
        """Let the code find the ledger of `device`, and keep what it makes of it."""
        number = device.life.number
        self._ledgers.put(self._rows[number])
        self._at_hand = device
        yield
        self._at_hand = None
        self._rows[number] = self._ledgers.take()

    @contextmanager
    def doors(self) -> Iterator[None]:
        """Lead the real code to all this."""
        places: tuple[tuple[Any, str, Any], ...] = (
            *self._ledgers.doors(),
            (syncing, "Client", self._client),
            (syncing, "read_follow", lambda state, model: self.beliefs.follow),
            (syncing, "locked", lambda path: nullcontext()),
            (syncing, "clean", lambda state: None),
            (arrival, "placing", lambda state: nullcontext()),
            (installing, "placing", lambda state: nullcontext()),
            (arrival, "place", partial(_place_once, vars(arrival)["place"])),
            (arrival, "read_bundle", _read_once),
            (arrival, "golden_difference", self._try_once),
            (installing, "golden_difference", self._try_once),
            (arrival, "read_keyring", _keys_once),
            (installing, "read_keyring", _keys_once),
            (slots, "read_keyring", _keys_once),
            (installing, "open_bundle", _open_once),
            (slots, "open_bundle", _open_once),
            (window, "parse_start", cache(window.parse_start)),
            (SSlibKey, "verify_signature", verifying_once(SSlibKey.verify_signature)),
            (counting, "open_journal", lambda state: nullcontext(self._at_hand and self._at_hand.counted)),
        )
        with ExitStack() as stack:
            for where, name, instead in places:
                stack.enter_context(patch.object(where, name, instead))
            yield

    def _try_once(self, bundle: Bundle) -> str:
        """Replay the golden rows; all devices have the one processor here, so once for each bundle."""
        if bundle.digest not in self._tried:
            self._tried[bundle.digest] = golden_difference(bundle)
        return self._tried[bundle.digest]

    def _client(
        self, folder: Path, follow: Follow, fetcher: Fetcher, now: datetime, floor: datetime
    ) -> RememberedClient:
        if self._at_hand is None or not isinstance(fetcher, Copy):
            raise AssertionError("a look has a device and a copy")
        number = self._at_hand.life.number
        self.client = RememberedClient(self.beliefs, self._known[number], fetcher, max(now, floor, START))
        self._known[number] = self.client.knows
        return self.client


def name_device(state: State, name: str) -> None:
    """Give a new device the name that its life was drawn with, in place of a random one."""
    ledger.device_id(state)
    with ledger.changing(state) as connection:
        connection.execute("UPDATE device SET id = ?", (name,))


def _place_once(place: Callable[[State, str, bytes], None], state: State, digest: str, content: bytes) -> None:
    """Put a bundle where all devices have theirs, if none has put it there; nothing removes it."""
    if not (state.bundles / f"{digest}.hako").exists():
        place(state, digest, content)


_KEYS: dict[Path, Keyring] = {}


def _keys_once(state: State) -> Keyring:
    """Return the pinned keys, which are the same for all."""
    if state.trust not in _KEYS:
        _KEYS[state.trust] = read_keyring(state)
    return _KEYS[state.trust]


@lru_cache(maxsize=64)
def _read_once(content: bytes, where: str, keyring: Keyring) -> Bundle:
    return read_bundle(content, where, keyring)


@lru_cache(maxsize=64)
def _open_once(path: Path, keyring: Keyring) -> Bundle:
    return open_bundle(path, keyring)

"""The depot of the simulation: made and changed by the very functions of `hakobu depot`, and kept as it was each day.

A state is all files that the depot served at some moment: what the network shows, or a stick has taken along.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from hakobu.depot.create import Plan, create
from hakobu.depot.keychain import Keychain
from hakobu.depot.publish import Order, publish
from hakobu.depot.renew import refresh
from hakobu.depot.rotate import rotate
from hakobu.depot.steer import revoke, roll_back, set_rollout
from hakobu_runtime.channel.fetch import AbsentError, BrokenError, Content, Fetcher
from hakobu_runtime.format.channel import Channel, Release
from hakobu_runtime.format.follow import SCHEMA, Follow
from updates_boxes import MODEL, key_of, make_box

CHANNEL = "stable"
LIFE = 60
"""Days that a timestamp and a snapshot hold here; 400 by default, in which a simulated year would see none expire."""
START = datetime.fromisoformat("2027-01-01T06:00:00+00:00")


class Copy(Fetcher):
    """One state of the depot, as something that a device can read; it breaks off where it is told to."""

    place = "memory"

    def __init__(self, number: int, files: dict[str, bytes], channel: Channel) -> None:
        self.number = number
        self.files = files
        self.channel = channel
        """What stands in it, as the operator sees it."""
        self.cut = ""
        """Part of the name of the file that breaks off half-way, or after a third from where it was begun."""

    @contextmanager
    def read(self, name: str, start: int = 0) -> Iterator[Content]:
        """Open a file; see Fetcher."""
        if name not in self.files:
            raise AbsentError(f"memory/{name}: there is no such file")
        yield Content(start, self._chunks(name, start))

    def _chunks(self, name: str, start: int) -> Iterator[bytes]:
        content = self.files[name]
        if self.cut and self.cut in name:
            yield content[start : start + max(1, len(content) // 3)]
            raise BrokenError(f"memory/{name}: broke off")
        yield content[start:]


class Depot:
    """A real depot in a folder, and all the states that it was in."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Make it in `folder`; the seed decides the digests of the releases, and so which devices are the first."""
        self._path, keys = folder / "depot", folder / "depot-keys"
        self._folder = folder
        keys.mkdir(parents=True)
        self.release_key = key_of(seed)
        self._keychain = Keychain((keys,), lambda path: None, lambda: None)
        create(self._path, self._keychain, Plan(days={"timestamp": LIFE, "snapshot": LIFE}), START)
        self.states: list[Copy] = []
        self._kept: dict[str, bytes] = {}
        self.published: dict[str, Release] = {}
        """By version, as it was when it was published."""
        self.first: Path = make_box(folder, "1.0.0", self.release_key).path

    @property
    def now(self) -> Copy:
        """What it serves now."""
        return self.states[-1]

    def follow(self) -> Follow:
        """Return the settings of a device that trusts the first root."""
        root = (self._path / "metadata" / "1.root.json").read_text()
        return Follow(SCHEMA, MODEL, CHANNEL, root, START.isoformat(), "https://depot.example.org")

    def publish(self, version: str, rollout: int, day: int) -> None:
        """Publish a version, to some percent of the devices."""
        bundle = make_box(self._folder, version, self.release_key)
        order = Order(CHANNEL, rollout, notes=f"release of day {day}")
        offered = publish(self._path, bundle, order, self._keychain, moment(day))
        self.published[version] = offered.release
        self._keep(offered.channel)

    def widen(self, rollout: int, day: int) -> None:
        """Let the newest release come to more devices."""
        self._keep(set_rollout(self._path, MODEL, CHANNEL, rollout, self._keychain, moment(day)))

    def roll_back(self, day: int) -> None:
        """Withdraw the newest release."""
        self._keep(roll_back(self._path, MODEL, CHANNEL, self._keychain, moment(day))[1])

    def revoke(self, version: str, day: int) -> None:
        """Let nobody use a version any more."""
        self._keep(revoke(self._path, MODEL, version, "it does harm", self._keychain, moment(day))[0])

    def rotate(self, role: str, day: int) -> None:
        """Give a role a new key."""
        rotate(self._path, role, self._keychain, moment(day))
        self._keep(self.now.channel)

    def refresh(self, day: int) -> None:
        """Sign the timestamp anew."""
        refresh(self._path, self._keychain, moment(day))
        self._keep(self.now.channel)

    def _keep(self, channel: Channel) -> None:
        """Take the state down; files whose names hold their digest or version are read once."""
        files = {}
        for path in sorted(self._path.rglob("*")):
            name = path.relative_to(self._path).as_posix()
            if path.is_file() and path.suffix in (".json", ".hako", ".patch"):
                fixed = name != "metadata/timestamp.json"
                if not fixed or name not in self._kept:
                    self._kept[name] = path.read_bytes()
                files[name] = self._kept[name]
        self.states.append(Copy(len(self.states), files, channel))


def moment(day: int) -> datetime:
    """Return the true time at which day `day` begins for the operator; devices look six hours later."""
    return START + timedelta(days=day)

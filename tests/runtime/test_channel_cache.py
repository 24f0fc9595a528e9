"""What a device keeps of a depot: read again without a network, healed when damaged, whole after a kill."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from hakobu_runtime.channel.client import Client
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.follow import Follow
from simulated_depot import YEAR, SimulatedDepot, channel_of

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def depot() -> SimulatedDepot:
    """A depot that has seen a new root."""
    depot = SimulatedDepot(NOW, "pumps")
    depot.offer(channel_of("pumps", depot.release("pumps", "1.0.0", b"box")))
    return depot


@pytest.fixture(scope="module")
def follow(depot: SimulatedDepot) -> Follow:
    first = depot.follow("pumps")
    depot.rotate("timestamp")
    depot.publish()
    return first


def look(folder: Path, follow: Follow, depot: SimulatedDepot, now: datetime = NOW) -> Client:
    client = Client(folder, follow, depot, now, NOW)
    client.refresh()
    client.channel()
    return client


def known(folder: Path, follow: Follow, depot: SimulatedDepot, now: datetime = NOW) -> str:
    """Return the offered version, from what is kept alone."""
    asked = len(depot.asked)
    found = Client(folder, follow, depot, now, NOW).known()
    assert len(depot.asked) == asked
    if found is None:
        return ""
    return found.channel.releases[0].version + (" expired" if found.expired else "")


def test_what_is_known_needs_no_network_and_says_when_it_has_expired(
    depot: SimulatedDepot, follow: Follow, tmp_path: Path
) -> None:
    assert known(tmp_path / "new", follow, depot) == ""
    assert not (tmp_path / "new").exists()
    look(tmp_path, follow, depot)
    assert known(tmp_path, follow, depot) == "1.0.0"
    assert known(tmp_path, follow, depot, NOW + YEAR) == "1.0.0 expired"
    found = Client(tmp_path, follow, depot, NOW, NOW).known()
    assert found is not None
    assert (found.made, found.expires) == (NOW, NOW + YEAR)


def test_what_is_known_is_only_for_the_settings_that_it_was_fetched_with(
    depot: SimulatedDepot, follow: Follow, tmp_path: Path
) -> None:
    look(tmp_path, follow, depot)
    assert known(tmp_path, SimulatedDepot(NOW, "pumps").follow("pumps"), depot) == ""
    assert known(tmp_path, depot.follow("pumps", "beta"), depot) == ""


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def folder_instead(path: Path) -> None:
    path.unlink()
    (path / "within").mkdir(parents=True)


FILES = (
    "root.json",
    "root_history/1.root.json",
    "root_history/2.root.json",
    "timestamp.json",
    "snapshot.json",
    "targets.json",
    "pumps.json",
    "channels/stable.json",
)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [cut, flip, empty, folder_instead, Path.unlink])
def test_a_damaged_file_is_never_believed_and_healed_by_the_next_look(
    depot: SimulatedDepot, follow: Follow, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    look(tmp_path, follow, depot)
    whole = {path: (tmp_path / path).read_bytes() for path in FILES}
    damage(tmp_path / name)
    spare = name in ("root.json", "root_history/1.root.json")  # the one in the settings is the one believed
    assert known(tmp_path, follow, depot) == ("1.0.0" if spare else "")
    assert look(tmp_path, follow, depot).channel().releases[0].version == "1.0.0"
    assert {path: (tmp_path / path).read_bytes() for path in FILES} == whole
    assert known(tmp_path, follow, depot) == "1.0.0"


@pytest.mark.parametrize("name", ["", "root_history", "channels"])
def test_a_file_where_a_folder_belongs_is_replaced(
    depot: SimulatedDepot, follow: Follow, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "metadata"
    look(folder, follow, depot)
    shutil.rmtree(folder / name)
    (folder / name).write_text("no folder")
    look(folder, follow, depot)
    assert known(folder, follow, depot) == "1.0.0"


def test_nothing_is_written_when_nothing_is_new(depot: SimulatedDepot, follow: Follow, tmp_path: Path) -> None:
    look(tmp_path, follow, depot)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) == len(FILES)
    look(tmp_path, follow, depot)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_newest_root_is_a_copy_since_fat_has_no_links(
    depot: SimulatedDepot, follow: Follow, tmp_path: Path
) -> None:
    look(tmp_path, follow, depot)
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert (tmp_path / "root.json").read_bytes() == depot.files["metadata/2.root.json"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_that_cannot_be_written_is_named(depot: SimulatedDepot, follow: Follow, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StateError, match="cannot be kept here"):
            look(tmp_path / "metadata", follow, depot)
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_is_said_and_the_next_look_goes_on(
    depot: SimulatedDepot, follow: Follow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    look(tmp_path, follow, depot)
    (tmp_path / "snapshot.json").unlink()
    with monkeypatch.context() as patched:
        patched.setattr("hakobu_runtime.channel.cache.write_whole", full)
        with pytest.raises(StateError, match=r"No space left on device.*free some space"):
            look(tmp_path, follow, depot)
    look(tmp_path, follow, depot)


def test_settings_without_a_root_ask_for_new_ones(depot: SimulatedDepot, tmp_path: Path) -> None:
    for root in ("", "{}", "no json", depot.files["metadata/timestamp.json"].decode()):
        broken = msgspec.structs.replace(depot.follow("pumps"), root=root)
        with pytest.raises(StateError, match="ask for the follow file again"):
            look(tmp_path, broken, depot)
        assert known(tmp_path, broken, depot) == ""


WRITER = """
import sys
from datetime import datetime
from itertools import count
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from hakobu_runtime.channel.client import Client, open_fetcher
from hakobu_runtime.format.codec import decode
from hakobu_runtime.format.follow import Follow

folder, follow = Path(sys.argv[2]), decode(Path(sys.argv[3]).read_bytes(), Follow, "follow")
now = datetime.fromisoformat(sys.argv[4])
print("ready", flush=True)
for number in count():
    for depot in sys.argv[5:]:
        client = Client(folder / str(number), follow, open_fetcher(depot), now, now)
        client.refresh()
        client.channel()
"""


def test_a_kill_while_metadata_are_written_leaves_what_the_next_look_can_use(tmp_path: Path) -> None:
    depot = SimulatedDepot(NOW, "pumps")
    states = []
    for number, version in enumerate(("1.0.0", "1.1.0", "1.2.0")):
        depot.offer(channel_of("pumps", depot.release("pumps", version, version.encode())))
        depot.rotate("snapshot")
        depot.publish()
        states.append(tmp_path / f"depot-{number}")
        for name, content in depot.files.items():
            path = states[-1] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    first = depot.files["metadata/1.root.json"].decode()
    follow = Follow("hakobu.follow/1", "pumps", "stable", first, NOW.isoformat())
    (tmp_path / "pumps.follow").write_bytes(encode(follow))
    chance, checked = random.Random(7), 0
    for trial in range(3):
        folder = tmp_path / f"kept-{trial}"
        words = [str(HERE), str(folder), str(tmp_path / "pumps.follow"), NOW.isoformat(), *map(str, states)]
        with subprocess.Popen([sys.executable, "-c", WRITER, *words], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.05, 0.4))
            writer.send_signal(signal.SIGKILL)
        for kept in folder.iterdir() if folder.exists() else ():
            found = Client(kept, follow, depot, NOW, NOW).known()
            assert found is None or found.channel.releases[0].version in ("1.0.0", "1.1.0", "1.2.0")
            look(kept, follow, depot)
            assert known(kept, follow, depot) == "1.2.0"
            assert not list(kept.rglob("*.partial"))
            checked += 1
    assert checked

"""Depots in folders and on sticks: FAT's capitals, links, pipes, and a stick that is pulled out."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hakobu_runtime.channel.client import Client, open_fetcher
from hakobu_runtime.channel.fetch import AbsentError, read_whole
from hakobu_runtime.channel.folder import FolderFetcher
from hakobu_runtime.errors import HakobuError, TransferError, TrustError
from hakobu_runtime.format.channel import Release
from hakobu_runtime.format.follow import Follow
from simulated_depot import SimulatedDepot, channel_of

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
BOX = b"a bundle " * 50_000


def read(root: Path, name: str, limit: int = 10**6) -> bytes:
    return read_whole(FolderFetcher(root), name, limit)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A folder with a file in it, and something beside it that is none of its business."""
    (tmp_path / "secret.json").write_text("not on the stick")
    (tmp_path / "stick" / "metadata").mkdir(parents=True)
    (tmp_path / "stick" / "metadata" / "1.root.json").write_text("root")
    return tmp_path / "stick"


def test_a_file_is_read_from_where_one_left_off(stick: Path) -> None:
    with FolderFetcher(stick).read("metadata/1.root.json", 2) as content:
        assert (content.start, b"".join(content.chunks)) == (2, b"ot")


def test_capitals_of_fat_do_not_matter(stick: Path) -> None:
    (stick / "metadata" / "1.root.json").rename(stick / "metadata" / "1.ROOT.JSON")
    (stick / "metadata").rename(stick / "METADATA")
    assert read(stick, "metadata/1.root.json") == b"root"
    with pytest.raises(AbsentError, match=r"2\.root\.json: there is no such file"):
        read(stick, "metadata/2.root.json")


def test_a_file_has_no_more_than_it_may(stick: Path) -> None:
    with pytest.raises(TransferError, match="more than the 3 bytes"):
        read(stick, "metadata/1.root.json", 3)


@pytest.mark.parametrize(
    "name",
    ["../secret.json", "metadata/../../secret.json", "/etc/passwd", "a//b", "", "c:\\x", "a%2fb", ".hidden", "a\0b"],
)
def test_no_name_leads_out_of_the_folder(stick: Path, name: str) -> None:
    with pytest.raises(TransferError):
        read(stick, name)


def test_no_link_leads_out_of_the_folder(stick: Path) -> None:
    (stick / "metadata" / "2.root.json").symlink_to("../../secret.json")
    (stick / "elsewhere").symlink_to("..")
    for name in ("metadata/2.root.json", "elsewhere/secret.json"):
        with pytest.raises(TransferError, match="a link that leads out of the depot"):
            read(stick, name)


def test_a_link_within_the_folder_and_to_it_may_be_followed(stick: Path, tmp_path: Path) -> None:
    (stick / "metadata" / "2.root.json").symlink_to("1.root.json")
    (tmp_path / "named").symlink_to("stick")
    assert read(tmp_path / "named", "metadata/2.root.json") == b"root"


def test_links_in_circles_are_no_file(stick: Path) -> None:
    (stick / "metadata" / "2.root.json").symlink_to("2.root.json")
    with pytest.raises(TransferError):
        read(stick, "metadata/2.root.json")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_a_pipe_or_a_folder_is_no_file_and_holds_nobody(stick: Path) -> None:
    os.mkfifo(stick / "metadata" / "timestamp.json")
    for name in ("metadata/timestamp.json", "metadata"):
        with pytest.raises(TransferError, match="it is no file"):
            read(stick, name)


def test_a_stick_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="no such folder: plug the stick in") as error:
        read(tmp_path / "stick", "metadata/timestamp.json")
    assert not isinstance(error.value, AbsentError)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_file_that_may_not_be_read_is_named(stick: Path) -> None:
    (stick / "metadata" / "1.root.json").chmod(0)
    with pytest.raises(TransferError, match="check its permissions"):
        read(stick, "metadata/1.root.json")


def test_a_stick_that_fails_while_it_is_read_is_said(stick: Path) -> None:
    refused = pytest.raises(TransferError, match=r"cannot be read \(Invalid argument\): was the stick pulled out")
    with FolderFetcher(stick).read("metadata/1.root.json", -1) as content, refused:  # before the start: seek fails
        next(content.chunks)


def written(depot: SimulatedDepot, folder: Path) -> Path:
    for name, content in depot.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def depot() -> tuple[SimulatedDepot, Release, Follow]:
    depot = SimulatedDepot(NOW, "pumps")
    release = depot.release("pumps", "1.0.0", BOX)
    depot.offer(channel_of("pumps", release))
    return depot, release, depot.follow("pumps")


def take(stick: Path, folder: Path, release: Release, follow: Follow) -> bytes:
    client = Client(folder / "kept", follow, open_fetcher(str(stick)), NOW, NOW)
    client.refresh()
    assert client.channel().releases == (release,)
    return client.fetch(release.target, folder / "box").read_bytes()


def test_a_device_follows_a_stick(depot: tuple[SimulatedDepot, Release, Follow], tmp_path: Path) -> None:
    simulated, release, follow = depot
    stick = written(simulated, tmp_path / "stick")
    assert take(stick, tmp_path, release, follow) == BOX


def paths(depot: tuple[SimulatedDepot, Release, Follow]) -> Iterator[str]:
    """The names of all files that a device asks for."""
    simulated, _, _ = depot
    for name in simulated.files:
        if "root" not in name and not name.startswith("metadata/1."):
            yield name


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty, Path.unlink])
def test_a_damaged_stick_is_refused_in_words_and_a_whole_one_taken_after_it(
    depot: tuple[SimulatedDepot, Release, Follow], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    simulated, release, follow = depot
    names = list(paths(depot))
    assert len(names) == 6
    for number, name in enumerate(names):
        stick, device = written(simulated, tmp_path / f"stick-{number}"), tmp_path / f"device-{number}"
        device.mkdir()
        damage(stick / name)
        with pytest.raises((TransferError, TrustError), match=Path(name).name):
            take(stick, device, release, follow)
        assert not (device / "box").exists()
        written(simulated, stick)
        assert take(stick, device, release, follow) == BOX


def test_a_stick_pulled_out_half_way_costs_nothing(
    depot: tuple[SimulatedDepot, Release, Follow], tmp_path: Path
) -> None:
    simulated, release, follow = depot
    stick = written(simulated, tmp_path / "stick")
    box = next(path for path in stick.rglob("*.hako"))
    box.write_bytes(BOX[:200_000])
    with pytest.raises(TransferError, match="is cut short: 200000 of 450000 bytes"):
        take(stick, tmp_path, release, follow)
    box.write_bytes(BOX)
    assert take(stick, tmp_path, release, follow) == BOX
    assert sorted(path.name for path in tmp_path.iterdir()) == ["box", "kept", "stick"]


def test_a_disk_without_room_is_said_before_anything_comes(
    depot: tuple[SimulatedDepot, Release, Follow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated, release, follow = depot
    stick = written(simulated, tmp_path / "stick")
    monkeypatch.setattr("hakobu_runtime.channel.download._SPARE", 1 << 60)
    with pytest.raises(HakobuError, match=r"are still to come, and the disk has \d+ free: free some space") as error:
        take(stick, tmp_path, release, follow)
    assert error.value.exit_code == 8
    monkeypatch.undo()
    assert take(stick, tmp_path, release, follow) == BOX

"""The part of a depot that some followers need, in another folder."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hakobu.depot.copy import copy_channel, copy_channels, parts_of
from hakobu.depot.depot import open_depot
from hakobu.depot.keychain import Keychain
from hakobu.depot.publish import Order, publish
from hakobu.depot.rotate import rotate
from hakobu_runtime.errors import DamageError, StateError, UsageError

Follow = Callable[..., Any]


@pytest.fixture
def filled(published: Any, depot: Path, release: Any, chain: Keychain, now: datetime) -> Path:
    published("0.9.0")
    published("1.0.0")
    published("1.1.0", rollout=20)
    published("1.2.0-rc.1", channel="beta")
    publish(depot, release("3.0.0", name="other"), Order("stable"), chain, now)
    return depot


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_device_can_follow_from_the_copy_as_from_the_depot(
    filled: Path, tmp_path: Path, device: Follow, now: datetime
) -> None:
    stick = tmp_path / "stick"
    copied = copy_channel(open_depot(filled), stick, "tiny", "stable")
    follower = device()
    assert follower.look(now, stick) == follower.look(now)
    client = follower.client(now, stick)
    for release in client.channel().releases[:2]:
        client.fetch(release.target, tmp_path / release.version)
    bundles = {path.rpartition("/")[2].partition(".")[2] for path in files(stick) if path.endswith(".hako")}
    assert bundles == {"tiny-1.1.0.hako", "tiny-1.0.0.hako"}, "nobody is offered 0.9.0, nor follows beta here"
    assert not [path for path in files(stick) if "other" in path]
    assert files(stick) == {part.path for part in copied}


def test_a_second_copy_copies_nothing(filled: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    copy_channel(open_depot(filled), stick, "tiny", "stable")
    assert copy_channel(open_depot(filled), stick, "tiny", "stable") == ()


def test_several_channels_share_a_stick(filled: Path, tmp_path: Path, now: datetime, device: Follow) -> None:
    stick = tmp_path / "stick"
    copy_channels(open_depot(filled), stick, (("tiny", "stable"), ("tiny", "beta"), ("other", "stable")))
    assert device("beta").look(now, stick).releases[0].version == "1.2.0-rc.1"
    assert device("stable", "another").look(now, stick).releases[0].version == "1.1.0"


def test_a_stick_for_one_device_carries_its_release_alone(filled: Path, tmp_path: Path, now: datetime) -> None:
    channel = open_depot(filled).channel("tiny", "stable")
    late = next(f"device-{n}" for n in range(1000) if not channel.releases[0].reaches(f"device-{n}"))
    early = next(f"device-{n}" for n in range(1000) if channel.releases[0].reaches(f"device-{n}"))
    for name, version in ((late, "1.0.0"), (early, "1.1.0")):
        copied = copy_channel(open_depot(filled), tmp_path / name, "tiny", "stable", name)
        assert [part.path.rpartition("-")[2] for part in copied if part.path.endswith(".hako")] == [f"{version}.hako"]


def test_a_later_copy_brings_the_new_and_takes_the_old_away(
    filled: Path, tmp_path: Path, published: Any, device: Follow, now: datetime, chain: Keychain
) -> None:
    stick = tmp_path / "stick"
    copy_channel(open_depot(filled), stick, "tiny", "stable")
    follower = device()
    follower.look(now, stick)
    rotate(filled, "timestamp", chain, now)
    published("2.0.0")
    copy_channel(open_depot(filled), stick, "tiny", "stable")
    assert follower.look(now, stick).releases[0].version == "2.0.0"
    assert {path.rpartition("-")[2] for path in files(stick) if path.endswith(".hako")} == {"2.0.0.hako"}
    assert files(stick) == {part.path for part in parts_of(open_depot(filled), (("tiny", "stable"),))}


def test_what_is_damaged_on_the_stick_is_copied_again(filled: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    copy_channel(open_depot(filled), stick, "tiny", "stable")
    damaged = next(stick.glob("targets/tiny/1.1.0/*.hako"))
    content = damaged.read_bytes()
    damaged.write_bytes(b"\0" * len(content))
    (damaged.parent / ".0123.partial").write_bytes(b"half")
    assert len(copy_channel(open_depot(filled), stick, "tiny", "stable")) == 1
    assert damaged.read_bytes() == content
    assert not list(stick.rglob("*.partial"))


def test_what_is_damaged_in_the_depot_does_not_get_on_the_stick(filled: Path, tmp_path: Path) -> None:
    next(filled.glob("targets/tiny/1.1.0/*.hako")).write_bytes(b"half")
    with pytest.raises(DamageError, match=r"tiny-1\.1\.0\.hako: is damaged"):
        copy_channel(open_depot(filled), tmp_path / "stick", "tiny", "stable")
    assert not list((tmp_path / "stick").rglob("*.hako"))


def test_names_fit_a_fat_file_system(filled: Path) -> None:
    depot = open_depot(filled)
    paths = [part.path for part in parts_of(depot, (("tiny", "stable"), ("tiny", "beta"), ("other", "stable")))]
    assert len({path.lower() for path in paths}) == len(paths)
    assert all(path == path.lower() and path.isascii() and not set(path) & set('\\:*?"<>| ') for path in paths)
    assert not any(part.endswith(".") for path in paths for part in path.split("/"))
    assert paths[-1] == "metadata/timestamp.json"


def test_what_cannot_be_copied_is_told(filled: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no channel 'nightly'"):
        copy_channel(open_depot(filled), tmp_path / "stick", "tiny", "nightly")
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be copied"):
        copy_channel(open_depot(filled), tmp_path / "file" / "depot", "tiny", "stable")


def test_progress_counts_every_byte_once(filled: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    depot, channels = open_depot(filled), (("tiny", "stable"),)
    copy_channels(depot, tmp_path / "stick", channels, None, lambda done, whole: seen.append((done, whole)))
    whole = sum(part.size for part in parts_of(depot, channels))
    assert seen == sorted(seen)
    assert seen[-1] == (whole, whole)

"""A command that is killed at any write leaves the old depot or the new one, and the next one goes on from there."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hakobu.depot.copy import copy_channel
from hakobu.depot.create import Plan, create
from hakobu.depot.depot import open_depot
from hakobu.depot.keychain import Keychain
from hakobu.depot.publish import Order, publish
from hakobu.depot.renew import refresh
from hakobu.depot.rotate import rotate
from hakobu.depot.steer import revoke
from hakobu.depot.verify import verify
from hakobu_runtime.format.channel import Channel

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"}
Work = Callable[[Path], object]


def is_write(event: str, arguments: tuple[Any, ...]) -> bool:
    """Say whether what Python is about to do changes a disk."""
    return event in WRITES or (event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)))


def killed_at(place: int, folder: Path, work: Work) -> bool:
    """Do `work` on `folder` in a process of its own that dies before its write number `place`; say whether it did."""
    child = os.fork()
    if child:
        _, ended = os.waitpid(child, 0)
        assert ended in (0, signal.SIGKILL), f"the work itself failed: {ended}"
        return ended != 0
    left = place

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if is_write(event, arguments) and str(arguments[0]).startswith(str(folder)):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        sys.addaudithook(watch)
        work(folder)
        code = 0
    finally:
        os._exit(code)


def walk(depot: Path, chain: Keychain, work: Work) -> Iterator[Path]:
    """Kill `work` at its first write, its second, ...; yield the depot after each, and at last after none."""
    for place in range(1000):
        copy = depot.with_name(f"killed-{place}") / "depot"
        shutil.copytree(depot, copy)
        died = killed_at(place, copy, work)
        yield copy
        shutil.rmtree(copy.parent)
        if not died:
            assert place >= 3, "nothing was written"
            return


def versions(channel: Channel) -> tuple[tuple[str, ...], int]:
    return tuple(release.version for release in channel.releases), len(channel.revoked)


@pytest.fixture
def filled(published: Any, depot: Path) -> Path:
    """A depot with some history."""
    for version in ("1.0.0", "1.1.0"):
        published(version)
    return depot


def check(
    depot: Path, chain: Keychain, work: Work, device: Any, expected: set[Any], now: datetime, tmp_path: Path
) -> None:
    """Walk `work`; after each kill old and new devices see one of `expected`, and at the end both were seen."""
    follower = device()
    follower.look(now)
    seen = []
    for place, left in enumerate(walk(depot, chain, work)):
        verify(open_depot(left), now)
        shutil.copytree(follower.folder, tmp_path / f"device-{place}")
        experienced = device(name=f"device-{place}").look(now, left)
        seen.append(versions(experienced))
        refresh(left, chain, now)
        assert versions(device(name=f"fresh-{place}").look(now, left)) == seen[-1]
        assert not list(left.rglob("*.partial"))
        assert set(left.glob("targets/*/*/*")) <= everything(left, depot)
    assert set(seen) == expected
    assert seen == sorted(seen, key=lambda state: state == seen[-1]), "once new, it is not old again"


def everything(left: Path, before: Path) -> set[Path]:
    """Return the targets that may be there after a clean-up: what was before, and what the depot names now."""
    depot = open_depot(left)
    old = {left / path.relative_to(before) for path in before.glob("targets/*/*/*")}
    return old | {depot.place(file) for model in depot.models.values() for file in model.signed.targets.values()}


def test_publishing(filled: Path, chain: Keychain, now: datetime, device: Any, release: Any, tmp_path: Path) -> None:
    bundle = release("1.2.0")
    check(
        filled,
        chain,
        lambda depot: publish(depot, bundle, Order("stable", 10), chain, now),
        device,
        {(("1.1.0", "1.0.0"), 0), (("1.2.0", "1.1.0", "1.0.0"), 0)},
        now,
        tmp_path,
    )


def test_revoking(filled: Path, chain: Keychain, now: datetime, device: Any, tmp_path: Path) -> None:
    check(
        filled,
        chain,
        lambda depot: revoke(depot, "tiny", "1.1.0", "bad", chain, now),
        device,
        {(("1.1.0", "1.0.0"), 0), (("1.0.0",), 1)},
        now,
        tmp_path,
    )


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp", "tiny"])
def test_rotating_a_key(filled: Path, chain: Keychain, now: datetime, device: Any, role: str, tmp_path: Path) -> None:
    out = "root-1" if role == "root" else role
    check(
        filled,
        chain,
        lambda depot: rotate(depot, role, chain, now, out),
        device,
        {(("1.1.0", "1.0.0"), 0)},
        now,
        tmp_path,
    )


def test_beginning(depot: Path, chain: Keychain, now: datetime, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for left in walk(empty, chain, lambda folder: create(folder, chain, Plan(), now)):
        if not (left / "metadata" / "timestamp.json").exists():
            create(left, chain, Plan(), now)
        assert refresh(left, chain, now).root.signed == open_depot(depot).root.signed
        assert not list(left.rglob("*.partial"))


def test_the_first_release_of_a_model(filled: Path, chain: Keychain, now: datetime, release: Any, device: Any) -> None:
    bundle = release("1.0.0", name="other")
    for left in walk(filled, chain, lambda depot: publish(depot, bundle, Order("stable"), chain, now)):
        verify(open_depot(left), now)
        if "other" not in open_depot(left).models:
            publish(left, bundle, Order("stable"), chain, now)
        assert verify(open_depot(left), now).channels == ("other/stable", "tiny/stable")
    assert sorted(path.name for path in chain.folders[0].glob("other*.pem")) == ["other.pem"]


def test_copying_to_a_stick(
    filled: Path, chain: Keychain, now: datetime, device: Any, published: Any, tmp_path: Path
) -> None:
    stick = tmp_path / "stick" / "hakobu" / "depot"
    copy_channel(open_depot(filled), stick, "tiny", "stable")
    published("1.2.0")
    newest = open_depot(filled)
    seen = []
    for place, left in enumerate(walk(stick, chain, lambda folder: copy_channel(newest, folder, "tiny", "stable"))):
        seen.append(versions(device(name=f"device-{place}").look(now, left)))
        copy_channel(newest, left, "tiny", "stable")
        assert versions(device(name=f"device-{place}").look(now, left)) == (("1.2.0", "1.1.0", "1.0.0"), 0)
    assert set(seen) == {(("1.1.0", "1.0.0"), 0), (("1.2.0", "1.1.0", "1.0.0"), 0)}

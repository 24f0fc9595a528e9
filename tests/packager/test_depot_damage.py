"""A depot that is damaged, newer, locked, read-only or full, and a clock that is wrong: one clear refusal each."""

import errno
import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hakobu.depot.depot import open_depot
from hakobu.depot.keychain import Keychain, add_signature
from hakobu.depot.publish import Order, publish
from hakobu.depot.renew import refresh
from hakobu.depot.verify import verify
from hakobu_runtime.device.lock import locked
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import HakobuError, StateError, TrustError


@pytest.fixture
def filled(published: Any, depot: Path) -> Path:
    published("1.0.0")
    return depot


def newest(depot: Path, pattern: str) -> Path:
    return max(depot.glob(pattern), key=lambda path: (len(path.name), path.name))


METADATA = ["metadata/timestamp.json", "metadata/*.snapshot.json", "metadata/*.targets.json", "metadata/*.tiny.json",
            "metadata/*.root.json"]  # fmt: skip


@pytest.mark.parametrize("pattern", METADATA)
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"signed": {}}', b"<html>", b"\xff\xfe", b"{" * 100_000])
def test_metadata_that_are_none_are_named(filled: Path, pattern: str, content: bytes) -> None:
    path = newest(filled, pattern)
    path.write_bytes(content)
    with pytest.raises(StateError, match=f"{path.name}: is damaged, no metadata of TUF"):
        open_depot(filled)


@pytest.mark.parametrize("pattern", METADATA)
def test_metadata_that_were_changed_are_named(filled: Path, pattern: str) -> None:
    path = newest(filled, pattern)
    content = json.loads(path.read_text())
    content["signed"]["expires"] = "2099-01-01T00:00:00Z"
    path.write_text(json.dumps(content))
    with pytest.raises(TrustError, match=f"{path.name}: its signature does not hold"):
        open_depot(filled)


@pytest.mark.parametrize("pattern", METADATA[1:4])
def test_metadata_that_are_missing_are_named(filled: Path, pattern: str) -> None:
    path = newest(filled, pattern)
    path.unlink()
    with pytest.raises(StateError, match=f"{path.name}: is missing; take it from a copy"):
        open_depot(filled)


def test_metadata_of_another_role_are_named(filled: Path) -> None:
    (filled / "metadata" / "timestamp.json").write_bytes(newest(filled, "metadata/*.snapshot.json").read_bytes())
    with pytest.raises(StateError, match="holds snapshot, not timestamp"):
        open_depot(filled)


def test_a_depot_without_root_is_named(filled: Path) -> None:
    (filled / "metadata" / "1.root.json").unlink()
    with pytest.raises(StateError, match="has no root metadata"):
        open_depot(filled)


@pytest.mark.parametrize("path", ["nothing", "file"])
def test_what_is_no_depot_is_said_to_be_none(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError, match=r"there is no depot here.*hakobu depot init"):
        open_depot(tmp_path / path)


def test_a_depot_of_a_newer_format_is_said_to_be_newer(depot: Path, chain: Keychain) -> None:
    found = open_depot(depot)
    found.root.signed.unrecognized_fields["x-hakobu-depot"] = "hakobu.depot/2"
    found.root.signatures.clear()
    for keyid in found.role("root").keyids:
        key = chain.find(keyid)
        assert key is not None
        add_signature(found.root, keyid, key)
    (depot / "metadata" / "1.root.json").write_bytes(found.root.to_bytes())
    with pytest.raises(StateError, match=r"of the format 'hakobu\.depot/2'; this hakobu knows hakobu\.depot/1"):
        open_depot(depot)


@pytest.mark.parametrize("pattern", ["targets/tiny/channels/*.json", "targets/tiny/1.0.0/*.hako"])
def test_a_damaged_target_is_found(filled: Path, now: datetime, pattern: str) -> None:
    path = next(filled.glob(pattern))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(HakobuError, match=path.name.partition(".")[2]):
        verify(open_depot(filled), now)


def test_a_release_over_a_damaged_former_one_is_refused_and_changes_nothing(
    filled: Path, chain: Keychain, now: datetime, release: Any
) -> None:
    path = next(filled.glob("targets/tiny/1.0.0/*.hako"))
    path.write_bytes(b"half")
    before = (filled / "metadata" / "timestamp.json").read_bytes()
    with pytest.raises(StateError, match=r"tiny-1\.0\.0\.hako: is damaged"):
        publish(filled, release("1.1.0"), Order("stable"), chain, now)
    assert (filled / "metadata" / "timestamp.json").read_bytes() == before


def test_two_publishers_do_not_meet(filled: Path, chain: Keychain, now: datetime) -> None:
    with locked(filled / "metadata"), pytest.raises(StateError, match="another hakobu is at work on it"):
        refresh(filled, chain, now)
    refresh(filled, chain, now)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that hold")
def test_a_read_only_depot_is_named_and_can_be_read(filled: Path, chain: Keychain, now: datetime) -> None:
    (filled / "metadata").chmod(0o555)
    try:
        assert verify(open_depot(filled), now).bundles == 1
        with pytest.raises(StateError, match=r"make .* a writable folder"):
            refresh(filled, chain, now)
    finally:
        (filled / "metadata").chmod(0o755)


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "brought to a place|bring it to a place"), (errno.EIO, "check")],
)
@pytest.mark.parametrize("place", range(6))
def test_a_disk_that_refuses_leaves_the_depot_as_it_was(
    filled: Path,
    chain: Keychain,
    now: datetime,
    release: Any,
    device: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    words: str,
    place: int,
) -> None:
    before, left = device().look(now), place

    def refuse(path: Path, content: bytes) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(number, os.strerror(number), str(path))
        write_whole(path, content)

    bundle = release("1.1.0")
    with monkeypatch.context() as patched:
        patched.setattr("hakobu.depot.disk.write_whole", refuse)
        if place < 5:
            with pytest.raises(StateError, match=f"cannot be written: .*({words}).*; the depot is as it was before"):
                publish(filled, bundle, Order("stable"), chain, now)
            assert device(name="fresh").look(now) == before
            return
        publish(filled, bundle, Order("stable"), chain, now)
    assert device(name="fresh").look(now).releases[0].version == "1.1.0"


def test_a_clock_that_is_wrong_signs_nothing(filled: Path, chain: Keychain, now: datetime) -> None:
    before = (filled / "metadata" / "timestamp.json").read_bytes()
    for moment, words in (
        (now - timedelta(days=2), "but .* was signed on 2026-03-01: set the clock"),
        (now.replace(year=2100), "the clock of this PC says 2100-03-01, years after"),
    ):
        with pytest.raises(StateError, match=words):
            refresh(filled, chain, moment)
    assert (filled / "metadata" / "timestamp.json").read_bytes() == before
    made = open_depot(filled).made
    assert refresh(filled, chain, now - timedelta(hours=2)).made == made, "devices believe it, so it never goes back"


def test_keys_that_do_not_fit_are_named(filled: Path, now: datetime, tmp_path: Path, chain: Keychain) -> None:
    foreign = Keychain((tmp_path / "foreign",), chain.unlock, chain.lock)
    foreign.new("timestamp")
    with pytest.raises(TrustError, match=r"timestamp\.pem \(key [0-9a-f]{12}\), which is not in .*foreign"):
        refresh(filled, foreign, now)


def test_a_private_key_in_the_place_of_another_is_refused(filled: Path, now: datetime, chain: Keychain) -> None:
    folder = chain.folders[0]
    (folder / "timestamp.pem").write_bytes((folder / "snapshot.pem").read_bytes())
    again = Keychain(chain.folders, chain.unlock, chain.lock)
    with pytest.raises(TrustError, match=r"timestamp\.pem: does not belong to timestamp\.pub"):
        refresh(filled, again, now)

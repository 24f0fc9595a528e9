"""What a depot says of itself, and the file that makes a device follow it."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hakobu.depot.depot import open_depot
from hakobu.depot.invite import invitation, write_invitation
from hakobu.depot.keychain import Keychain
from hakobu.depot.rotate import renew_root
from hakobu.depot.status import expiring, status, status_words
from hakobu.depot.steer import revoke, roll_back
from hakobu_runtime.errors import StateError, UsageError
from hakobu_runtime.format.codec import decode
from hakobu_runtime.format.follow import Follow


def test_it_tells_releases_keys_and_what_happened(published: Any, depot: Path, chain: Keychain, now: datetime) -> None:
    for version, rollout in (("1.0.0", 100), ("1.1.0", 100), ("1.2.0", 10)):
        published(version, rollout=rollout)
    roll_back(depot, "tiny", "stable", chain, now)
    revoke(depot, "tiny", "1.0.0", "bad data", chain, now)
    (chain.folders[0] / "root-2.pem").unlink()
    found = status(open_depot(depot), chain, now)
    root = found.roles[0]
    assert (root.name, root.threshold, root.keys, root.here) == (
        "root",
        2,
        ("root-1", "root-2", "root-3"),
        ("root-1", "root-3"),
    )
    assert [(role.name, role.days) for role in found.roles] == [
        ("root", 3650),
        ("targets", 1825),
        ("snapshot", 400),
        ("timestamp", 400),
        ("tiny", 1825),
    ]
    model = found.models[0]
    assert (model.versions, model.withdrawn, model.revoked) == (
        ("1.0.0", "1.1.0", "1.2.0"),
        {"stable": ("1.2.0",)},
        {"1.0.0": "bad data"},
    )
    words = status_words(found)
    assert "2 of root-1, root-2, root-3" in words
    assert "tiny 1.0.0 is revoked: bad data" in words
    assert "tiny, stable: withdrawn 1.2.0" in words
    assert msgspec.json.encode(found)


def test_it_warns_before_anything_expires(depot: Path, now: datetime, chain: Keychain) -> None:
    found = open_depot(depot)
    assert list(expiring(found, now + timedelta(days=290))) == []
    assert [words.split(" on ")[0] for words in expiring(found, now + timedelta(days=310))] == [
        "snapshot expires",
        "timestamp expires",
    ]
    late = list(expiring(found, now + timedelta(days=3649)))
    assert [words.split(" on ")[0] for words in late] == [
        "root expires",
        "targets has expired",
        "snapshot has expired",
        "timestamp has expired",
    ]
    assert late[0].endswith("hakobu depot renew root")
    assert "EXPIRED" in status_words(status(found, chain, now + timedelta(days=500)))


def test_it_tells_what_waits_for_a_signature(depot: Path, now: datetime, chain: Keychain) -> None:
    for number in (2, 3):
        (chain.folders[0] / f"root-{number}.pem").unlink()
    renew_root(depot, None, chain, now)
    words = status_words(status(open_depot(depot), chain, now))
    assert words.endswith("root 2 waits for 1 more of root-2, root-3: hakobu depot sign KEY.pem")


def test_an_invitation_holds_the_newest_root_and_no_time_of_a_clock(
    published: Any, depot: Path, chain: Keychain, now: datetime, later: datetime, tmp_path: Path
) -> None:
    published("1.0.0")
    renew_root(depot, None, chain, later)
    write_invitation(invitation(open_depot(depot), "tiny", "stable", "https://example.org/depot"), tmp_path / "f")
    follow = decode((tmp_path / "f").read_bytes(), Follow, "f")
    assert (follow.model, follow.channel, follow.depot) == ("tiny", "stable", "https://example.org/depot")
    assert follow.root.encode() == (depot / "metadata" / "2.root.json").read_bytes()
    assert follow.earliest == now


def test_an_invitation_to_nothing_is_refused(published: Any, depot: Path, tmp_path: Path) -> None:
    published("1.0.0")
    found = open_depot(depot)
    for model, channel, address, words in (
        ("tiny", "beta", "", "no channel 'beta'; there is stable"),
        ("huge", "stable", "", "no model 'huge'; there is tiny"),
        ("tiny", "stable", "ftp://x", "must be an address"),
    ):
        with pytest.raises(UsageError, match=words):
            invitation(found, model, channel, address)
    with pytest.raises(StateError, match="cannot be written"):
        write_invitation(invitation(found, "tiny", "stable"), tmp_path / "no" / "folder")

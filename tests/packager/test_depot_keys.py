"""Keys of a depot: who signs what, how one is exchanged, and that an old one then counts for nothing."""

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Metadata

from hakobu.depot.create import Plan, create
from hakobu.depot.depot import PENDING, open_depot, receipt_keys
from hakobu.depot.editing import editing
from hakobu.depot.invite import invitation
from hakobu.depot.keychain import Keychain, add_signature, read_public_key
from hakobu.depot.pending import Standing, drop, sign
from hakobu.depot.receipts import receipt_signer
from hakobu.depot.renew import refresh, renew_role
from hakobu.depot.rotate import Exchange, keys_of, renew_root, rotate
from hakobu.depot.verify import verify
from hakobu.keys import new_key_pair
from hakobu_runtime.errors import HakobuError, ProjectError, StateError, TrustError, UsageError
from hakobu_runtime.trust import Curve, PrivateKey

Follow = Callable[..., Any]
ONLINE_AND_OFFLINE = ["targets", "snapshot", "timestamp", "tiny"]


def only(chain: Keychain, folder: Path, *names: str) -> Keychain:
    """Return a keychain with only these keys of `chain`."""
    folder.mkdir(exist_ok=True)
    for name in names:
        for ending in (".pem", ".pub"):
            shutil.copy(chain.folders[0] / f"{name}{ending}", folder)
    return Keychain((folder,), lambda path: None, lambda: None)


def add_root_signature(depot: Path, key: Path, chain: Keychain, now: datetime) -> Standing:
    with editing(depot, chain, now) as edition:
        return sign(edition, key)


@pytest.mark.parametrize("role", ONLINE_AND_OFFLINE)
def test_after_a_rotation_old_and_new_devices_go_on_and_the_old_key_counts_for_nothing(
    published: Any, depot: Path, chain: Keychain, now: datetime, later: datetime, device: Follow, role: str
) -> None:
    published("1.0.0")
    follower, stolen = device(), chain.find(open_depot(depot).role(role).keyids[0])
    follower.look(now)
    done = rotate(depot, role, chain, now)
    assert (done.out, done.new) == (role, f"{role}-2")
    assert follower.look(now) == device(name="fresh").look(now)
    published("1.1.0")
    assert follower.look(later).releases[0].version == "1.1.0"
    forge(depot, role, done, chain, stolen)
    with pytest.raises(TrustError):
        open_depot(depot)
    with pytest.raises(HakobuError):
        device(name="another").look(later)


def forge(depot: Path, role: str, done: Exchange, chain: Keychain, stolen: PrivateKey | None) -> None:
    """Do what a thief of the old key can: sign what the role says, in the name of the new key."""
    found = open_depot(depot)
    metadata: Metadata[Any] = deepcopy(found.models["tiny"] if role == "tiny" else getattr(found, role))
    metadata.signed.expires += timedelta(days=1)
    metadata.signatures.clear()
    assert stolen is not None
    add_signature(metadata, read_public_key(chain.folders[0] / f"{done.new}.pub").keyid, stolen)
    version = "" if role == "timestamp" else f"{metadata.signed.version}."
    (depot / "metadata" / f"{version}{role}.json").write_bytes(metadata.to_bytes())


def test_the_key_of_receipts_is_exchanged_in_every_channel(
    published: Any, depot: Path, chain: Keychain, now: datetime, later: datetime, device: Follow, tmp_path: Path
) -> None:
    published("1.0.0")
    follower = device()
    (old,) = follower.look(now).receipt_keys
    assert receipt_signer(chain, open_depot(depot)) == chain.place("receipts")
    done = rotate(depot, "receipts", chain, now)
    assert (done.out, done.new, done.standing) == ("receipts", "receipts-2", None)
    (new,) = follower.look(later).receipt_keys
    assert new == chain.open(chain.place("receipts-2")).public.pem.decode() != old
    assert receipt_keys(open_depot(depot)) == (new,)
    assert receipt_signer(chain, open_depot(depot)) == chain.place("receipts-2")
    assert invitation(open_depot(depot), "tiny", "stable").receipt_keys == (new,)
    with pytest.raises(UsageError, match="is not the name of the key of receipts, which is receipts-2"):
        rotate(depot, "receipts", chain, later, out="receipts")
    with pytest.raises(UsageError, match="this key is in the depot already"):
        rotate(depot, "receipts", chain, later, public=chain.place("receipts-2").with_suffix(".pub"))
    elsewhere = new_key_pair(tmp_path / "hubs.pem", Curve.P256, None)
    assert rotate(depot, "receipts", chain, later, public=tmp_path / "hubs.pub").made is None
    assert follower.look(later).receipt_keys == (elsewhere.pem.decode(),)
    assert verify(open_depot(depot), later).channels == ("tiny/stable",)


def test_a_new_root_is_signed_by_the_old_and_the_new_keys(
    published: Any, depot: Path, chain: Keychain, now: datetime, device: Follow
) -> None:
    published("1.0.0")
    follower = device()
    follower.look(now)
    done = rotate(depot, "root", chain, now, out="root-2")
    assert (done.new, done.standing and done.standing.signed) == ("root-4", ("root-1", "root-3"))
    (chain.folders[0] / "root-1.pem").unlink()
    done = rotate(depot, "root", chain, now, out="root-1")
    assert done.standing == Standing(3, ("root-3", "root-4"), 0, ())
    assert [key.unrecognized_fields["x-hakobu-holder"] for key in keys_of(open_depot(depot), "root")] == [
        "root-3",
        "root-4",
        "root-5",
    ]
    assert follower.look(now) == device(name="fresh").look(now)
    assert verify(open_depot(depot), now).channels == ("tiny/stable",)


def test_a_root_is_signed_in_two_sittings(
    published: Any, depot: Path, chain: Keychain, now: datetime, later: datetime, device: Follow, tmp_path: Path
) -> None:
    published("1.0.0")
    follower = device()
    at_hand = only(chain, tmp_path / "hand", "root-1", "timestamp", "snapshot")
    done = rotate(depot, "timestamp", at_hand, now)
    assert done.standing == Standing(2, ("root-1",), 1, ("root-2", "root-3"))
    assert open_depot(depot).root.signed.version == 1, "nothing has changed for devices"
    assert follower.look(now).releases
    refresh(depot, at_hand, now)  # the schedule goes on meanwhile
    with pytest.raises(StateError, match="a new root waits for signatures already"):
        rotate(depot, "snapshot", at_hand, now)
    found = add_root_signature(depot, chain.folders[0] / "root-3.pem", at_hand, later)
    assert found == Standing(2, ("root-1", "root-3"), 0, ())
    assert not (depot / PENDING).exists()
    assert open_depot(depot).role("timestamp").keyids == [keys_of(open_depot(depot), "timestamp")[0].keyid]
    assert follower.look(later) == device(name="fresh").look(later)


def test_the_last_signature_is_refused_while_the_new_online_key_is_elsewhere(
    published: Any, depot: Path, chain: Keychain, now: datetime, tmp_path: Path, device: Follow
) -> None:
    published("1.0.0")
    at_hand = only(chain, tmp_path / "hand", "root-1", "timestamp")
    rotate(depot, "timestamp", at_hand, now)
    others = only(chain, tmp_path / "others", "root-2")
    with pytest.raises(TrustError, match=r"what timestamp says is signed with timestamp-2\.pem"):
        add_root_signature(depot, chain.folders[0] / "root-2.pem", others, now)
    assert device().look(now).releases


def test_a_root_that_waits_can_be_dropped(depot: Path, chain: Keychain, now: datetime, tmp_path: Path) -> None:
    at_hand = only(chain, tmp_path / "hand", "root-1")
    renew_root(depot, 100, at_hand, now)
    drop(open_depot(depot))
    with pytest.raises(UsageError, match="nothing waits"):
        add_root_signature(depot, chain.folders[0] / "root-2.pem", at_hand, now)


def test_only_a_root_key_signs_root(depot: Path, chain: Keychain, now: datetime, tmp_path: Path) -> None:
    renew_root(depot, None, only(chain, tmp_path / "hand", "root-1"), now)
    with pytest.raises(TrustError, match=r"none of the root keys of .*, which are root-1, root-2, root-3"):
        add_root_signature(depot, chain.folders[0] / "targets.pem", chain, now)


def test_a_key_that_its_holder_made_comes_in_without_its_private_half(
    published: Any, depot: Path, chain: Keychain, now: datetime, tmp_path: Path, device: Follow
) -> None:
    published("1.0.0")
    new_key_pair(tmp_path / "alice" / "alice.pem", "P-384", b"hers")
    done = rotate(depot, "root", chain, now, "root-1", tmp_path / "alice" / "alice.pub")
    assert (done.new, done.made) == ("alice", None)
    with pytest.raises(UsageError, match="in the depot already"):
        rotate(depot, "root", chain, now, "root-2", tmp_path / "alice" / "alice.pub")
    hers = Keychain((tmp_path / "alice", chain.folders[0]), lambda path: b"hers" if "alice" in str(path) else None, str)  # type: ignore[arg-type]
    (chain.folders[0] / "root-2.pem").unlink()
    standing = renew_root(depot, 200, hers, now)
    assert standing.signed == ("alice", "root-3")
    assert device().look(now).releases


def test_a_root_key_that_cannot_be_unlocked_is_left_out_and_told(tmp_path: Path, now: datetime) -> None:
    secrets = {"root-1": b"one", "root-2": b"two"}
    for name, secret in secrets.items():
        new_key_pair(tmp_path / "keys" / f"{name}.pem", "P-256", secret)
    chain = Keychain((tmp_path / "keys",), lambda path: secrets.get(path.stem), lambda: None)
    create(tmp_path / "depot", chain, Plan(2, 2), now)
    wrong = Keychain((tmp_path / "keys",), lambda path: b"one" if path.stem.startswith("root") else None, lambda: None)
    standing = renew_root(tmp_path / "depot", None, wrong, now)
    assert (standing.signed, standing.open, standing.lacking) == (("root-1",), ("root-2",), 1)
    assert "root-2: " in standing.words[0]
    assert "passphrase is wrong" in standing.words[0]


def test_a_role_of_several_keys_wants_to_hear_which_goes(depot: Path, chain: Keychain, now: datetime) -> None:
    with pytest.raises(UsageError, match="keys root-1, root-2, root-3: say which one goes"):
        rotate(depot, "root", chain, now)
    with pytest.raises(UsageError, match="'alice' is not the name or the id of a key of root"):
        rotate(depot, "root", chain, now, out="alice")
    with pytest.raises(UsageError, match="no role and no model 'nobody'"):
        rotate(depot, "nobody", chain, now)
    assert sorted(path.name for path in chain.folders[0].glob("root*.pem")) == [
        "root-1.pem",
        "root-2.pem",
        "root-3.pem",
    ]


def test_an_unencrypted_online_key_is_followed_by_one(tmp_path: Path, now: datetime) -> None:
    secret = Keychain((tmp_path / "keys",), lambda path: b"s" if b"ENC" in path.read_bytes() else None, lambda: b"s")
    create(tmp_path / "depot", secret, Plan(1, 1, plain_online=True), now)
    for role in ("timestamp", "targets"):
        rotate(tmp_path / "depot", role, secret, now)
    locked = {path.stem: b"ENCRYPTED" in path.read_bytes() for path in (tmp_path / "keys").glob("*.pem")}
    plain = [name for name, state in sorted(locked.items()) if not state]
    assert plain == ["receipts", "snapshot", "timestamp", "timestamp-2"]


def test_the_schedule_needs_the_online_keys_alone(
    published: Any, depot: Path, chain: Keychain, now: datetime, tmp_path: Path, device: Follow
) -> None:
    published("1.0.0")
    online = only(chain, tmp_path / "online", "timestamp", "snapshot")
    soon, far = now + timedelta(days=30), now + timedelta(days=250)
    assert refresh(depot, online, soon).snapshot.signed.version == open_depot(depot).snapshot.signed.version
    before = open_depot(depot).snapshot.signed.version
    assert refresh(depot, online, far).snapshot.signed.version == before + 1
    client = device().client(far + timedelta(days=399))
    assert client.made == far


def test_days_are_kept_by_the_role(depot: Path, chain: Keychain, now: datetime, later: datetime) -> None:
    assert renew_role(depot, "timestamp", 30, chain, now).timestamp.signed.expires == now + timedelta(days=30)
    assert refresh(depot, chain, later).timestamp.signed.expires == later + timedelta(days=30)
    renew_root(depot, 1000, chain, later)
    assert open_depot(depot).root.signed.expires == later + timedelta(days=1000)
    with pytest.raises(UsageError, match="1 to 7300 days, not 0"):
        renew_role(depot, "timestamp", 0, chain, later)


def test_a_depot_has_as_many_root_keys_as_asked_for(tmp_path: Path, now: datetime, chain: Keychain) -> None:
    made = create(tmp_path / "single", Keychain((tmp_path / "k",), chain.unlock, chain.lock), Plan(1, 1), now)
    assert (made.role("root").threshold, len(made.role("root").keyids)) == (1, 1)
    for keys, threshold in ((2, 3), (0, 0), (21, 1)):
        with pytest.raises(UsageError, match="root keys cannot be"):
            Plan(keys, threshold)


def test_private_keys_never_lie_in_the_depot(tmp_path: Path, now: datetime, depot: Path, published: Any) -> None:
    published("1.0.0")
    assert not [path for path in depot.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    inside = Keychain((tmp_path / "other" / "keys",), lambda path: None, lambda: None)
    with pytest.raises(UsageError, match="private keys must not lie in the depot"):
        create(tmp_path / "other", inside, Plan(), now)


def test_a_second_beginning_is_refused_and_a_killed_one_goes_on_with_the_same_keys(
    tmp_path: Path, depot: Path, chain: Keychain, now: datetime
) -> None:
    with pytest.raises(StateError, match="is a depot already"):
        create(depot, chain, Plan(), now)
    before = (depot / "metadata" / "1.root.json").read_bytes()
    (depot / "metadata" / "timestamp.json").unlink()
    create(depot, chain, Plan(), now)
    assert (depot / "metadata" / "1.root.json").read_bytes() == before
    rotate(depot, "snapshot", chain, now)
    (depot / "metadata" / "timestamp.json").unlink()
    with pytest.raises(StateError, match="holds parts of a depot"):
        create(depot, chain, Plan(), now)


def test_one_key_under_two_names_is_no_second_signature(tmp_path: Path, chain: Keychain, now: datetime) -> None:
    folder = tmp_path / "keys"
    new_key_pair(folder / "root-1.pem", "P-256", None)
    for ending in (".pem", ".pub"):
        shutil.copy(folder / f"root-1{ending}", folder / f"root-2{ending}")
    with pytest.raises(UsageError, match="the key root-2 has two names"):
        create(tmp_path / "depot", Keychain((folder,), chain.unlock, chain.lock), Plan(2, 2), now)


def test_a_key_is_never_written_over(tmp_path: Path, chain: Keychain, now: datetime, depot: Path) -> None:
    content = (chain.folders[0] / "timestamp.pem").read_bytes()
    rotate(depot, "timestamp", chain, now)
    rotate(depot, "timestamp", chain, now)
    assert (chain.folders[0] / "timestamp.pem").read_bytes() == content
    assert (chain.folders[0] / "timestamp-3.pem").exists()
    with pytest.raises(ProjectError, match="a key is there already"):
        new_key_pair(chain.folders[0] / "timestamp.pem", "P-256", None)


def test_a_key_says_who_keeps_it(depot: Path) -> None:
    root = json.loads((depot / "metadata" / "1.root.json").read_text())["signed"]
    assert root["x-hakobu-depot"] == "hakobu.depot/1"
    assert {key["x-hakobu-holder"] for key in root["keys"].values()} == {
        "root-1", "root-2", "root-3", "targets", "snapshot", "timestamp",
    }  # fmt: skip

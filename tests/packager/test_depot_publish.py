"""A release comes into a depot: what devices then see, and what is refused."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from hakobu.depot.create import Plan, create
from hakobu.depot.depot import open_depot
from hakobu.depot.history import read_history
from hakobu.depot.keychain import Keychain
from hakobu.depot.publish import Order, promote, publish
from hakobu.depot.rotate import rotate
from hakobu.depot.verify import verify
from hakobu_runtime.channel.patch import apply_patch
from hakobu_runtime.errors import BundleError, ProjectError, TrustError, UsageError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.validation import Gate, Outcome, Stage, Validation

LARGE = {"MODEL_CARD.md": random.Random(1).randbytes(100_000).hex().encode()}


def test_a_device_is_offered_what_was_published(
    published: Any, device: Callable[..., Any], now: datetime, tmp_path: Path
) -> None:
    offered = published("1.0.0", notes="the first")
    client = device().client(now)
    found = client.channel().releases
    assert found == (offered.release,)
    assert (found[0].version, found[0].notes, found[0].min_runtime) == ("1.0.0", "the first", "0.1.0")
    bundle = client.fetch(found[0].target, tmp_path / "got").read_bytes()
    assert bundle == (tmp_path / "tiny-1.0.0.hako").read_bytes()
    assert sha256(bundle).hexdigest() == found[0].digest


class FromFolder(FetcherInterface):
    """What python-tuf's own client reads a folder through."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(url)
        if not path.exists():
            raise DownloadHTTPError("no such file", 404)
        yield path.read_bytes()


def test_the_client_of_python_tuf_itself_reads_it(release: Any, chain: Keychain, tmp_path: Path) -> None:
    today = datetime.now(UTC)  # which that client asks for itself
    depot = create(tmp_path / "depot", chain, Plan(), today).path
    offered = publish(depot, release("1.0.0"), Order("stable"), chain, today)
    rotate(depot, "timestamp", chain, today)
    for folder in ("cache", "got"):
        (tmp_path / folder).mkdir()
    updater = Updater(
        str(tmp_path / "cache"),
        str(depot / "metadata"),
        str(tmp_path / "got"),
        str(depot / "targets"),
        FromFolder(),
        bootstrap=(depot / "metadata" / "1.root.json").read_bytes(),
    )
    updater.refresh()
    target = updater.get_targetinfo(offered.release.target)
    assert target is not None
    got = Path(updater.download_target(target))
    assert got.read_bytes() == (tmp_path / "tiny-1.0.0.hako").read_bytes()
    assert updater.get_targetinfo("other/1.0.0/other-1.0.0.hako") is None


def test_equal_releases_and_times_make_equal_depots(
    tmp_path: Path, depot: Path, chain: Keychain, release: Any, now: datetime
) -> None:
    other = create(tmp_path / "other", chain, Plan(), now).path
    for place in (depot, other):
        publish(place, release("1.0.0"), Order("stable"), chain, now)
    files = {file.relative_to(depot): file.read_bytes() for file in depot.rglob("*") if file.is_file()}
    assert files == {file.relative_to(other): file.read_bytes() for file in other.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1.0.0", "1.0.0"),
        ("1.1.0", "1.0.9"),
        ("1.10.0", "1.9.0"),
        ("1.0.0", "1.0.0-rc.1"),
        ("1.0.0-rc.10", "1.0.0-rc.9"),
        ("1.0.0-rc", "1.0.0-beta"),
    ],
)
def test_a_version_that_is_not_above_all_others_is_refused(
    published: Any, release: Any, depot: Path, chain: Keychain, now: datetime, first: str, second: str
) -> None:
    published(first, channel="beta")
    again = release(second, files={"MODEL_CARD.md": b"another"})
    with pytest.raises(ProjectError, match=f"version {second} is not above {first}"):
        publish(depot, again, Order("stable"), chain, now)


def test_the_same_bundle_is_not_published_twice(published: Any) -> None:
    published("1.0.0", channel="beta")
    with pytest.raises(ProjectError, match=r"in the depot already, as tiny 1\.0\.0 of 2026-03-01.*promote"):
        published("1.0.0")


def test_a_preview_comes_before_its_release(published: Any, device: Callable[..., Any], now: datetime) -> None:
    for version in ("1.0.0-rc.9", "1.0.0-rc.10", "1.0.0"):
        published(version)
    assert [found.version for found in device().look(now).releases] == ["1.0.0", "1.0.0-rc.10", "1.0.0-rc.9"]


@pytest.mark.parametrize(
    "name", ["root", "targets", "snapshot", "timestamp", "receipts", "root-1", "targets-2", "con", "lpt1"]
)
def test_a_model_cannot_have_the_name_of_a_role_or_of_a_windows_device(
    depot: Path, release: Any, chain: Keychain, now: datetime, name: str
) -> None:
    with pytest.raises(UsageError, match=f"a model named '{name}' cannot be in a depot"):
        publish(depot, release("1.0.0", name=name), Order("stable"), chain, now)


def test_a_version_that_ends_in_a_dot_is_refused(depot: Path, release: Any, chain: Keychain, now: datetime) -> None:
    with pytest.raises(ProjectError, match="cannot be the name of a folder"):
        publish(depot, release("1.0.0-rc."), Order("stable"), chain, now)


@pytest.mark.parametrize("name", ["", "Stable", "a b", "-x", "ü", "a" * 33, "../x"])
def test_a_channel_has_a_plain_name(published: Any, name: str) -> None:
    with pytest.raises(UsageError, match="no name of a channel"):
        published("1.0.0", channel=name)


def test_notes_are_short(published: Any) -> None:
    with pytest.raises(UsageError, match="4,001 letters are too long"):
        published("1.0.0", notes="x" * 4001)


def test_a_bundle_whose_gate_failed_is_refused(depot: Path, release: Any, chain: Keychain, now: datetime) -> None:
    gate = Gate(Stage.MODEL, "auc", "auc >= 0.7", "0.60", "0.70", Outcome.FAILED)
    for gates in ((gate,), ()):
        bundle = release("1.0.0", files={"validation.json": encode(Validation("hakobu.validation/1", gates))})
        with pytest.raises(BundleError, match="not every gate"):
            publish(depot, bundle, Order("stable"), chain, now)
    assert not open_depot(depot).models


def test_a_gate_that_was_not_judged_is_told(depot: Path, release: Any, chain: Keychain, now: datetime) -> None:
    gate = Gate(Stage.MODEL, "folds", "folds", "none", "5", Outcome.NOT_JUDGED)
    bundle = release("1.0.0", files={"validation.json": encode(Validation("hakobu.validation/1", (gate,)))})
    offered = publish(depot, bundle, Order("stable"), chain, now)
    assert offered.words == ("not judged, for too little to judge by: folds",)


def test_a_release_that_needs_a_newer_runtime_than_the_former_is_told(
    depot: Path, release: Any, chain: Keychain, now: datetime
) -> None:
    publish(depot, release("1.0.0", min_runtime="0.0.1"), Order("stable"), chain, now)
    offered = publish(depot, release("1.1.0", min_runtime="0.1.0"), Order("stable"), chain, now)
    assert "needs hakobu-runtime 0.1.0, 1.0.0 needed 0.0.1" in offered.words[0]


def test_a_bundle_that_changed_after_it_was_verified_is_refused(
    depot: Path, release: Any, chain: Keychain, now: datetime
) -> None:
    bundle = release("1.0.0")
    bundle.path.write_bytes(b"something else")
    with pytest.raises(BundleError, match="changed meanwhile"):
        publish(depot, bundle, Order("stable"), chain, now)


def test_a_new_model_needs_the_key_of_targets_and_no_key_is_made_without_it(
    depot: Path, release: Any, chain: Keychain, now: datetime
) -> None:
    (chain.folders[0] / "targets.pem").unlink()
    with pytest.raises(TrustError, match=r"what targets says is signed with targets\.pem"):
        publish(depot, release("1.0.0"), Order("stable"), chain, now)
    assert not (chain.folders[0] / "tiny.pem").exists()
    assert not open_depot(depot).models


def test_a_known_model_needs_its_own_key_and_no_other_offline_one(
    published: Any, chain: Keychain, tmp_path: Path
) -> None:
    published("1.0.0")
    for name in ("root-1", "root-2", "root-3", "targets"):
        (chain.folders[0] / f"{name}.pem").unlink()
    published("1.1.0")
    (chain.folders[0] / "tiny.pem").rename(tmp_path / "tiny.pem")
    with pytest.raises(TrustError, match=r"what tiny says is signed with tiny\.pem"):
        published("1.2.0")


def test_a_key_of_the_models_name_that_lies_there_is_taken(
    depot: Path, release: Any, chain: Keychain, now: datetime
) -> None:
    key = chain.new("tiny")
    publish(depot, release("1.0.0"), Order("stable"), chain, now)
    assert open_depot(depot).role("tiny").keyids == [key.keyid]


def test_patches_come_from_the_last_three_releases(
    depot: Path, release: Any, chain: Keychain, now: datetime, device: Callable[..., Any], tmp_path: Path
) -> None:
    for minor in range(5):
        publish(depot, release(f"1.{minor}.0", files=LARGE), Order("stable"), chain, now)
    client = device().client(now)
    newest, *former = client.channel().releases
    assert [patch.base for patch in newest.patches] == [found.digest for found in former[:3]]
    assert all(patch.size < 0.05 * newest.size for patch in newest.patches)
    assert not any(found.patches for found in former), "nobody is offered these first any more"
    base = (tmp_path / "tiny-1.2.0.hako").read_bytes()
    patch = client.fetch(newest.patches[1].target, tmp_path / "patch").read_bytes()
    assert apply_patch(base, patch, newest.size) == (tmp_path / "tiny-1.4.0.hako").read_bytes()


def test_a_patch_that_spares_little_is_not_made(published: Any) -> None:
    published("1.0.0")
    assert published("1.1.0").release.patches == ()


def test_a_patch_as_large_as_the_bundle_is_not_made(depot: Path, release: Any, chain: Keychain, now: datetime) -> None:
    for version in ("1.0.0", "1.1.0"):
        files = {"sbom.cdx.json": random.Random(version).randbytes(300_000)}
        offered = publish(depot, release(version, files=files), Order("stable"), chain, now)
    assert offered.release.patches == ()


def test_files_out_of_use_are_taken_away_in_time(published: Any, depot: Path, chain: Keychain, now: datetime) -> None:
    for minor in range(17):
        published(f"1.{minor}.0")
    left = open_depot(depot)
    channel = left.channel("tiny", "stable")
    assert len(channel.releases) == 10
    assert len(list((depot / "metadata").glob("*.tiny.json"))) <= 6
    bundles = {path.name.partition(".")[2] for path in depot.glob("targets/tiny/*/*.hako")}
    assert {f"tiny-1.{minor}.0.hako" for minor in range(7, 17)} <= bundles
    assert "tiny-1.0.0.hako" not in bundles
    assert len(list((depot / "targets/tiny/channels").iterdir())) <= 6
    assert list(read_history(left.model("tiny"))) == [f"1.{minor}.0" for minor in range(17)]
    assert verify(left, now).bundles == 10


def test_what_others_keep_in_the_folder_stays(published: Any, depot: Path) -> None:
    foreign = [depot / "README.txt", depot / "metadata" / "notes.txt", depot / "targets" / "index.html"]
    for path in foreign:
        path.write_text("ours")
    published("1.0.0")
    published("1.1.0")
    assert all(path.read_text() == "ours" for path in foreign)


def test_promotion_offers_a_beta_in_stable_with_patches_for_there(
    depot: Path, release: Any, chain: Keychain, now: datetime, later: datetime, device: Callable[..., Any]
) -> None:
    publish(depot, release("1.0.0", files=LARGE), Order("stable"), chain, now)
    publish(depot, release("1.1.0", files=LARGE), Order("beta", notes="better"), chain, now)
    offered = promote(depot, "tiny", "beta", Order("stable", 10), chain, later)
    found = device().look(later).releases
    assert [(one.version, one.rollout, one.notes) for one in found] == [("1.1.0", 10, "better"), ("1.0.0", 100, "")]
    assert [patch.base for patch in offered.release.patches] == [found[1].digest]
    assert device("beta", "other").look(later).releases[0].rollout == 100


def test_promotion_goes_to_what_is_newer_only(published: Any, depot: Path, chain: Keychain, now: datetime) -> None:
    published("1.0.0", channel="beta")
    published("1.1.0")
    with pytest.raises(ProjectError, match=r"offers 1\.1\.0 already, which is not older than 1\.0\.0"):
        promote(depot, "tiny", "beta", Order("stable"), chain, now)
    with pytest.raises(UsageError, match=r"has no release '3\.0\.0'; there is 1\.0\.0"):
        promote(depot, "tiny", "beta", Order("stable"), chain, now, "3.0.0")
    with pytest.raises(UsageError, match="no channel 'gamma'; there is beta, stable"):
        promote(depot, "tiny", "gamma", Order("stable"), chain, now)


def test_a_minimum_version_comes_with_the_release(published: Any, device: Callable[..., Any], now: datetime) -> None:
    published("1.0.0")
    published("1.1.0", minimum_version="1.1.0")
    assert device().look(now).minimum_version == "1.1.0"
    with pytest.raises(UsageError, match=r"only 1\.2\.0"):
        published("1.2.0", minimum_version="9.0.0")

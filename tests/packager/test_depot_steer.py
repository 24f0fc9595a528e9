"""What becomes of a release after it was published: wider, back, never again, nothing older."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakobu.depot.depot import open_depot
from hakobu.depot.keychain import Keychain
from hakobu.depot.offer import add, bar, demand, new_channel, reachable, widen, withdraw
from hakobu.depot.publish import Order, publish
from hakobu.depot.steer import revoke, roll_back, set_minimum, set_rollout
from hakobu.depot.verify import verify
from hakobu_runtime.errors import HakobuError, ProjectError, UsageError
from hakobu_runtime.format.channel import Channel, Release, Revoked, bundle_target

Follow = Callable[..., Any]


def test_a_roll_out_grows_and_keeps_the_devices_that_it_had(
    published: Any, depot: Path, chain: Keychain, now: datetime, device: Follow
) -> None:
    published("1.0.0")
    published("1.1.0", rollout=10)
    names = [f"device-{number}" for number in range(300)]
    before, follower = device().look(now), device()
    first = {name for name in names if before.releases[0].reaches(name)}
    assert 0 < len(first) < 100
    assert {before.offered(name).version for name in names} == {"1.0.0", "1.1.0"}
    changed = set_rollout(depot, "tiny", "stable", 50, chain, now)
    after = follower.look(now)
    assert after == changed
    assert first < {name for name in names if after.releases[0].reaches(name)}


def test_after_a_roll_back_the_former_release_is_offered_again(
    published: Any, depot: Path, chain: Keychain, now: datetime, device: Follow
) -> None:
    former, newest = published("1.0.0").release, published("1.1.0").release
    follower = device()
    follower.look(now)
    gone, _ = roll_back(depot, "tiny", "stable", chain, now)
    found = follower.look(now)
    assert (gone.digest, found.withdrawn, found.releases[0].digest) == (newest.digest, (newest.digest,), former.digest)
    with pytest.raises(UsageError, match=r"has no release before 1\.0\.0 to go back to"):
        roll_back(depot, "tiny", "stable", chain, now)


def test_a_withdrawn_version_comes_back_in_no_way(
    published: Any, depot: Path, chain: Keychain, now: datetime, release: Any
) -> None:
    published("1.0.0")
    published("1.1.0")
    roll_back(depot, "tiny", "stable", chain, now)
    with pytest.raises(ProjectError, match="in the depot already"):
        published("1.1.0")
    with pytest.raises(ProjectError, match=r"1\.0\.5 is not above 1\.1\.0"):
        published("1.0.5")
    published("1.1.1")


def test_a_revoked_version_leaves_every_channel_and_those_that_come_later(
    published: Any, depot: Path, chain: Keychain, now: datetime, device: Follow
) -> None:
    published("1.0.0", channel="beta")
    bad = published("1.1.0", channel="beta").release
    published("1.2.0")
    revoke(depot, "tiny", "1.1.0", "  it was trained on test data ", chain, now)
    for channel in ("beta", "stable"):
        found = device(channel, channel).look(now)
        assert found.revoked == (Revoked("1.1.0", bad.digest, "it was trained on test data"),)
        assert bad.digest not in {release.digest for release in found.releases}
    published("1.3.0", channel="nightly")
    assert device("nightly", "new").look(now).revoked[0].digest == bad.digest
    assert verify(open_depot(depot), now).bundles == 3


def test_what_was_withdrawn_can_be_revoked_too(
    published: Any, depot: Path, chain: Keychain, now: datetime, device: Follow
) -> None:
    published("1.0.0")
    published("1.1.0")
    roll_back(depot, "tiny", "stable", chain, now)
    revoke(depot, "tiny", "1.1.0", "dangerous", chain, now)
    found = device().look(now)
    assert (found.withdrawn, [entry.version for entry in found.revoked]) == ((), ["1.1.0"])


def test_the_last_release_can_be_revoked_and_another_one_published(
    published: Any, depot: Path, chain: Keychain, now: datetime, device: Follow
) -> None:
    published("1.0.0")
    channels = revoke(depot, "tiny", "1.0.0", "dangerous", chain, now)
    assert channels[0].releases == ()
    with pytest.raises(UsageError, match="offers nothing"):
        set_rollout(depot, "tiny", "stable", 10, chain, now)
    published("1.0.1")
    assert device().look(now).releases[0].version == "1.0.1"


@pytest.mark.parametrize(("version", "reason", "words"), [("9.0.0", "x", "never published"), ("1.0.0", " ", "reason")])
def test_a_revocation_names_a_version_and_a_reason(
    published: Any, depot: Path, chain: Keychain, now: datetime, version: str, reason: str, words: str
) -> None:
    published("1.0.0")
    with pytest.raises(UsageError, match=words):
        revoke(depot, "tiny", version, reason, chain, now)


def test_a_minimum_is_told_and_can_be_taken_back(
    published: Any, depot: Path, chain: Keychain, now: datetime, device: Follow
) -> None:
    published("1.0.0")
    published("1.1.0")
    set_minimum(depot, "tiny", "stable", "1.1.0", chain, now)
    assert device().look(now).minimum_version == "1.1.0"
    with pytest.raises(UsageError, match=r"1\.0\.0, to go back to, is older than 1\.1\.0"):
        roll_back(depot, "tiny", "stable", chain, now)
    set_minimum(depot, "tiny", "stable", "", chain, now)
    assert device().look(now).minimum_version == ""
    for version, words in (("1.2.0", "nothing to run"), ("one", "written like")):
        with pytest.raises(UsageError, match=words):
            set_minimum(depot, "tiny", "stable", version, chain, now)


def test_models_of_one_depot_do_not_touch_each_other(
    depot: Path, release: Any, chain: Keychain, now: datetime, published: Any
) -> None:
    published("2.0.0")
    publish(depot, release("1.0.0", name="other"), Order("stable"), chain, now)
    revoke(depot, "tiny", "2.0.0", "dangerous", chain, now)
    found = open_depot(depot)
    assert found.channel("other", "stable").releases[0].version == "1.0.0"
    assert found.channel("other", "stable").revoked == ()
    assert found.role("tiny").keyids != found.role("other").keyids


def _release(number: int, rollout: int) -> Release:
    version = f"1.{number}.0"
    return Release(version, f"{number:064x}", bundle_target("tiny", version), 1000, "2026-03-01T12:00:00Z", rollout)


def _step(channel: Channel, kind: str, number: int, rollout: int) -> Channel:
    if kind == "add":
        return add(channel, _release(number, rollout))
    if kind == "widen":
        return widen(channel, rollout)
    if kind == "withdraw":
        return withdraw(channel)
    if kind == "demand":
        return demand(channel, f"1.{number}.0")
    return bar(channel, (*channel.revoked, Revoked(f"1.{number}.0", f"{number:064x}", "bad")))


STEPS = st.tuples(
    st.sampled_from(["add", "add", "add", "widen", "withdraw", "demand", "bar"]),
    st.integers(0, 40),
    st.sampled_from([0, 10, 50, 100]),
)


@given(st.lists(STEPS, max_size=40))
def test_whatever_is_done_a_channel_offers_nothing_barred_and_goes_down_only_when_told(
    steps: list[tuple[str, int, int]],
) -> None:
    channel, revoked = new_channel("tiny", "stable", ()), set()
    for kind, number, rollout in steps:
        if kind == "add" and f"{number:064x}" in revoked:
            continue  # which publish refuses, since that version was published before
        before = channel
        try:
            channel = _step(channel, kind, number, rollout)
        except HakobuError:
            assert channel is before
            continue
        if kind == "bar":
            revoked.add(f"{number:064x}")
        offered = [release.digest for release in channel.releases]
        assert offered == sorted(offered, reverse=True)
        assert not set(offered) & {*channel.withdrawn, *revoked}
        if any(release.rollout == 100 for release in before.releases) and kind == "add":
            assert any(release.rollout == 100 for release in channel.releases)
        assert all(not release.patches for release in channel.releases[len(reachable(channel.releases)) :])

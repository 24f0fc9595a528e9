"""What a device does about its channel, whatever the channel and the device are."""

from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakobu_runtime.channel.decide import Held, Step, barred, decide
from hakobu_runtime.format.channel import Channel, Release, Revoked, bundle_target
from hakobu_runtime.format.manifest import precedence
from simulated_depot import channel_of

NOW = datetime(2026, 11, 21, tzinfo=UTC).isoformat()
VERSIONS = ("0.9.0", "1.0.0-rc.2", "1.0.0-rc.10", "1.0.0", "1.1.0", "2.0.0")


def digest_of(version: str) -> str:
    return sha256(version.encode()).hexdigest()


def release(version: str, rollout: int = 100, min_runtime: str = "0.0.0", seed: str = "") -> Release:
    target = bundle_target("pumps", version)
    return Release(version, digest_of(version), target, 10, NOW, rollout, seed, min_runtime)


def held(version: str) -> Held:
    return Held(version, digest_of(version))


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    """Any channel, the newest release first."""
    kept = draw(st.lists(st.sampled_from(VERSIONS), unique=True))
    kept.sort(key=precedence, reverse=True)
    gone = draw(st.lists(st.sampled_from([version for version in VERSIONS if version not in kept] or ["9.9.9"])))
    revoked = tuple(Revoked(version, digest_of(version), "wrong") for version in set(gone))
    others = [version for version in VERSIONS if version not in kept and version not in gone]
    withdrawn = tuple(digest_of(version) for version in draw(st.sets(st.sampled_from(others or ["9.9.8"]))))
    releases = tuple(
        release(version, draw(st.integers(0, 100)), draw(st.sampled_from(["0.0.0", "9.0.0"]))) for version in kept
    )
    minimum = draw(st.sampled_from(["", *VERSIONS]))
    return channel_of("pumps", *releases, withdrawn=withdrawn, revoked=revoked, minimum_version=minimum)


bundles = st.none() | st.sampled_from(VERSIONS).map(held)
digests = st.sets(st.sampled_from(VERSIONS).map(digest_of))


@settings(deadline=None)
@given(channels(), st.text(max_size=8), bundles, digests)
def test_what_is_installed_is_allowed_fits_and_has_not_failed(
    channel: Channel, device: str, active: Held | None, failed: set[str]
) -> None:
    decision = decide(channel, device, "0.1.0", active, failed)
    if decision.step is Step.INSTALL:
        assert decision.release is not None
        assert decision.release.digest not in failed
        assert decision.release.reaches(device)
        assert decision.release.min_runtime == "0.0.0"
        assert not barred(channel, Held(decision.release.version, decision.release.digest))
        assert active is None or decision.release.digest != active.digest
    assert decision.words
    assert decision.barred == (barred(channel, active) if active else "")


@settings(deadline=None)
@given(channels(), st.text(max_size=8), st.sampled_from(VERSIONS).map(held), digests)
def test_a_version_goes_down_only_when_told(channel: Channel, device: str, active: Held, failed: set[str]) -> None:
    decision = decide(channel, device, "0.1.0", active, failed)
    told = bool(barred(channel, active)) or active.digest in channel.withdrawn
    if decision.step is Step.INSTALL and decision.release is not None and not told:
        assert precedence(decision.release.version) >= precedence(active.version)


@settings(deadline=None)
@given(channels(), st.text(max_size=8), bundles, digests)
def test_after_an_install_there_is_nothing_more_to_install(
    channel: Channel, device: str, active: Held | None, failed: set[str]
) -> None:
    decision = decide(channel, device, "0.1.0", active, failed)
    if decision.step is Step.INSTALL and decision.release is not None:
        new = Held(decision.release.version, decision.release.digest)
        after = decide(channel, device, "0.1.0", new, failed)
        assert after.step is not Step.INSTALL
        assert not after.barred


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 100), st.integers(0, 100))
def test_a_larger_roll_out_reaches_whomever_a_smaller_one_did(device: str, seed: str, one: int, other: int) -> None:
    less, more = sorted((one, other))
    small, large = release("1.0.0", less, seed=seed), release("1.0.0", more, seed=seed)
    assert large.reaches(device) or not small.reaches(device)


@settings(deadline=None)
@given(st.text(max_size=20), st.integers(0, 100))
def test_one_seed_puts_the_devices_of_two_releases_in_one_order(device: str, rollout: int) -> None:
    one, other = release("1.0.0", rollout, seed="s"), release("2.0.0", rollout, seed="s")
    assert one.reaches(device) == other.reaches(device)


def test_a_roll_out_reaches_its_share() -> None:
    reached = sum(release("1.0.0", 10).reaches(f"device {number}") for number in range(10_000))
    assert 900 < reached < 1100


@pytest.mark.parametrize(
    ("active", "failed", "step", "word"),
    [
        (None, (), Step.INSTALL, "2.0.0 is offered"),
        ("1.0.0", (), Step.INSTALL, "2.0.0 is offered"),
        ("2.0.0", (), Step.CURRENT, "is what channel stable offers"),
        ("2.1.0", (), Step.AHEAD, "newer than 2.0.0"),
        ("1.0.0", ("2.0.0",), Step.FAILED, "failed on this device"),
        (None, ("2.0.0",), Step.INSTALL, "1.0.0 is offered"),
        ("2.0.0", ("2.0.0",), Step.CURRENT, "is what"),
    ],
)
def test_the_newest_that_may_be_had_is_had(active: str | None, failed: tuple[str, ...], step: Step, word: str) -> None:
    channel = channel_of("pumps", release("2.0.0"), release("1.0.0"))
    decision = decide(channel, "d", "0.1.0", held(active) if active else None, {digest_of(name) for name in failed})
    assert (decision.step, word in decision.words) == (step, True)


def test_waiting_for_a_roll_out_is_said_with_its_share() -> None:
    channel = channel_of("pumps", release("2.0.0", 0), release("1.0.0"))
    decision = decide(channel, "d", "0.1.0", held("1.0.0"), ())
    assert decision.step is Step.WAITING
    assert decision.words == "pumps 2.0.0 goes to 0 percent of the devices so far, and this one is not among them"
    assert decide(channel, "d", "0.1.0", held("0.9.0"), ()).release == release("1.0.0")


def test_a_device_that_is_ahead_of_a_waiting_release_is_ahead() -> None:
    channel = channel_of("pumps", release("2.0.0", 0), release("1.0.0"))
    assert decide(channel, "d", "0.1.0", held("2.0.0"), ()).step is Step.AHEAD


def test_a_release_for_a_newer_runtime_is_named_with_what_it_needs() -> None:
    channel = channel_of("pumps", release("2.0.0", min_runtime="0.2.0"), release("1.0.0"))
    decision = decide(channel, "d", "0.1.0", held("1.0.0"), ())
    assert (decision.step, decision.release) == (Step.TOO_NEW, release("2.0.0", min_runtime="0.2.0"))
    assert "needs hakobu-runtime 0.2.0 or newer; this is 0.1.0: update the program" in decision.words


def test_a_withdrawn_bundle_is_left_for_an_older_one_and_kept_while_there_is_none() -> None:
    withdrawn = (digest_of("2.0.0"),)
    channel = channel_of("pumps", release("1.0.0"), withdrawn=withdrawn)
    assert decide(channel, "d", "0.1.0", held("2.0.0"), ()).step is Step.INSTALL
    decision = decide(channel_of("pumps", withdrawn=withdrawn), "d", "0.1.0", held("2.0.0"), ())
    assert (decision.step, decision.barred) == (Step.NOTHING, "")


def test_a_revoked_bundle_is_left_and_the_reason_is_told() -> None:
    revoked = (Revoked("2.0.0", digest_of("2.0.0"), "trained on the wrong year"),)
    channel = channel_of("pumps", release("1.0.0"), revoked=revoked)
    decision = decide(channel, "d", "0.1.0", held("2.0.0"), ())
    assert decision.step is Step.INSTALL
    assert decision.barred == "pumps 2.0.0 was revoked: trained on the wrong year"
    alone = decide(channel, "d", "0.1.0", held("2.0.0"), {digest_of("1.0.0")})
    assert (alone.step, bool(alone.barred)) == (Step.FAILED, True)


def test_a_bundle_below_the_minimum_is_barred_wherever_it_stands() -> None:
    channel = channel_of("pumps", release("1.0.0"), minimum_version="1.1.0")
    decision = decide(channel, "d", "0.1.0", held("1.0.0"), ())
    assert decision.step is Step.NOTHING
    assert decision.barred == "pumps 1.0.0 is older than 1.1.0, the oldest that may be used"
    assert decide(channel, "d", "0.1.0", None, ()).step is Step.NOTHING


def test_another_build_of_the_same_version_is_taken_from_the_channel() -> None:
    channel = channel_of("pumps", release("1.0.0"))
    assert decide(channel, "d", "0.1.0", Held("1.0.0", "0" * 64), ()).step is Step.INSTALL


def test_an_empty_channel_has_nothing() -> None:
    assert decide(channel_of("pumps"), "d", "0.1.0", None, ()).words == "channel stable of pumps has no release"


def test_versions_are_ordered_as_people_count() -> None:
    assert sorted(VERSIONS, key=precedence) == list(VERSIONS)


def test_the_decision_is_about_the_release_it_names() -> None:
    changed = msgspec.structs.replace(release("2.0.0"), notes="better")
    assert decide(channel_of("pumps", changed), "d", "0.1.0", None, ()).release == changed

"""One look at a depot, in a folder or behind a loopback server: what is installed, and what never is."""

import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hakobu_runtime.device import barred, events, facts
from hakobu_runtime.device.arrival import Listener
from hakobu_runtime.device.follow import place_of, take_follow
from hakobu_runtime.device.install import install
from hakobu_runtime.device.ledger import changing
from hakobu_runtime.device.slots import active_slots, former_slots, go_back, open_active
from hakobu_runtime.device.state import State, change_keyring, open_state
from hakobu_runtime.device.sync import Asked, Synced, sync
from hakobu_runtime.errors import BundleError, StateError, TransferError, TrustError, UsageError
from hakobu_runtime.trust import Pin, PrivateKey

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
Look = Callable[..., Synced]
SBOM = (
    b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "x": "%s"}\n' % random.Random(1).randbytes(30_000).hex().encode()
)
"""Large enough that a patch pays."""


@pytest.fixture
def state(in_memory: Path, release_key: PrivateKey) -> State:
    state = open_state(in_memory / "state")
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public)))
    return state


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def look(state: State, publisher: Any, warned: list[str]) -> Look:
    """Look once, at what the device follows."""
    take_follow(state, publisher.follow())

    def once(now: datetime = NOW, source: str | None = None, again: bool = False) -> Synced:
        (found,) = sync(state, now, Asked(source=source, again=again), Listener(warned.append))
        return found

    return once


def versions(state: State) -> tuple[str, ...]:
    """The active and the former version."""
    return tuple(slot.version for slot in (*active_slots(state), *former_slots(state)))


def kinds(state: State) -> list[tuple[str, str]]:
    return [(event.version, event.kind) for event in events.events_of(state, "tiny")]


def test_the_first_look_installs_what_the_channel_offers(state: State, publisher: Any, look: Look) -> None:
    publisher.publish(publisher.box("1.0.0"), notes="the first one")
    found = look()
    assert (found.step, found.installed, found.active, found.notes) == ("install", "1.0.0", "1.0.0", "the first one")
    assert open_active(state).manifest.version == "1.0.0"
    assert kinds(state) == [("1.0.0", "installed")]


def test_a_second_look_changes_nothing(state: State, publisher: Any, look: Look) -> None:
    publisher.publish(publisher.box("1.0.0"))
    look()
    assert (look().step, look().installed) == ("current", "")
    assert kinds(state) == [("1.0.0", "installed")]


def test_a_newer_release_comes_and_the_former_one_stays(state: State, publisher: Any, look: Look) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        publisher.publish(publisher.box(version))
        look()
    assert versions(state) == ("1.2.0", "1.1.0")
    assert len(list(state.bundles.iterdir())) == 2, "what no slot names is cleaned away"
    downloads = place_of(state, "tiny").downloads
    assert not downloads.is_dir() or not list(downloads.iterdir())


def test_a_patch_is_taken_where_it_fits(state: State, publisher: Any, look: Look, warned: list[str]) -> None:
    publisher.publish(publisher.box("1.0.0", sbom_cdx_json=SBOM))
    look()
    publisher.publish(publisher.box("1.1.0", sbom_cdx_json=SBOM))
    for path in (publisher.path / "targets").rglob("*1.1.0.hako"):
        path.unlink()
    assert look().installed == "1.1.0"
    assert warned == []


def test_a_patch_that_is_of_no_use_is_told_and_the_whole_bundle_fetched(
    state: State, publisher: Any, look: Look, warned: list[str]
) -> None:
    publisher.publish(publisher.box("1.0.0", sbom_cdx_json=SBOM))
    look()
    publisher.publish(publisher.box("1.1.0", sbom_cdx_json=SBOM))
    (patch,) = (publisher.path / "targets").rglob("*.patch")
    patch.write_bytes(bytes(patch.stat().st_size))
    assert look().installed == "1.1.0"
    assert "the whole bundle is fetched instead" in warned[0]


def test_a_bundle_that_fails_its_golden_rows_is_held_back(state: State, publisher: Any, look: Look) -> None:
    publisher.publish(publisher.box("1.0.0"))
    look()
    publisher.publish(publisher.spoilt("1.1.0"))
    with pytest.raises(BundleError, match=r"computes something else.*not tried again.*tiny 1\.0\.0 stays in use"):
        look()
    assert versions(state) == ("1.0.0",)
    found = look()
    assert (found.step, found.installed) == ("failed", "")
    assert kinds(state) == [("1.0.0", "installed"), ("1.1.0", "failed")]
    publisher.publish(publisher.box("1.2.0"))
    assert look().installed == "1.2.0", "only another release is tried"


def test_a_bundle_of_a_stranger_is_refused_and_tried_again(
    state: State, publisher: Any, look: Look, release_key: PrivateKey
) -> None:
    publisher.publish(publisher.box("1.0.0"))
    look()
    stranger, publisher.key = publisher.key, PrivateKey.generate()
    publisher.publish(publisher.box("1.1.0"))
    for _ in range(2):
        with pytest.raises(TrustError, match="trust add"):
            look()
    assert versions(state) == ("1.0.0",)
    assert kinds(state) == [("1.0.0", "installed"), ("1.1.0", "refused")]
    change_keyring(state, lambda keyring: keyring.add(Pin(publisher.key.public)))
    shutil.rmtree(publisher.path / "targets" / "tiny" / "1.1.0")
    assert look().installed == "1.1.0", "it was fetched already"
    assert stranger == release_key


def test_a_rollback_by_hand_lasts(state: State, publisher: Any, look: Look) -> None:
    for version in ("1.0.0", "1.1.0"):
        publisher.publish(publisher.box(version))
        look()
    left, active = go_back(state, "tiny", NOW, "rolled back by hand")
    assert (left.version, active.version) == ("1.1.0", "1.0.0")
    assert look().step == "failed"
    assert versions(state) == ("1.0.0",)
    with pytest.raises(StateError, match="no former bundle"):
        go_back(state, "tiny", NOW, "once more")
    assert look(again=True).installed == "1.1.0"


def test_what_is_held_back_is_installed_from_a_file_only_when_asked_again(
    state: State, publisher: Any, look: Look
) -> None:
    for version in ("1.0.0", "1.1.0"):
        publisher.publish(publisher.box(version))
        look()
    go_back(state, "tiny", NOW, "rolled back by hand")
    with pytest.raises(StateError, match="--again"):
        install(state, publisher.box("1.1.0"), NOW)
    install(state, publisher.box("1.1.0"), NOW, again=True)
    assert versions(state) == ("1.1.0", "1.0.0")
    assert barred.held_back(state) == ()


def test_a_revoked_bundle_is_left_for_the_former_one(
    state: State, publisher: Any, look: Look, warned: list[str]
) -> None:
    for version in ("1.0.0", "1.1.0"):
        publisher.publish(publisher.box(version))
        look()
    publisher.revoke("1.1.0", "leaks")
    look()
    assert versions(state) == ("1.0.0",)
    assert warned == ["tiny 1.1.0 was revoked: leaks; 1.0.0 is used again"]
    with pytest.raises(StateError, match=r"tiny 1\.1\.0 was revoked: leaks"):
        install(state, publisher.box("1.1.0"), NOW, again=True)


def test_with_no_other_bundle_a_revoked_one_scores_nothing(state: State, publisher: Any, look: Look) -> None:
    publisher.publish(publisher.box("1.0.0"))
    look()
    publisher.revoke("1.0.0", "leaks")
    assert "was revoked: leaks" in look().words
    with pytest.raises(StateError, match=r"tiny 1\.0\.0 was revoked: leaks; nothing is scored with it"):
        open_active(state)
    publisher.publish(publisher.box("1.1.0"))
    assert look().installed == "1.1.0"
    assert versions(state) == ("1.1.0",), "the revoked one is nothing to go back to"


def test_a_bundle_below_the_minimum_is_left_and_not_installed(state: State, publisher: Any, look: Look) -> None:
    publisher.publish(publisher.box("1.0.0"))
    look()
    publisher.publish(publisher.box("1.1.0"), minimum_version="1.1.0")
    assert look().installed == "1.1.0"
    with pytest.raises(StateError, match=r"1\.0\.0 is older than 1\.1\.0"):
        install(state, publisher.box("1.0.0"), NOW)
    with pytest.raises(StateError, match="no former bundle"):
        go_back(state, "tiny", NOW, "by hand")


def test_offline_nothing_changes_and_the_error_says_that_scoring_goes_on(
    state: State, publisher: Any, look: Look
) -> None:
    publisher.publish(publisher.box("1.0.0"))
    look()
    publisher.path.rename(publisher.path.with_name("elsewhere"))
    with pytest.raises(TransferError, match=r"tiny 1\.0\.0 stays in use"):
        look()
    assert versions(state) == ("1.0.0",)
    known = facts.facts_of(state, "tiny")
    assert "no such folder" in known[facts.TROUBLE]
    assert known[facts.CONTACT] == "2026-11-21 09:00:00+00:00"


def test_expired_metadata_install_nothing(state: State, publisher: Any, look: Look) -> None:
    publisher.publish(publisher.box("1.0.0"))
    look()
    publisher.publish(publisher.box("1.1.0"))
    with pytest.raises(TransferError, match=r"expired.*clock.*tiny 1\.0\.0 stays in use"):
        look(NOW + timedelta(days=3650))
    assert versions(state) == ("1.0.0",)


def test_a_clock_at_2000_revives_nothing_and_one_at_2100_locks_nobody_out(
    state: State, publisher: Any, look: Look, warned: list[str]
) -> None:
    publisher.publish(publisher.box("1.0.0"))
    look()
    with pytest.raises(TransferError, match="expired"):
        look(datetime(2100, 1, 1, tzinfo=UTC))
    assert look().step == "current", "the clock of the PC never moves the floor"
    publisher.now += timedelta(days=800)
    publisher.publish(publisher.box("1.1.0"))
    old = shutil.copytree(publisher.path, publisher.path.with_name("old"))
    publisher.now += timedelta(days=800)
    publisher.publish(publisher.box("1.2.0"))
    assert look(datetime(2000, 1, 1, tzinfo=UTC)).installed == "1.2.0"
    assert "the clock of this PC says 2000-01-01" in warned[-1]
    with pytest.raises((TransferError, TrustError)):
        look(datetime(2000, 1, 1, tzinfo=UTC), source=str(old))
    assert versions(state)[0] == "1.2.0"


def test_a_stick_serves_as_well(state: State, publisher: Any, look: Look, in_memory: Path) -> None:
    publisher.publish(publisher.box("1.0.0"))
    stick = in_memory / "usb"
    shutil.copytree(publisher.path, stick / "hakobu" / "depot")
    publisher.path.rename(publisher.path.with_name("unreachable"))
    assert look(source=str(stick)).installed == "1.0.0"


def test_a_stick_without_a_depot_and_none_at_all_are_told_apart(
    state: State, publisher: Any, look: Look, in_memory: Path
) -> None:
    with pytest.raises(TransferError, match="check that it is the right stick"):
        look(source=str(in_memory))
    with pytest.raises(TransferError, match="put the stick in"):
        look(source=str(in_memory / "none"))
    take_follow(state, publisher.follow(address=""))
    with pytest.raises(UsageError, match="--from FOLDER"):
        look()


def test_a_depot_of_another_root_is_not_believed(state: State, publisher: Any, look: Look, in_memory: Path) -> None:
    stranger = type(publisher)(in_memory / "stranger", publisher._files, publisher._manifest, publisher.key)
    stranger.publish(stranger.box("9.0.0"))
    publisher.publish(publisher.box("1.0.0"))
    look()
    with pytest.raises(TrustError, match=r"not signed by the keys.*tiny 1\.0\.0 stays in use"):
        look(source=str(stranger.path))
    assert versions(state) == ("1.0.0",)


def test_a_channel_that_does_not_exist_names_those_that_do(state: State, publisher: Any, look: Look) -> None:
    publisher.publish(publisher.box("1.0.0"))
    take_follow(state, publisher.follow(channel="beta"))
    with pytest.raises(TransferError, match=r"no channel 'beta', but stable"):
        look()


def test_a_truncated_bundle_installs_nothing(state: State, publisher: Any, look: Look) -> None:
    publisher.publish(publisher.box("1.0.0"))
    (target,) = (publisher.path / "targets").rglob("*.hako")
    target.write_bytes(target.read_bytes()[:-100])
    with pytest.raises(TransferError, match="cut short"):
        look()
    assert versions(state) == ()


def test_the_crashes_of_golden_rows_are_counted_and_end_the_tries(
    state: State, publisher: Any, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.publish(publisher.box("1.0.0"))
    look()
    digest = publisher.publish(publisher.box("1.1.0"))
    marks = state.updates / "tiny" / "in-flight"
    from hakobu_runtime.device.probation import begin
    from hakobu_runtime.format.channel import Probation

    with changing(state) as ledger:
        begin(ledger, "tiny", digest, Probation(crashes=1))
    marks.mkdir(parents=True, exist_ok=True)
    (marks / f"{digest[:16]}-x.lock").write_bytes(b"\0\n")
    with pytest.raises(BundleError, match="a process died while trying"):
        look()
    assert versions(state) == ("1.0.0",)
    assert look().step == "failed"


def test_a_second_sync_at_the_same_time_is_refused(state: State, publisher: Any, look: Look) -> None:
    from hakobu_runtime.device.lock import locked

    publisher.publish(publisher.box("1.0.0"))
    with locked(place_of(state, "tiny").look), pytest.raises(StateError, match="another hakobu"):
        look()
    assert look().installed == "1.0.0"


def test_a_full_disk_leaves_what_was_there(
    state: State, publisher: Any, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from hakobu_runtime.device import install as installing

    publisher.publish(publisher.box("1.0.0"))
    look()
    publisher.publish(publisher.box("1.1.0"))

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(installing, "write_whole", full)
        with pytest.raises(StateError, match=r"No space left.*tiny 1\.0\.0 stays in use"):
            look()
    assert versions(state) == ("1.0.0",)
    assert look().installed == "1.1.0"

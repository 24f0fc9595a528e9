"""Trust over time: what a depot, or somebody who poses as one, can make a device believe."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hakobu_runtime.channel.client import Client
from hakobu_runtime.errors import TransferError, TrustError
from hakobu_runtime.format.channel import Release
from hakobu_runtime.format.follow import Follow
from simulated_depot import YEAR, SimulatedDepot, channel_of, new_key

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
DAY = timedelta(days=1)
OLD, NEW = b"the old bundle " * 1000, b"the new bundle " * 1000


class Device:
    """What a device keeps of its looks at depots: a folder, and the latest time that it knows of."""

    def __init__(self, folder: Path, follow: Follow) -> None:
        self.folder, self.follow, self.floor = folder, follow, follow.earliest

    def look(self, depot: SimulatedDepot, now: datetime) -> Client:
        """Refresh from `depot` while the clock says `now`."""
        client = Client(self.folder / "metadata", self.follow, depot, now, self.floor)
        client.refresh()
        self.floor = max(self.floor, client.made)
        return client

    def versions(self, depot: SimulatedDepot, now: datetime = NOW) -> list[str]:
        """Return which releases are offered."""
        return [release.version for release in self.look(depot, now).channel().releases]

    def fetch(self, depot: SimulatedDepot, release: Release, now: datetime = NOW) -> bytes:
        """Return the bundle of `release`."""
        return self.look(depot, now).fetch(release.target, self.folder / "downloads" / "box").read_bytes()


@pytest.fixture
def depot() -> SimulatedDepot:
    """A depot with one release."""
    depot = SimulatedDepot(NOW, "pumps", "fans")
    depot.offer(channel_of("pumps", depot.release("pumps", "1.0.0", OLD)))
    return depot


@pytest.fixture
def device(depot: SimulatedDepot, tmp_path: Path) -> Device:
    return Device(tmp_path, depot.follow("pumps"))


def renew(depot: SimulatedDepot, now: datetime = NOW) -> Release:
    """Publish another release."""
    release = depot.release("pumps", "2.0.0", NEW)
    depot.offer(channel_of("pumps", release), now)
    return release


def test_a_device_sees_each_release_and_fetches_what_was_published(depot: SimulatedDepot, device: Device) -> None:
    assert device.versions(depot) == ["1.0.0"]
    release = renew(depot)
    assert device.versions(depot) == ["2.0.0"]
    assert device.fetch(depot, release) == NEW


def test_only_what_changed_is_asked_for_again(depot: SimulatedDepot, device: Device) -> None:
    device.versions(depot)
    depot.stamp(NOW + DAY)
    depot.asked.clear()
    device.versions(depot, NOW + DAY)
    assert [name for name, _ in depot.asked] == ["metadata/2.root.json", "metadata/timestamp.json"]


def test_rollback_an_older_depot_after_a_newer_one_is_refused(depot: SimulatedDepot, device: Device) -> None:
    before = dict(depot.files)
    renew(depot)
    device.versions(depot)
    depot.files = before
    with pytest.raises(TrustError, match="older than what this device has seen already"):
        device.look(depot, NOW)


def test_rollback_is_refused_by_a_new_timestamp_over_old_parts_too(depot: SimulatedDepot, device: Device) -> None:
    renew(depot)
    device.versions(depot)
    depot.snapshot.version = 1
    depot.snapshot.meta["pumps.json"].version = 1
    depot.publish()
    with pytest.raises(TrustError):
        device.look(depot, NOW)


def test_freeze_metadata_that_are_never_renewed_expire(depot: SimulatedDepot, device: Device) -> None:
    device.versions(depot)
    with pytest.raises(
        TransferError, match=r"'timestamp' expired on 2027-11-21: have the depot signed anew.*clock, which says"
    ):
        device.look(depot, NOW + YEAR)


def test_expired_metadata_are_of_use_again_once_they_are_renewed(depot: SimulatedDepot, device: Device) -> None:
    with pytest.raises(TransferError, match="expired"):
        device.look(depot, NOW + 2 * YEAR)
    depot.publish(NOW + 2 * YEAR)
    assert device.versions(depot, NOW + 2 * YEAR) == ["1.0.0"]


@pytest.mark.parametrize("role", ["snapshot", "targets", "pumps"])
def test_each_part_that_expired_is_refused_though_the_timestamp_is_fresh(
    depot: SimulatedDepot, device: Device, role: str
) -> None:
    signed = {"snapshot": depot.snapshot, "targets": depot.top, "pumps": depot.targets["pumps"]}[role]
    life, depot.life = depot.life, timedelta(days=30)
    signed.expires = NOW
    depot._expiry = lambda: signed.expires  # type: ignore[method-assign]
    depot.publish()
    depot.life = life
    del depot._expiry
    depot.stamp()
    with pytest.raises(TransferError, match="expired"):
        device.look(depot, NOW)


def test_an_expired_root_is_said_and_a_new_one_ends_it(depot: SimulatedDepot, device: Device) -> None:
    late = NOW + 11 * YEAR
    with pytest.raises(TransferError, match="'root' expired"):
        device.look(depot, late)
    depot.now = late
    depot.rotate("timestamp")
    depot.publish(late)
    assert device.versions(depot, late) == ["1.0.0"]


def test_a_clock_at_2000_revives_nothing(depot: SimulatedDepot, device: Device) -> None:
    old = dict(depot.files)
    late = NOW + 2 * YEAR
    depot.publish(late)
    device.look(depot, late)
    fresh = Device(device.folder / "other", device.follow)
    fresh.floor = device.floor
    depot.files = old
    with pytest.raises(TransferError, match="expired on 2027-11-21") as error:
        fresh.look(depot, datetime(2000, 1, 1, tzinfo=UTC))
    assert "clock" not in str(error.value)


def test_a_clock_at_2000_follows_a_fresh_depot_all_the_same(depot: SimulatedDepot, device: Device) -> None:
    assert device.versions(depot, datetime(2000, 1, 1, tzinfo=UTC)) == ["1.0.0"]


def test_a_clock_at_2100_is_named_and_locks_nobody_out(depot: SimulatedDepot, device: Device) -> None:
    with pytest.raises(TransferError, match="which says 2100-01-01, is ahead"):
        device.look(depot, datetime(2100, 1, 1, tzinfo=UTC))
    assert device.versions(depot, NOW) == ["1.0.0"]


def test_an_old_stick_on_a_fresh_device_is_judged_at_the_time_it_began_to_follow(
    depot: SimulatedDepot, tmp_path: Path
) -> None:
    fresh = Device(tmp_path, depot.follow("pumps", since=NOW + 2 * YEAR))
    with pytest.raises(TransferError, match="expired"):
        fresh.look(depot, datetime(2000, 1, 1, tzinfo=UTC))


def test_an_old_stick_on_a_fresh_device_is_taken_while_it_has_not_expired(
    depot: SimulatedDepot, tmp_path: Path
) -> None:
    stick = SimulatedDepot.__new__(SimulatedDepot)
    stick.__dict__ = depot.__dict__ | {"files": dict(depot.files)}
    renew(depot)
    fresh = Device(tmp_path, depot.follow("pumps", since=NOW + DAY))
    assert fresh.versions(stick, NOW + DAY) == ["1.0.0"]
    assert fresh.versions(depot, NOW + DAY) == ["2.0.0"]
    with pytest.raises(TrustError, match="out of date"):
        fresh.versions(stick, NOW + DAY)


@pytest.mark.parametrize("part", ["snapshot", "targets", "pumps"])
def test_mix_and_match_parts_of_two_states_do_not_pass(depot: SimulatedDepot, device: Device, part: str) -> None:
    before = dict(depot.files)
    renew(depot)
    version = depot.snapshot.version
    depot.files[f"metadata/{version}.{part}.json"] = before[f"metadata/{version - 1}.{part}.json"]
    with pytest.raises((TrustError, TransferError), match=r"two states of the depot were mixed|another file than"):
        device.look(depot, NOW)


def test_mix_and_match_without_digests_is_found_by_the_versions(depot: SimulatedDepot, device: Device) -> None:
    before = dict(depot.files)
    renew(depot)
    depot.timestamp.snapshot_meta.hashes = depot.timestamp.snapshot_meta.length = None
    depot.stamp()
    version = depot.snapshot.version
    depot.files[f"metadata/{version}.snapshot.json"] = before[f"metadata/{version - 1}.snapshot.json"]
    with pytest.raises(TrustError):
        device.look(depot, NOW)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "pumps"])
def test_arbitrary_software_signed_by_an_unknown_key_is_refused(
    depot: SimulatedDepot, device: Device, role: str
) -> None:
    depot.keys[role] = [new_key()]
    renew(depot)
    with pytest.raises(TrustError, match="not signed by the keys that this device trusts"):
        device.look(depot, NOW)


def test_a_stick_of_someone_else_is_refused_with_what_to_do(device: Device) -> None:
    other = SimulatedDepot(NOW, "pumps")
    with pytest.raises(TrustError, match=r"another depot.*hakobu-run follow FILE"):
        device.look(other, NOW)


def test_a_root_of_someone_else_is_not_followed(depot: SimulatedDepot, device: Device) -> None:
    other = SimulatedDepot(NOW, "pumps")
    other.rotate("timestamp")
    depot.files["metadata/2.root.json"] = other.files["metadata/2.root.json"]
    with pytest.raises(TrustError, match="not signed"):
        device.look(depot, NOW)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "pumps", "root"])
def test_a_key_that_was_replaced_signs_nothing_more(depot: SimulatedDepot, device: Device, role: str) -> None:
    device.versions(depot)
    stolen = depot.keys[role]
    depot.rotate(role)
    depot.publish()
    assert device.versions(depot) == ["1.0.0"]
    depot.keys[role] = stolen
    if role == "root":
        depot.rotate("timestamp", *stolen)
    depot.publish()
    with pytest.raises(TrustError, match="not signed"):
        device.look(depot, NOW)


def test_a_device_that_slept_through_many_rotations_catches_up(depot: SimulatedDepot, device: Device) -> None:
    for role in ("root", "timestamp", "root", "snapshot", "targets", "root", "pumps"):
        depot.rotate(role)
    depot.publish(NOW + YEAR)
    assert device.versions(depot, NOW + YEAR) == ["1.0.0"]
    assert (device.folder / "metadata" / "root.json").read_bytes() == depot.files["metadata/7.root.json"]


def test_two_of_three_root_keys_are_enough_and_one_is_not(tmp_path: Path) -> None:
    depot = SimulatedDepot(NOW, "pumps", root_keys=3, threshold=2)
    depot.offer(channel_of("pumps", depot.release("pumps", "1.0.0", OLD)))
    device = Device(tmp_path, depot.follow("pumps"))
    one, two, _ = depot.keys["root"]
    depot.rotate("timestamp", one, two)
    depot.publish()
    assert device.versions(depot) == ["1.0.0"]
    depot.rotate("timestamp", one)
    depot.publish()
    with pytest.raises(TrustError, match=r"3\.root\.json: is not signed"):
        device.look(depot, NOW)


def test_one_key_that_signs_twice_counts_once(tmp_path: Path) -> None:
    depot = SimulatedDepot(NOW, "pumps", root_keys=3, threshold=2)
    device = Device(tmp_path, depot.follow("pumps"))
    one = depot.keys["root"][0]
    depot.rotate("timestamp", one, one)
    with pytest.raises(TrustError, match="not signed"):
        device.look(depot, NOW)


def test_three_new_root_keys_take_over_from_three_lost_ones(tmp_path: Path) -> None:
    depot = SimulatedDepot(NOW, "pumps", root_keys=3, threshold=2)
    device = Device(tmp_path, depot.follow("pumps"))
    device.look(depot, NOW)
    old = depot.keys["root"]
    depot.rotate("root")
    depot.write("2.root", depot.root, [*old[:2], *depot.keys["root"][:2]])
    depot.publish()
    device.look(depot, NOW)
    depot.rotate("timestamp", *old)
    with pytest.raises(TrustError, match=r"3\.root\.json"):
        device.look(depot, NOW)


@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (lambda box: box[:-1], TransferError, "is cut short"),
        (lambda box: box + b"x", TransferError, "more than the 15000 bytes"),
        (lambda box: box * 1000, TransferError, "more than the 15000 bytes"),
        (lambda box: b"X" + box[1:], TrustError, "its digest differs"),
        (lambda box: b"<!DOCTYPE html><html>" + box[21:], TransferError, "a web page came instead"),
    ],
    ids=["short", "long", "endless", "other", "page"],
)
def test_a_bundle_that_is_not_the_promised_one_never_gets_its_name(
    depot: SimulatedDepot,
    device: Device,
    spoil: Callable[[bytes], bytes],
    kind: type[Exception],
    words: str,
) -> None:
    release = renew(depot)
    name = next(name for name in depot.files if name.endswith("pumps-2.0.0.hako"))
    sound = depot.files[name]
    depot.files[name] = spoil(sound)
    with pytest.raises(kind, match=words):
        device.fetch(depot, release)
    assert not (device.folder / "downloads" / "box").exists()
    depot.files[name] = sound
    assert device.fetch(depot, release) == NEW


@pytest.mark.parametrize("name", ["timestamp.json", "3.snapshot.json", "3.targets.json", "3.pumps.json"])
@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"  <!doctype html><html><body>Log in", TransferError, "log in with a browser"),
        (b'{"signed": {"_type": "timest', TransferError, "cut short or damaged"),
        (b'{"error": "no such bucket"}', (TransferError, TrustError), "depot"),
        (b"[" * 16_000, TransferError, "cut short or damaged|more than the"),
        (b"{" + b" " * 6_000_000 + b"}", TransferError, "more than the"),
        (b"", TransferError, "cut short or damaged"),
    ],
    ids=["page", "cut", "other", "deep", "endless", "empty"],
)
def test_what_is_no_metadata_is_refused_in_words(
    depot: SimulatedDepot, device: Device, name: str, content: bytes, kind: type[Exception], words: str
) -> None:
    renew(depot)
    depot.files[f"metadata/{name}"] = content
    with pytest.raises(kind, match=words):
        device.look(depot, NOW)


def test_a_page_in_the_place_of_the_next_root_is_a_page(depot: SimulatedDepot, device: Device) -> None:
    depot.files["metadata/2.root.json"] = b"<html>welcome to the hotel</html>"
    with pytest.raises(TransferError, match="a web page came"):
        device.look(depot, NOW)


def test_a_depot_that_is_not_there_is_said_to_be_away(depot: SimulatedDepot, device: Device) -> None:
    depot.files.clear()
    with pytest.raises(TransferError, match=r"there is no depot here \(timestamp\.json is missing"):
        device.look(depot, NOW)


def test_a_channel_that_does_not_exist_is_named_with_those_that_do(depot: SimulatedDepot, tmp_path: Path) -> None:
    device = Device(tmp_path, depot.follow("pumps", "beta"))
    client = device.look(depot, NOW)
    with pytest.raises(TransferError, match="no channel 'beta', but stable"):
        client.channel()


def test_a_depot_of_other_models_is_named_with_what_it_has(depot: SimulatedDepot, tmp_path: Path) -> None:
    client = Device(tmp_path, depot.follow("valves")).look(depot, NOW)
    with pytest.raises(TransferError, match="nothing of valves, it has fans, pumps"):
        client.channel()


def test_the_key_of_one_model_signs_nothing_for_another(depot: SimulatedDepot, tmp_path: Path) -> None:
    release = depot.release("fans", "1.0.0", NEW)
    stray = channel_of("fans", release)
    depot.targets["pumps"].targets["fans/channels/stable.json"] = depot.put("fans/channels/stable.json", b"{}")
    del depot.targets["fans"].targets["fans/channels/stable.json"]
    depot.publish()
    client = Device(tmp_path, depot.follow("fans")).look(depot, NOW)
    with pytest.raises(TransferError, match="no channel 'stable'"):
        client.channel()
    depot.offer(stray)
    assert Device(tmp_path, depot.follow("fans")).versions(depot) == ["1.0.0"]


def test_a_channel_in_a_format_to_come_asks_for_a_newer_program(depot: SimulatedDepot, device: Device) -> None:
    depot.put("pumps/channels/stable.json", b'{"schema": "hakobu.channel/2"}')
    depot.publish()
    with pytest.raises(TransferError, match=r"this program reads hakobu\.channel/1: update it"):
        device.look(depot, NOW).channel()


def test_a_channel_in_the_place_of_another_is_refused(depot: SimulatedDepot, device: Device) -> None:
    name = next(name for name in depot.files if name.endswith("stable.json"))
    depot.put("pumps/channels/beta.json", depot.files[name])
    depot.publish()
    beta = Device(device.folder, depot.follow("pumps", "beta"))
    with pytest.raises(TransferError, match="channel stable of pumps stands in the place of channel beta"):
        beta.look(depot, NOW).channel()


def test_a_depot_signed_with_a_wrong_clock_does_not_raise_the_floor(depot: SimulatedDepot, device: Device) -> None:
    depot.timestamp.unrecognized_fields["x-hakobu-made"] = "2100-01-01T00:00:00+00:00"
    depot.timestamp.version += 1
    depot.write("timestamp", depot.timestamp, depot.keys["timestamp"])
    with pytest.raises(TrustError, match="set the clock where it is signed"):
        device.look(depot, NOW)
    assert device.floor == NOW
    depot.stamp()
    assert device.versions(depot) == ["1.0.0"]


@pytest.mark.parametrize("said", [None, 7, "yesterday", "2026-11-21T09:00:00"])
def test_a_time_of_signing_that_is_none_is_refused(depot: SimulatedDepot, device: Device, said: object) -> None:
    depot.timestamp.unrecognized_fields["x-hakobu-made"] = said
    depot.timestamp.version += 1
    depot.write("timestamp", depot.timestamp, depot.keys["timestamp"])
    if said is None:
        assert device.look(depot, NOW).made == device.follow.earliest
    else:
        with pytest.raises(TransferError, match="no time with a zone"):
            device.look(depot, NOW)

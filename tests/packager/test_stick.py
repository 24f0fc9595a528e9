"""A stick at the builder's: what goes on it, what is taken from it, and what is refused."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hakobu.depot.depot import open_depot
from hakobu.depot.keychain import Keychain
from hakobu.fleet.folder import Fleet
from hakobu.fleet.standing import standings
from hakobu.stick.read import Gathered, give_receipts, read_stick, refused, survey
from hakobu.stick.write import write_stick
from hakobu_runtime.errors import DamageError, FormatError, StateError, TransferError, TrustError, UsageError
from hakobu_runtime.format.outcome import Outcome, OutcomeCounts
from hakobu_runtime.format.parcel import SCHEMA, Box, ModelState, Parcel
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import PrivateKey
from hakobu_runtime.uplink.parcel import pack_parcel
from hakobu_runtime.uplink.receipt import read_receipt
from hakobu_runtime.uplink.stick import Stick

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
MODEL = ModelName("tiny", "1.0.0", sha256(b"tiny").hexdigest())
KEYS = {name: PrivateKey.generate() for name in ("device-1", "device-2")}
RECEIPTS = PrivateKey.generate()


@pytest.fixture
def stick(tmp_path: Path) -> Stick:
    (tmp_path / "stick").mkdir()
    return Stick(tmp_path / "stick")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path / "fleet")


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def take(stick: Stick, fleet: Fleet, warned: list[str]) -> Callable[[], Gathered]:
    def read() -> Gathered:
        gathered = read_stick(stick, fleet, NOW, None, warned.append)
        give_receipts(stick, fleet, gathered, RECEIPTS, NOW)
        return gathered

    return read


def parcel(device: str = "device-1", serial: int = 1, *hours: int, rows: int = 5, **changed: Any) -> Parcel:
    tallies = tuple(
        Tally("hakobu.tally/1", device, MODEL, Window(f"2026-11-20T{hour:02d}", Span.HOUR), serial, rows, {"ok": rows},
              {"temp": (rows, 0)}, {}, {}, (), "e") for hour in hours
    )  # fmt: skip
    model = ModelState("tiny", "stable", Box(MODEL.version, MODEL.digest, NOW.isoformat()))
    pem = KEYS[device].public.pem.decode() if device in KEYS else ""
    found = Parcel(SCHEMA, device, pem, serial, NOW.isoformat(), "0.1.0", "Linux", (model,), tallies)
    return msgspec.structs.replace(found, **changed)


def put(stick: Stick, found: Parcel, key: PrivateKey | None = None) -> Path:
    path = stick.parcel(found.device, found.serial)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack_parcel(found, key or KEYS[found.device]))
    return path


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# --- what comes home ---


def test_parcels_are_kept_by_device_and_serial_and_receipts_go_back(
    stick: Stick, fleet: Fleet, take: Callable[[], Gathered]
) -> None:
    for one in (parcel("device-1", 1, 9), parcel("device-1", 2, 9, 10), parcel("device-2", 7)):
        put(stick, one)
    found = take()
    assert (found.new, found.known, found.refused, found.receipts) == (3, 0, [], 2)
    assert files(fleet.path) == [
        *("device-1/1.parcel", "device-1/2.parcel", "device-1/device.pub"),
        *("device-2/7.parcel", "device-2/device.pub"),
    ]
    content = stick.receipt("device-1").read_bytes()
    receipt = read_receipt(content, "device-1", [RECEIPTS.public.pem.decode()], "it")
    assert [home.serial for home in receipt.parcels] == [1, 2]


def test_a_second_reading_changes_nothing(stick: Stick, fleet: Fleet, take: Callable[[], Gathered]) -> None:
    put(stick, parcel("device-1", 1, 9))
    take()
    before = {name: (fleet.path / name).stat() for name in files(fleet.path)}
    receipt = stick.receipt("device-1").stat()
    found = take()
    assert (found.new, found.known, found.receipts) == (0, 1, 0)
    assert {name: (fleet.path / name).stat().st_mtime_ns for name in files(fleet.path)} == {
        name: stat.st_mtime_ns for name, stat in before.items()
    }
    assert stick.receipt("device-1").stat().st_mtime_ns == receipt.st_mtime_ns


def test_another_key_for_a_device_that_is_known_is_refused_by_name(
    stick: Stick, fleet: Fleet, take: Callable[[], Gathered], warned: list[str]
) -> None:
    put(stick, parcel("device-1", 1, 9))
    take()
    stranger = PrivateKey.generate()
    put(stick, parcel("device-1", 2, 10, key=stranger.public.pem.decode()), stranger)
    put(stick, parcel("device-2", 1, 9))
    found = take()
    assert (found.new, found.known, len(found.refused)) == (1, 1, 1)
    assert f"device device-1: is known by the key {KEYS['device-1'].public.identity[:16]}" in warned[0]
    assert f"signed with {stranger.public.identity[:16]}" in warned[0]
    assert "device-1/2.parcel" not in files(fleet.path)
    error = refused(found)
    assert isinstance(error, TrustError)
    assert str(error) == "1 of 3 parcels were refused; the reasons stand above"


def test_two_devices_that_go_by_one_name_are_found_out(
    stick: Stick, take: Callable[[], Gathered], warned: list[str]
) -> None:
    put(stick, parcel("device-1", 1, 9))
    take()
    put(stick, parcel("device-1", 1, 9, rows=6))
    assert len(take().refused) == 1
    assert "its parcel 1 came before, with other content: two devices go by one name" in warned[0]


def test_what_is_no_parcel_is_refused_and_the_rest_goes_on(
    stick: Stick, fleet: Fleet, take: Callable[[], Gathered], warned: list[str], tmp_path: Path
) -> None:
    folder = put(stick, parcel("device-1", 1, 9)).parent
    (folder / "2.parcel").write_bytes(b"<html>Please log in</html>")
    (folder / "3.parcel").symlink_to("/dev/zero")
    (folder / "4.parcel").touch()
    os.truncate(folder / "4.parcel", 1 << 30)
    (folder / "5.parcel").mkdir()
    (folder / ".6.parcel.x.partial").write_bytes(b"half")
    (folder / "0.parcel").write_bytes(b"none has this serial")
    (stick.tallies / "<script>").mkdir()
    found = take()
    assert (found.new, len(found.refused)) == (1, 4)
    assert [next(words for words in ("no file", "1,073,741,824 bytes") if words in line) for line in warned[1:3]] == [
        "no file",
        "1,073,741,824 bytes",
    ]
    assert files(fleet.path) == ["device-1/1.parcel", "device-1/device.pub"]
    assert isinstance(refused(found), FormatError)


def test_a_parcel_from_a_clock_that_is_ahead_is_taken_and_told(
    stick: Stick, take: Callable[[], Gathered], warned: list[str]
) -> None:
    put(stick, parcel("device-1", 1, 9, made=(NOW + timedelta(days=2)).isoformat()))
    put(stick, parcel("device-2", 1, 9, made=(NOW + timedelta(hours=20)).isoformat()))
    assert take().new == 2
    assert len(warned) == 1
    assert "the clock of device device-1 says 2026-11-23, ahead of today" in warned[0]


def test_counts_of_a_bundle_that_was_never_published_are_taken_and_told(
    stick: Stick, fleet: Fleet, warned: list[str]
) -> None:
    put(stick, parcel("device-1", 1, 9))
    read_stick(stick, fleet, NOW, {"tiny": frozenset({MODEL.digest})}, warned.append)
    assert warned == []
    put(stick, parcel("device-2", 1, 9))
    assert read_stick(stick, fleet, NOW, {"tiny": frozenset()}, warned.append).new == 1
    assert "device device-2 counted with tiny 1.0.0" in warned[0]
    assert "never published" in warned[0]


def test_a_folder_of_parcels_will_do(tmp_path: Path, fleet: Fleet, warned: list[str]) -> None:
    mail = tmp_path / "mail"
    mail.mkdir()
    (mail / "from Tanaka.parcel").write_bytes(pack_parcel(parcel("device-1", 1, 9), KEYS["device-1"]))
    assert read_stick(Stick(mail), fleet, NOW, None, warned.append).new == 1
    (tmp_path / "empty").mkdir()
    for place in ("empty", "nowhere"):
        with pytest.raises(TransferError, match=r"is it the stick|there is no such folder"):
            read_stick(Stick(tmp_path / place), fleet, NOW, None, warned.append)


def test_a_read_only_stick_is_read_and_the_want_of_a_receipt_told(
    stick: Stick, fleet: Fleet, warned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(stick, parcel("device-1", 1, 9))
    gathered = read_stick(stick, fleet, NOW, None, warned.append)

    def read_only(*given: Any, **named: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("hakobu.stick.read.write_whole", read_only)
    with pytest.raises(TransferError, match=r"receipts cannot be written: Read-only.*are taken all the same"):
        give_receipts(stick, fleet, gathered, RECEIPTS, NOW)
    assert gathered.new == 1


def test_a_damaged_fleet_is_said_to_be_so(stick: Stick, fleet: Fleet, take: Callable[[], Gathered]) -> None:
    put(stick, parcel("device-1", 1, 9))
    take()
    (fleet.path / "device-1" / "1.parcel").write_bytes(b"half")
    with pytest.raises(DamageError, match="take it from a copy"):
        take()
    (fleet.path / "device-1" / "device.pub").write_bytes(b"half")
    with pytest.raises(DamageError, match="whom the device device-1 is known by"):
        take()
    shutil.rmtree(fleet.path)
    fleet.path.write_bytes(b"a file")
    with pytest.raises(StateError, match=r"cannot be (written|read)"):
        take()


# --- the table ---


def test_the_table_says_who_is_behind_and_how_many_rows_came_home(
    stick: Stick, fleet: Fleet, take: Callable[[], Gathered], published: Any, depot: Path
) -> None:
    newest = published("1.1.0").release
    put(stick, parcel("device-1", 1, 9))
    put(stick, parcel("device-1", 2, 9, 10))
    state = ModelState("tiny", "stable", Box("1.1.0", newest.digest, NOW.isoformat()))
    counts = OutcomeCounts(3, ((0, 0, 2), (1, 0, 1)))
    day = Window("2026-11-20", Span.DAY)
    known = tuple(Outcome("hakobu.outcome/1", "device-2", MODEL, day, 1, epoch, -20, counts) for epoch in "ef")
    put(stick, parcel("device-2", 1, 9, models=(state,), outcomes=known))
    put(stick, parcel("device-2", 2, 9, models=(state,), outcomes=known[:1]))
    take()
    channels = {("tiny", "stable"): open_depot(depot).channel("tiny", "stable")}
    one, other = survey(fleet, fleet.devices(), channels)
    assert (one.device, one.active, one.behind, one.rows) == ("device-1", "1.0.0", "1.1.0", 10)
    assert (other.device, other.active, other.behind, other.rows) == ("device-2", "1.1.0", "", 5)
    assert (one.labels, other.labels) == (0, 6)
    assert [standing.behind for standing in survey(fleet, fleet.devices(), {})] == ["", ""]
    assert standings((), channels) == ()


# --- what goes out ---


@pytest.fixture
def filled(published: Any, depot: Path) -> Path:
    published("1.0.0")
    published("1.1.0", rollout=20)
    published("1.2.0-rc.1", channel="beta")
    return depot


def test_a_stick_carries_what_followers_need_and_a_device_can_follow_it(
    filled: Path, stick: Stick, device: Any, now: datetime
) -> None:
    written = write_stick(open_depot(filled), stick, None, None)
    assert written.channels == ("tiny/beta", "tiny/stable")
    assert written.copied == written.size > 0
    assert device().look(now, stick.depot).releases[0].version == "1.1.0"
    assert write_stick(open_depot(filled), stick, None, None).copied == 0


def test_a_stick_for_one_channel_or_one_device_carries_less(filled: Path, stick: Stick) -> None:
    write_stick(open_depot(filled), stick, None, None)
    less = write_stick(open_depot(filled), stick, "tiny", "stable", "device-1")
    assert less.channels == ("tiny/stable",)
    assert [path.name.partition(".")[2] for path in stick.depot.rglob("*.hako")] in (
        ["tiny-1.0.0.hako"],
        ["tiny-1.1.0.hako"],
    )
    with pytest.raises(UsageError, match="has no model 'other'"):
        write_stick(open_depot(filled), stick, "other", None)
    with pytest.raises(UsageError, match=r"has no channel 'nightly' to put on a stick"):
        write_stick(open_depot(filled), stick, None, "nightly")


def test_what_the_depot_dropped_goes_from_the_stick_and_what_came_home_stays(
    filled: Path, stick: Stick, published: Any
) -> None:
    write_stick(open_depot(filled), stick, "tiny", "stable")
    put(stick, parcel("device-1", 1, 9))
    published("2.0.0")
    write_stick(open_depot(filled), stick, "tiny", "stable")
    assert [path.name.partition("-")[2] for path in stick.depot.rglob("*.hako")] == ["2.0.0.hako"]
    assert stick.parcel("device-1", 1).exists()


@pytest.mark.parametrize("name", ["photos", "depot.zip"])
def test_a_folder_that_holds_something_else_is_left_alone(filled: Path, stick: Stick, name: str) -> None:
    (stick.place / name).mkdir(parents=True)
    with pytest.raises(UsageError, match=rf"holds something else \({name}\)"):
        write_stick(open_depot(filled), stick, None, None)
    assert [path.name for path in stick.place.iterdir()] == [name]


def test_a_stick_that_leads_back_into_the_depot_is_left_alone(
    filled: Path, stick: Stick, fleet: Fleet, take: Callable[[], Gathered]
) -> None:
    before = files(filled)
    stick.place.mkdir()
    stick.depot.symlink_to(filled)
    with pytest.raises(UsageError, match="leads somewhere else"):
        write_stick(open_depot(filled), stick, None, None)
    assert files(filled) == before
    put(stick, parcel("device-1", 1, 9))
    stick.receipts.symlink_to(filled)
    with pytest.raises(TransferError, match="leads somewhere else"):
        take()
    assert files(filled) == before


def test_a_stick_that_carries_another_depot_is_left_alone(
    filled: Path, stick: Stick, tmp_path: Path, chain: Keychain, now: datetime
) -> None:
    (stick.depot / "metadata").mkdir(parents=True)
    (stick.depot / "metadata" / "1.root.json").write_bytes(b"{}")
    with pytest.raises(UsageError, match="carries another depot"):
        write_stick(open_depot(filled), stick, None, None)


def test_a_stick_with_too_little_room_is_told_how_much_is_needed(
    filled: Path, stick: Stick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hakobu.stick.write.shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(TransferError, match=r"has 1,000 bytes free, and [\d,]+ are needed.*nothing was changed"):
        write_stick(open_depot(filled), stick, None, None)
    assert files(stick.root) == []


def test_a_stick_that_is_not_there_or_fails_is_an_error_with_a_remedy(
    filled: Path, stick: Stick, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TransferError, match="there is no such folder"):
        write_stick(open_depot(filled), Stick(stick.root / "nowhere"), None, None)

    def fail(*given: Any) -> None:
        raise OSError(5, "Input/output error", str(stick.root))

    monkeypatch.setattr("hakobu.depot.copy._copy", fail)
    with pytest.raises(TransferError, match=r"the stick fails: Input/output error.*it goes on where it was"):
        write_stick(open_depot(filled), stick, None, None)


# --- killed ---


def killed_at(place: int, folder: Path, act: Callable[[], object]) -> bool:
    """Do `act` in a child that dies before its change number `place` inside `folder`; say whether it did."""
    child = os.fork()
    if child:
        _, ended = os.waitpid(child, 0)
        assert ended in (0, signal.SIGKILL), ended
        return ended != 0
    left = place

    def watch(event: str, given: tuple[Any, ...]) -> None:
        nonlocal left
        writes = event == "open" and bool(given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        writes = writes or event in ("os.rename", "os.remove", "os.mkdir", "os.chmod")
        if writes and str(given[0]).startswith(str(folder)):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        sys.addaudithook(watch)
        act()
        code = 0
    finally:
        os._exit(code)


def places(folder: Path, act: Callable[[], object]) -> Iterator[int]:
    """Kill `act` at its first change of `folder`, its second, ...; yield after each, and once after none."""
    for place in range(1000):
        died = killed_at(place, folder, act)
        yield place
        if not died:
            assert place > 3
            return


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_reading_that_is_killed_anywhere_goes_on(in_memory: Path, warned: list[str]) -> None:
    stick, fleet = Stick(in_memory / "stick"), Fleet(in_memory / "fleet")
    for one in (parcel("device-1", 1, 9), parcel("device-2", 1, 9)):
        put(stick, one)

    def read() -> Gathered:
        gathered = read_stick(stick, fleet, NOW, None, warned.append)
        give_receipts(stick, fleet, gathered, RECEIPTS, NOW)
        return gathered

    for _ in places(in_memory, read):
        for device in fleet.devices():
            assert all(opened.parcel.device == device for opened in fleet.parcels(device)), "what is there is whole"
        for device in KEYS:
            if stick.receipt(device).exists():
                content = stick.receipt(device).read_bytes()
                receipt = read_receipt(content, device, [RECEIPTS.public.pem.decode()], "it")
                assert [home.serial for home in receipt.parcels] == list(fleet.serials(device)), "never too early"
        found = read()
        assert (found.new + found.known, found.refused) == (2, [])
        shutil.rmtree(fleet.path)
        shutil.rmtree(stick.receipts)
    assert warned == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_writing_that_is_killed_anywhere_goes_on(
    filled: Path, in_memory: Path, published: Any, device: Any, now: datetime
) -> None:
    stick, whole = Stick(in_memory / "stick"), Stick(in_memory / "whole")
    for folder in (stick.root, whole.root):
        folder.mkdir()
    write_stick(open_depot(filled), stick, "tiny", "stable")
    before = in_memory / "before"
    shutil.copytree(stick.root, before)
    published("2.0.0")
    depot = open_depot(filled)
    write_stick(depot, whole, "tiny", "stable")
    follower = device()
    for place in places(stick.root, lambda: write_stick(depot, stick, "tiny", "stable")):
        shutil.rmtree(follower.folder, ignore_errors=True)
        client = follower.client(now, stick.depot)
        release = client.channel().releases[0]
        assert release.version in ("1.1.0", "2.0.0")
        client.fetch(release.target, in_memory / f"fetched-{place}")
        write_stick(depot, stick, "tiny", "stable")
        assert files(stick.root) == files(whole.root)
        shutil.rmtree(stick.root)
        shutil.copytree(before, stick.root)

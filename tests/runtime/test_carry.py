"""A device and a stick: what leaves on it, what a receipt settles, and every way in which a stick fails."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hakobu_runtime.device.arrival import Listener
from hakobu_runtime.device.barred import hold_back
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.follow import take_follow
from hakobu_runtime.device.identity import device_key
from hakobu_runtime.device.ledger import changing, device_id, last_serial
from hakobu_runtime.device.outgoing import export, gather
from hakobu_runtime.device.state import State, change_keyring, open_state
from hakobu_runtime.device.stick import Carried, carry, stick_at
from hakobu_runtime.device.sync import Asked
from hakobu_runtime.device.visit import Visited, visit
from hakobu_runtime.errors import StateError, TransferError, TrustError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.parcel import Parcel
from hakobu_runtime.format.receipt import CameHome, Receipt
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import Pin, PrivateKey
from hakobu_runtime.uplink.parcel import Opened, read_parcel
from hakobu_runtime.uplink.receipt import write_receipt
from hakobu_runtime.uplink.stick import Stick

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
MODEL = ModelName("tiny", "1.0.0", sha256(b"tiny").hexdigest())
HOURS = [Window.of(NOW + timedelta(hours=n), Span.HOUR) for n in range(5)]


@pytest.fixture
def state(in_memory: Path, release_key: PrivateKey) -> State:
    state = open_state(in_memory / "state")
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public)))
    return state


@pytest.fixture
def stick(in_memory: Path) -> Stick:
    (in_memory / "stick" / "hakobu").mkdir(parents=True)
    return Stick(in_memory / "stick")


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def bring(state: State, stick: Stick, warned: list[str]) -> Callable[[], Carried]:
    return lambda: carry(state, stick, NOW, warned.append)


def score(state: State, *windows: Window) -> None:
    """Count a row in each of these windows."""
    counts = {window: WindowCounts(1, {"ok": 1}, {"temp": np.array([1, 0], dtype=np.int64)}) for window in windows}
    with open_journal(state, lambda words: None) as journal:
        journal.add(MODEL, counts)


def on(stick: Stick) -> list[Opened]:
    """The parcels that lie on the stick, each whole."""
    found = sorted(stick.root.rglob("*.parcel"), key=lambda path: int(path.stem))
    return [read_parcel(path.read_bytes(), str(path)) for path in found]


def rows(parcels: list[Opened]) -> int:
    return sum(tally.rows for opened in parcels for tally in opened.parcel.tallies)


def give_receipt(stick: Stick, state: State, key: PrivateKey, *homes: Opened) -> None:
    parcels = tuple(CameHome(opened.parcel.serial, opened.digest) for opened in homes)
    device = device_id(state)
    stick.receipts.mkdir(parents=True, exist_ok=True)
    stick.receipt(device).write_bytes(write_receipt(Receipt("hakobu.receipt/1", device, str(NOW), parcels), key))


@pytest.fixture
def receipt_key(state: State, publisher: Any) -> PrivateKey:
    """The key whose receipts the device believes, since the channel that it follows names it."""
    publisher.publish(publisher.box("1.0.0"))
    take_follow(state, publisher.follow())
    for _ in visit(state, NOW, Asked(), Listener()):
        pass
    found: PrivateKey = publisher.keychain.open(publisher.keychain.place("receipts"))
    return found


# --- what leaves ---


def test_the_counts_leave_signed_with_the_devices_own_key(
    state: State, stick: Stick, bring: Callable[[], Carried]
) -> None:
    score(state, *HOURS[:3])
    found = bring()
    (opened,) = on(stick)
    assert (found.serials, found.windows, found.settled) == ((1,), 3, 0)
    assert opened.key == device_key(state).public
    assert opened.parcel.device == device_id(state)
    assert [tally.rows for tally in opened.parcel.tallies] == [1, 1, 1]
    assert stick.parcel(opened.parcel.device, 1).exists()


def test_the_key_stays_and_only_its_owner_can_read_it(state: State, stick: Stick, bring: Callable[[], Carried]) -> None:
    bring()
    assert state.key.stat().st_mode & 0o777 == 0o600 or os.name == "nt"
    assert device_key(state).public == device_key(state).public
    secret = state.key.read_bytes().splitlines()[1]
    assert not [path for path in stick.root.rglob("*") if path.is_file() and secret in path.read_bytes()]


def test_a_key_that_is_damaged_is_said_to_be_so(state: State) -> None:
    state.key.write_bytes(b"no key")
    with pytest.raises(StateError, match=r"device\.pem: there is no key.*move it away, a new one is made"):
        device_key(state)


def test_what_was_held_back_and_why_goes_home(state: State, publisher: Any, receipt_key: PrivateKey) -> None:
    with changing(state) as ledger:
        hold_back(ledger, "tiny", "1.1.0", "0" * 64, "it\nrejected \x1b[31m all" + "!" * 500, NOW)
    (parcel,) = gather(state, NOW)
    (model,) = parcel.models
    assert (model.name, model.channel, model.active and model.active.version) == ("tiny", "stable", "1.0.0")
    assert model.held_back[0].version == "1.1.0"
    assert model.held_back[0].reason.startswith("it rejected  [31m all!")
    assert [event.kind for event in model.events] == ["installed"]
    assert model.contact


def test_looking_takes_no_serial_and_writing_takes_one(state: State, tmp_path: Path) -> None:
    score(state, HOURS[0])
    assert [parcel.serial for parcel in (*gather(state, NOW), *gather(state, NOW))] == [1, 1]
    assert last_serial(state) == 0
    written = export(state, tmp_path / "mine.parcel", NOW)
    assert read_parcel((tmp_path / "mine.parcel").read_bytes(), "it").parcel == written.parcel
    assert (written.parcel.serial, last_serial(state)) == (1, 1)
    with pytest.raises(TransferError, match="cannot be written"):
        export(state, tmp_path / "no folder" / "mine.parcel", NOW)


def test_all_can_leave_once_more_where_home_has_lost_it(
    state: State, stick: Stick, bring: Callable[[], Carried], receipt_key: PrivateKey, tmp_path: Path
) -> None:
    score(state, *HOURS)
    bring()
    give_receipt(stick, state, receipt_key, *on(stick))
    assert (bring().settled, len(gather(state, NOW)[0].tallies)) == (5, 0)
    assert len(gather(state, NOW, every=True)[0].tallies) == 5
    assert len(export(state, tmp_path / "all.parcel", NOW, every=True).parcel.tallies) == 5


def test_more_windows_than_fit_go_in_several_parcels(
    state: State, stick: Stick, bring: Callable[[], Carried], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hakobu_runtime.device.outgoing._ROOM", 900)
    score(state, *HOURS)
    assert len(bring().serials) == 3
    assert rows(on(stick)) == 5
    bring()
    assert rows(on(stick)) == 5
    assert [opened.parcel.serial for opened in on(stick)] == [4, 5, 6]
    with pytest.raises(TransferError, match="take 3 parcels, too many for one file"):
        export(state, stick.root / "one.parcel", NOW)


def test_windows_of_too_few_rows_wait_until_they_are_folded_into_longer_ones(
    state: State, publisher: Any, stick: Stick, bring: Callable[[], Carried], receipt_key: PrivateKey
) -> None:
    take_follow(state, msgspec.structs.replace(publisher.follow(), least_rows=3))
    score(state, *HOURS)
    score(state, HOURS[0])
    score(state, HOURS[0])
    assert bring().windows == 1
    assert rows(on(stick)) == 3
    with open_journal(state) as journal, journal._writing(journal._database) as windows:
        windows.fold(Span.HOUR, "2027", Span.DAY)
    assert bring().windows == 1
    assert rows(on(stick)) == 7


# --- what stays on the stick ---


def test_an_older_parcel_goes_when_a_newer_one_holds_its_counts(
    state: State, stick: Stick, bring: Callable[[], Carried]
) -> None:
    for window in HOURS:
        score(state, window)
        bring()
    assert [opened.parcel.serial for opened in on(stick)] == [5]
    assert rows(on(stick)) == 5


def test_what_is_all_that_is_left_of_lost_counts_stays(
    state: State, stick: Stick, bring: Callable[[], Carried]
) -> None:
    score(state, *HOURS)
    bring()
    state.journal.write_bytes(b"damaged")
    score(state, HOURS[0])
    bring()
    assert [(opened.parcel.serial, rows([opened])) for opened in on(stick)] == [(1, 5), (2, 1)]
    score(state, HOURS[1])
    bring()
    assert [(opened.parcel.serial, rows([opened])) for opened in on(stick)] == [(1, 5), (3, 2)]


def test_what_others_left_is_not_touched(
    state: State, stick: Stick, bring: Callable[[], Carried], in_memory: Path
) -> None:
    other = open_state(in_memory / "other")
    carry(other, stick, NOW, lambda words: None)
    mine = stick.device(device_id(state))
    mine.mkdir(parents=True)
    (mine / "9.parcel").write_bytes(b"somebody's")
    shutil.copy(stick.parcel(device_id(other), 1), mine / "10.parcel")
    (mine / ".7.parcel.x.partial").write_bytes(b"half")
    for _ in range(2):
        bring()
    assert sorted(path.name for path in mine.iterdir()) == ["10.parcel", "2.parcel", "9.parcel"]
    assert stick.parcel(device_id(other), 1).exists()


# --- serials ---


def test_a_serial_is_not_used_again_when_the_device_is_set_back_to_a_copy(
    state: State, stick: Stick, bring: Callable[[], Carried], in_memory: Path, receipt_key: PrivateKey
) -> None:
    bring()
    copy = in_memory / "copy"
    shutil.copytree(state.root, copy)
    for _ in range(3):
        score(state, HOURS[0])
        bring()
    shutil.rmtree(state.root)
    shutil.copytree(copy, state.root)
    assert bring().serials == (5,), "the stick knows of four"
    give_receipt(stick, state, receipt_key, *on(stick))
    shutil.rmtree(state.root)
    shutil.copytree(copy, state.root)
    shutil.rmtree(stick.tallies)
    assert bring().serials == (6,), "the receipt knows of five"


def test_a_receipt_for_the_serial_of_a_copy_settles_nothing(
    state: State, stick: Stick, bring: Callable[[], Carried], in_memory: Path, receipt_key: PrivateKey
) -> None:
    copy = open_state(Path(shutil.copytree(state.root, in_memory / "copy")))
    score(state, HOURS[0])
    score(copy, HOURS[1], HOURS[2])
    bring()
    (mine,) = on(stick)
    give_receipt(stick, state, receipt_key, mine)
    shutil.rmtree(stick.tallies)
    elsewhere = Stick(in_memory / "another stick")
    elsewhere.place.mkdir(parents=True)
    assert carry(copy, elsewhere, NOW, lambda words: None).serials == (1,)
    assert carry(copy, stick, NOW, lambda words: None).settled == 0
    assert bring().settled == 1


# --- receipts ---


def test_a_receipt_settles_what_it_speaks_of_and_no_more(
    state: State, stick: Stick, bring: Callable[[], Carried], receipt_key: PrivateKey, warned: list[str]
) -> None:
    score(state, HOURS[0], HOURS[1])
    bring()
    score(state, HOURS[1], HOURS[2])
    give_receipt(stick, state, receipt_key, *on(stick))
    found = bring()
    assert (found.settled, found.windows) == (2, 2)
    assert bring().settled == 0, "doubled, it changes nothing"
    assert warned == []


def test_a_lost_stick_changes_nothing(state: State, stick: Stick, bring: Callable[[], Carried]) -> None:
    score(state, *HOURS)
    bring()
    shutil.rmtree(stick.tallies)
    assert bring().windows == 5


def test_a_receipt_that_is_not_from_home_is_told_and_not_believed(
    state: State, stick: Stick, bring: Callable[[], Carried], receipt_key: PrivateKey, warned: list[str]
) -> None:
    score(state, HOURS[0])
    bring()
    give_receipt(stick, state, PrivateKey.generate(), *on(stick))
    assert bring().windows == 1
    stick.receipt(device_id(state)).write_bytes(b"<html>")
    assert bring().windows == 1
    assert "which no channel that this device follows names" in warned[0]
    assert warned[1].startswith(str(stick.receipt(device_id(state))))
    assert len(warned) == 2


# --- sticks that fail ---


def failing(code: int) -> Callable[..., Any]:
    def fail(*given: Any, **named: Any) -> Any:
        raise OSError(code, os.strerror(code), "the stick")

    return fail


def test_on_a_read_only_stick_receipts_are_read_and_nothing_leaves(
    state: State,
    stick: Stick,
    bring: Callable[[], Carried],
    receipt_key: PrivateKey,
    warned: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    score(state, HOURS[0])
    bring()
    give_receipt(stick, state, receipt_key, *on(stick))
    shutil.rmtree(stick.tallies)
    monkeypatch.setattr(Path, "mkdir", failing(errno.EROFS))
    found = bring()
    assert (found.serials, found.settled) == ((), 1)
    assert found.said().endswith("cannot be written to; what it brought was read; 1 window came home before")
    assert warned == []


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.ENODEV, errno.ENOENT])
def test_a_stick_that_fails_is_an_error_with_a_remedy_and_loses_nothing(
    state: State, stick: Stick, bring: Callable[[], Carried], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    score(state, HOURS[0])
    with monkeypatch.context() as patch:
        patch.setattr("hakobu_runtime.device.stick.write_whole", failing(code))
        with pytest.raises(TransferError, match=r"the stick fails: .* run the command again: nothing is lost"):
            bring()
    assert on(stick) == []
    assert bring().serials == (2,)
    assert rows(on(stick)) == 1


def test_a_stick_that_leads_elsewhere_is_refused(
    state: State, stick: Stick, bring: Callable[[], Carried], in_memory: Path
) -> None:
    (in_memory / "elsewhere").mkdir()
    stick.tallies.mkdir()
    stick.device(device_id(state)).symlink_to(in_memory / "elsewhere")
    with pytest.raises(TransferError, match="leads somewhere else"):
        bring()
    assert list((in_memory / "elsewhere").iterdir()) == []


def test_a_file_system_without_modes_and_folder_syncs_will_do(
    state: State, stick: Stick, bring: Callable[[], Carried], monkeypatch: pytest.MonkeyPatch
) -> None:
    device_key(state)
    fsync = os.fsync

    def files_alone(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(Path, "chmod", failing(errno.EPERM))
    monkeypatch.setattr(os, "fsync", files_alone)
    assert bring().serials == (1,)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Stick]:
    """A stick that is a file system of its own, of 64 kB."""
    place = tmp_path / "mounted"
    place.mkdir()
    if not sys.platform.startswith("linux") or not shutil.which("mount"):
        pytest.skip("there is no mount here")
    ended = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], capture_output=True, check=False)
    if ended.returncode:
        pytest.skip(f"mounting is not permitted here: {ended.stderr.decode().strip()}")
    try:
        (place / "hakobu").mkdir()
        yield Stick(place)
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_really_full_stick(state: State, mounted: Stick) -> None:
    score(state, HOURS[0])
    full = mounted.root / "films"
    with pytest.raises(OSError, match="No space left"):
        full.write_bytes(bytes(1 << 20))
    with pytest.raises(TransferError, match=r"No space left on device; free some space on it and run the command"):
        carry(state, mounted, NOW, lambda words: None)
    assert [path for path in mounted.root.rglob("*") if path.is_file()] == [full]
    full.unlink()
    assert carry(state, mounted, NOW, lambda words: None).windows == 1


def test_a_really_read_only_stick(state: State, mounted: Stick, warned: list[str]) -> None:
    subprocess.run(["mount", "-o", "remount,ro", mounted.root], check=True)
    found = carry(state, mounted, NOW, warned.append)
    assert found.serials == ()
    assert "no counts leave on this stick" in found.said()


# --- killed ---


def killed_at(place: int, act: Callable[[], object]) -> bool:
    """Do `act` in a child that dies before its change number `place` of any disk; say whether it did."""
    child = os.fork()
    if child:
        _, ended = os.waitpid(child, 0)
        assert ended in (0, signal.SIGKILL), ended
        return ended != 0
    left = place

    def watch(event: str, given: tuple[Any, ...]) -> None:
        nonlocal left
        writes = event == "open" and bool(given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.chmod", "sqlite3.connect"):
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_anywhere_nothing_is_lost_and_no_serial_comes_twice(
    state: State, stick: Stick, receipt_key: PrivateKey, in_memory: Path
) -> None:
    score(state, HOURS[0], HOURS[1])
    carry(state, stick, NOW, lambda words: None)
    give_receipt(stick, state, receipt_key, *on(stick))
    score(state, HOURS[1], HOURS[2])
    for place in range(1000):
        folder = in_memory / f"killed-{place}"
        own = State(Path(shutil.copytree(state.root, folder / "state")))
        taken = Stick(Path(shutil.copytree(stick.root, folder / "stick")))
        died = killed_at(place, lambda own=own, taken=taken: carry(own, taken, NOW, lambda words: None))  # type: ignore[misc]
        seen = {opened.parcel.serial: opened.digest for opened in on(taken)}
        carry(own, taken, NOW, lambda words: None)
        for opened in on(taken):
            assert seen.get(opened.parcel.serial, opened.digest) == opened.digest
        newest = on(taken)[-1].parcel
        assert {tally.window: tally.rows for tally in newest.tallies} == {HOURS[1]: 2, HOURS[2]: 1}
        assert len(on(taken)) == 1
        assert not list(taken.root.rglob("*.partial"))
        shutil.rmtree(folder)
        if not died:
            assert place > 10
            return


# --- with an update ---


def test_the_counts_leave_whatever_becomes_of_the_update(
    state: State, stick: Stick, publisher: Any, receipt_key: PrivateKey, warned: list[str]
) -> None:
    score(state, HOURS[0])
    shutil.copytree(publisher.path, stick.depot)
    (stick.depot / "metadata" / "timestamp.json").write_bytes(b"<html>Please log in</html>")
    found: list[Visited] = []

    def look() -> None:
        for one in visit(state, NOW, Asked(source=str(stick.root)), Listener(warned.append)):
            found.append(one)

    with pytest.raises(TransferError, match=r"tiny 1\.0\.0 stays in use"):
        look()
    assert rows(on(stick)) == 1
    (stick.depot / "metadata" / "timestamp.json").unlink()
    with pytest.raises((TransferError, TrustError)):
        look()
    assert [one.about for one in found] == ["the stick", "the stick"]


def test_a_device_that_follows_nothing_sends_its_counts(state: State, stick: Stick, warned: list[str]) -> None:
    score(state, HOURS[0])
    (found,) = visit(state, NOW, Asked(source=str(stick.root)), Listener(warned.append))
    assert isinstance(found, Carried)
    assert found.windows == 1
    assert "no channel is followed here" in warned[0]


def test_an_address_and_a_plain_depot_are_no_stick(publisher: Any, stick: Stick) -> None:
    assert stick_at(None) is stick_at("https://example.org/hakobu") is stick_at(str(publisher.path)) is None
    assert stick_at(str(stick.root)) == stick


def test_names_on_a_stick_suit_any_file_system(
    state: State, stick: Stick, bring: Callable[[], Carried], receipt_key: PrivateKey
) -> None:
    score(state, HOURS[0])
    bring()
    give_receipt(stick, state, receipt_key, *on(stick))
    paths = list(stick.root.rglob("*"))
    names = [path.relative_to(stick.root).as_posix() for path in paths]
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9./-]*[a-z0-9]", name) for name in names), names
    assert not [path for path in paths if path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1)]


def test_a_parcel_says_no_more_than_its_fields() -> None:
    """Whoever adds a field to what leaves a device has to say so here, and in docs/stick.md."""
    assert Parcel.__struct_fields__ == (
        *("schema", "device", "key", "serial", "made", "runtime", "platform"),
        *("models", "tallies", "outcomes"),
    )

"""Whatever is broken, doctor says what and how to mend it, changes nothing, and ends with 0 or 8."""

import errno
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import msgspec
import pytest
from click.testing import CliRunner

from hakobu_runtime.bundle import pack_files
from hakobu_runtime.cli import main
from hakobu_runtime.device import ledger, machine
from hakobu_runtime.device.diagnosis import Check, Health
from hakobu_runtime.device.doctor import doctor
from hakobu_runtime.device.install import install
from hakobu_runtime.device.slots import active_slots, bundle_path
from hakobu_runtime.device.state import State, change_keyring, open_state
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.golden import Golden, Tolerance
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.journal import Journal
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.trust import Pin, PrivateKey, sign

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path, release_key: PrivateKey, tiny_box: Path) -> State:
    """A device with the tiny box installed."""
    state = open_state(tmp_path / "state")
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public)))
    install(state, tiny_box, NOW)
    return state


def looked(state: State, now: datetime = NOW) -> dict[str, Check]:
    return {check.name: check for check in doctor(state.root, now).checks}


def bad(state: State) -> dict[str, Health]:
    """The names of the checks that are not well; each of them has a remedy, and none of the others."""
    checks = looked(state).values()
    assert all(bool(check.remedy) == (check.health is not Health.OK) for check in checks)
    return {check.name: check.health for check in checks if check.health is not Health.OK}


def listing(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in root.rglob("*")}


def test_a_sound_device_is_well_and_stays_as_it_is(state: State) -> None:
    before = listing(state.root)
    assert bad(state) == {}
    assert "all 3 agree within 1e-05 + 0.0001" in looked(state)["tiny 1.0.0: golden rows"].words
    assert "none is followed" in looked(state)["update channel"].words
    assert listing(state.root) == before


def test_no_state_is_no_failure_and_none_is_made(tmp_path: Path) -> None:
    assert bad(State(tmp_path / "none")) == {"keys": Health.WARNING, "models": Health.WARNING}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["none", "no folder"])
def test_a_place_that_is_no_folder_fails(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    root = tmp_path / "file" if place == "none" else tmp_path / "file" / "state"
    assert bad(State(root))["state folder"] is Health.FAILURE


def test_a_user_without_a_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    found = doctor(None, NOW)
    assert found.exit_code == 8
    assert "--state" in found.checks[-1].remedy


def spoil(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def another(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE slots")


@pytest.mark.parametrize(
    ("file", "harm", "name"),
    [
        ("slots.sqlite", spoil, "state database"),
        ("slots.sqlite", another, "state database"),
        ("journal.sqlite", spoil, "journal"),
        ("trust.json", spoil, "keys"),
        ("trust.json", Path.unlink, "tiny 1.0.0: signature"),
        ("bundles/*.hako", cut, "tiny 1.0.0: signature"),
        ("bundles/*.hako", spoil, "tiny 1.0.0: signature"),
        ("bundles/*.hako", Path.unlink, "tiny 1.0.0: signature"),
    ],
)
def test_each_damage_is_a_failure_of_its_own_line(
    state: State, file: str, harm: Callable[[Path], None], name: str
) -> None:
    with Journal.open(state.journal) as journal:
        journal.add(ModelName("tiny", "1.0.0", "0" * 64), {})
    harm(next(state.root.glob(file)))
    before = listing(state.root)
    assert bad(state)[name] is Health.FAILURE
    assert {path: size for path, size in listing(state.root).items() if not path.endswith(("-wal", "-shm"))} == before
    ended = CliRunner().invoke(main, ["--state", str(state.root), "doctor"])
    assert (ended.exit_code, ended.stderr) == (8, "")
    assert "remedy: " in ended.stdout


def test_another_bundle_in_the_place_of_the_installed_one_fails(
    state: State, tiny_files: dict[str, bytes], release_key: PrivateKey, tiny_manifest: Any
) -> None:
    files = {**tiny_files, "manifest.json": encode(msgspec.structs.replace(tiny_manifest, version="1.0.1"))}
    path = bundle_path(state, active_slots(state)[0])
    path.write_bytes(pack_files({**files, "model.sig": sign(files, release_key)}))
    assert "another bundle" in looked(state)["tiny 1.0.0: signature"].words


def test_a_cpu_that_computes_something_else_fails(
    state: State, tiny_files: dict[str, bytes], release_key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = msgspec.json.decode(tiny_files["golden.json"], type=Golden)
    odds = tuple((0.5, 0.5) for _ in golden.probabilities)
    files = {
        **tiny_files,
        "golden.json": encode(msgspec.structs.replace(golden, probabilities=odds, tolerance=Tolerance(1e-9, 0.0))),
    }
    box = state.root / "odd.hako"
    box.write_bytes(pack_files({**files, "model.sig": sign(files, release_key)}))
    monkeypatch.setattr(Scorer, "replay", lambda self, golden: ())
    install(state, box, NOW)
    monkeypatch.undo()
    found = looked(state)["tiny 1.0.0: golden rows"]
    assert found.health is Health.FAILURE
    assert "3 of 3 differ: golden row 1" in found.words


def test_a_journal_that_was_set_aside_is_a_warning(state: State) -> None:
    with Journal.open(state.journal):
        pass
    shutil.copy(state.journal, state.root / "journal.sqlite.damaged-1")
    assert bad(state) == {"journal": Health.WARNING}


def test_a_locked_database_is_a_warning(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(path: Path, *, patience: float) -> NoReturn:
        raise StateError(f"{path}: another program keeps it locked; wait until that has ended")

    monkeypatch.setattr(ledger, "examine", busy)
    assert bad(state) == {"state database": Health.WARNING}


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(
    ("free", "health"), [(0, Health.FAILURE), (100_000_000, Health.WARNING), (1_000_000_000, None)]
)
def test_a_disk_that_fills_up_is_told(
    state: State, monkeypatch: pytest.MonkeyPatch, free: int, health: Health | None
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: _Usage(10**12, 0, free))
    assert bad(state).get("disk") is health


@pytest.mark.parametrize(("number", "word"), [(errno.ENOSPC, "free some space"), (errno.EROFS, "--state DIR")])
def test_a_folder_that_takes_no_file_fails(
    state: State, monkeypatch: pytest.MonkeyPatch, number: int, word: str
) -> None:
    def refuse(descriptor: int) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    assert word in looked(state)["state folder"].remedy
    assert not [path for path in state.root.iterdir() if path.name.startswith(".doctor")]


@pytest.mark.parametrize(
    ("now", "health"),
    [
        (datetime(2000, 1, 1, tzinfo=UTC), Health.FAILURE),
        (NOW - timedelta(days=3), Health.FAILURE),
        (NOW - timedelta(hours=3), Health.WARNING),
        (NOW - timedelta(minutes=1), Health.OK),
        (NOW + timedelta(days=3000), Health.OK),
        (NOW + timedelta(days=5000), Health.WARNING),
        (datetime(2099, 1, 1, tzinfo=UTC), Health.FAILURE),
    ],
)
def test_the_clock_is_held_against_the_installation(state: State, now: datetime, health: Health) -> None:
    assert looked(state, now)["clock"].health is health


def test_installing_again_mends_an_installation_dated_in_the_future(state: State, tiny_box: Path) -> None:
    before = NOW - timedelta(days=5)
    assert looked(state, before)["clock"].health is Health.FAILURE
    install(state, tiny_box, before)
    assert looked(state, before)["clock"].health is Health.OK


@pytest.mark.parametrize(
    ("free", "health"), [(10_000_000, Health.FAILURE), (200_000_000, Health.WARNING), (None, Health.OK)]
)
def test_little_memory_is_told(state: State, monkeypatch: pytest.MonkeyPatch, free: int | None, health: Health) -> None:
    monkeypatch.setattr(machine, "available", lambda: free)
    assert looked(state)["memory"].health is health


def test_telemetry_that_was_switched_on_fails(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    assert bad(state) == {"onnxruntime": Health.FAILURE}


def test_a_package_that_cannot_be_imported_is_told(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "hakobu_runtime.device.condition", None)
    found = doctor(state.root, NOW)
    assert found.exit_code == 8
    assert [check.name for check in found.checks if check.health is Health.FAILURE] == ["onnxruntime", "state folder"]


def test_a_machine_that_hides_its_processor_is_a_warning(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "hides_processor", lambda: True)
    assert bad(state) == {"processor": Health.WARNING}


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """Where an executable of one file has unpacked itself."""
    place = tmp_path / "tmp" / "_MEI1"
    place.mkdir(parents=True)
    (place / "library.so").write_bytes(bytes(3_000_000))
    return place


def test_the_temporary_folder_of_one_file_is_looked_at(
    state: State, unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "temporary folder" not in looked(state)
    monkeypatch.setattr("hakobu_runtime.device.condition.unpacked", lambda: unpacked)
    assert looked(state)["temporary folder"].words == f"3 MB are unpacked in {unpacked.parent} at each start"


def test_what_killed_starts_have_left_is_a_warning(unpacked: Path) -> None:
    for name, age in (("_MEI2", 3), ("_MEI3", 0)):
        unpacked.with_name(name).mkdir()
        moment = (NOW - timedelta(days=age)).timestamp()
        os.utime(unpacked.with_name(name), (moment, moment))
    found = machine.unpacking(unpacked, NOW)
    assert found.health is Health.WARNING
    assert found.words.endswith("1 of earlier starts, which were killed, are still there: _MEI2")


def test_a_temporary_folder_that_fills_up_is_a_warning(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: _Usage(10**12, 0, 2_000_000))
    found = machine.unpacking(unpacked, NOW)
    assert found.health is Health.WARNING
    assert "TMPDIR" in found.remedy


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is the C library of Linux")
@pytest.mark.parametrize(("have", "health"), [("2.17", Health.FAILURE), ("", Health.FAILURE), ("2.99", Health.OK)])
def test_an_old_c_library_fails(monkeypatch: pytest.MonkeyPatch, have: str, health: Health) -> None:
    monkeypatch.setattr(os, "confstr", lambda name: f"glibc {have}" if have else None)
    assert machine.libraries().health is health


def test_json_holds_every_check(state: State) -> None:
    ended = CliRunner().invoke(main, ["--state", str(state.root), "doctor", "--json"])
    found = json.loads(ended.stdout)
    assert (ended.exit_code, found["schema"], found["healthy"]) == (0, "hakobu.doctor/1", True)
    assert {check["health"] for check in found["checks"]} <= {"ok", "warning"}
    assert all({"name", "health", "words", "remedy"} == set(check) for check in found["checks"])

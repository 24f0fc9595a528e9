"""A device and the real hub, as their users see them: let in by an invitation, its counts and outcomes come home."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hakobu.hub import devices, invites, outcome_totals
from hakobu.hub.bundles import add_bundle
from hakobu.hub.database import Database, open_database
from hakobu.hub.migrate import upgrade
from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.cli import main
from hakobu_runtime.device.follow import take_follow
from hakobu_runtime.device.state import State, open_state
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.trust import Keyring, PrivateKey
from hub_web import Process

KEY = PrivateKey.generate()
TABLE = "id,temp,load\na,3,1\nb,1,3\nc,2,1\nd,1,2\n"
LABELS = "id,late\na,1\nb,1\nc,1\nd,0\n"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    (tmp_path / "hub").mkdir()
    database = open_database(f"sqlite:///{tmp_path}/hub/hub.sqlite")
    upgrade(database)
    return database


def run(state: State, *words: str | Path) -> Result:
    return CliRunner().invoke(main, ["--state", str(state.root), *map(str, words)])


def done(state: State, *words: str | Path) -> str:
    ended = run(state, *words)
    assert ended.exit_code == 0, ended.output
    return ended.output


def follow(address: str) -> Follow:
    since, keys = "2026-01-01T00:00:00+00:00", (KEY.public.pem.decode(),)
    root = '{"signed": {"_type": "root"}, "signatures": [1]}'
    return Follow("hakobu.follow/1", "tiny", "stable", root, since, hub=address, receipt_keys=keys)


def test_a_device_is_let_in_and_its_counts_and_outcomes_come_home(
    tmp_path: Path, tiny_box: Path, keyring: Keyring, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    now, state = datetime.now(UTC), open_state(tmp_path / "device")
    for name, content in (("in.csv", TABLE), ("labels.csv", LABELS)):
        (tmp_path / name).write_text(content)
    (tmp_path / "release.pub").write_bytes(keyring.pins[0].key.pem)
    (tmp_path / "receipts.pem").write_bytes(KEY.to_pem(None))
    bundle = add_bundle(database, open_bundle(tiny_box, keyring), now)
    with database.begin() as connection:
        code = invites.make(connection, now, 7, "Halle 1")
    done(state, "trust", "add", tmp_path / "release.pub")
    done(state, "install", tiny_box)
    done(state, "keep", "--days", "90", "--id", "id")
    done(state, "score", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    done(state, "outcomes", tmp_path / "labels.csv", "--id", "id")
    with Process(tmp_path / "hub", "--receipt-key", str(tmp_path / "receipts.pem")).running() as hub:
        (tmp_path / "tiny.follow").write_bytes(encode(follow(hub.address)))
        refused = run(state, "follow", tmp_path / "tiny.follow", "--invite", "K7QF-3M2X")
        assert refused.exit_code == 5
        assert "the hub refused: " in refused.output
        refused = run(state, "sync")
        assert refused.exit_code == 5
        assert "hakobu-run enrol" in refused.output
        assert "in the group Halle 1" in done(state, "follow", tmp_path / "tiny.follow", "--invite", code)
        assert "counts of 1 window and 1 day of outcomes went to" in done(state, "sync")
        assert "no new counts" in done(state, "sync")
        shown = done(state, "status")
        assert "nothing waits" in shown
        assert "4 are here, 4 have got their label" in shown
        with database.read() as connection:
            (outcome,) = outcome_totals.by_group(connection, bundle)["Halle 1"].values()
            (device,) = devices.every(connection)
        assert outcome.confusion == ((0, 0, 1), (1, 0, 1), (1, 1, 2))
        with database.begin() as connection:
            devices.block(connection, device.name, "it was stolen")
        refused = run(state, "sync")
        assert refused.exit_code == 5
        assert "it was stolen" in refused.output
        assert "it was stolen" in done(state, "status")


def test_where_there_is_no_hub_to_enrol_at_that_is_said(tmp_path: Path) -> None:
    state = open_state(tmp_path / "device")
    take_follow(state, follow(""))
    (tmp_path / "tiny.follow").write_bytes(encode(follow("")))
    for code, words, said in (
        (8, ("enrol", "K7QF"), "no hub is named in what is followed"),
        (2, ("follow", "--invite", "K7QF"), "--invite goes with FILE.follow"),
        (2, ("follow", "beta", "--invite", "K7QF"), "--invite goes with FILE.follow"),
        (2, ("follow", str(tmp_path / "tiny.follow"), "--invite", "K7QF"), "names no hub to enrol at"),
        (7, ("enrol", "K7QF", "--hub", "hub.example.org"), "is no address like https://example.org/hakobu"),
        (7, ("enrol", "K7QF", "--hub", "http://[::1"), "is no address like https://example.org/hakobu"),
    ):
        ended = run(state, *words)
        assert (ended.exit_code, said in ended.output) == (code, True), ended.output

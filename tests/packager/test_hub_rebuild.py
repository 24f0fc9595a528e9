"""A hub that lost its database, or was restored from an old backup, has all counts again once its devices have sent."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import Thread

import msgspec
import numpy as np
import pytest
import uvicorn

from hakobu.hub import devices, outcome_totals, totals
from hakobu.hub.backup import backup
from hakobu.hub.bundles import add_bundle, known
from hakobu.hub.database import Database
from hakobu.hub.intake import Taken, take_many
from hakobu.hub.restore import restore
from hakobu.hub.retention import prune
from hakobu.hub.roster import enrol_listed, read_roster
from hakobu.hub.web.app import create_app
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.follow import take_follow
from hakobu_runtime.device.identity import device_key
from hakobu_runtime.device.ledger import device_id
from hakobu_runtime.device.outgoing import export, waiting
from hakobu_runtime.device.state import State, open_state
from hakobu_runtime.device.uplink import Sent, send
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import Keyring, PrivateKey
from hub_counts import NOW
from hub_web import free_port, settings_of
from postgres import Databases

KEY = PrivateKey.generate()
Summed = dict[tuple[str, str], bytes]
"""By group and window."""


@pytest.fixture
def tiny(tiny_box: Path, keyring: Keyring) -> Bundle:
    return open_bundle(tiny_box, keyring)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Afield:
    """Devices that score and send, and the address at which they look for their hub."""

    def __init__(self, folder: Path, bundle: Bundle) -> None:
        self.port, self.folder, self._random = free_port(), folder, Random(8)
        self.address = f"http://127.0.0.1:{self.port}"
        self._bundle = bundle
        follow = Follow("hakobu.follow/1", "tiny", "stable", "{}", "2026-01-01T00:00:00+00:00", hub=self.address,
                        receipt_keys=(KEY.public.pem.decode(),))  # fmt: skip
        self.states = [open_state(folder / f"device-{number}") for number in range(3)]
        for state in self.states:
            take_follow(state, follow)

    def enrol(self, database: Database) -> None:
        with database.begin() as connection:
            for number, state in enumerate(self.states):
                pem = device_key(state).public.pem.decode()
                devices.enrol(connection, device_id(state), pem, ("", "Halle 1")[number % 2], NOW)

    def score(self, times: int) -> None:
        """Count rows in windows of the last months, some of them in those that counted before."""
        name = ModelName("tiny", "1.0.0", self._bundle.digest)
        for state in self.states:
            with open_journal(state, lambda words: None) as journal:
                for _ in range(times):
                    back = timedelta(hours=self._random.randrange(24 * 90))
                    journal.add(name, {Window.of(NOW - back, Span.HOUR): self._rows()})

    def _rows(self) -> WindowCounts:
        slots = {name: np.eye(6, dtype=np.int64)[self._random.randrange(6)] for name in ("temp", "load")}
        return WindowCounts(1, {"ok": 1}, slots, {"labels": np.eye(4, dtype=np.int64)[self._random.randrange(2)]})

    def send(self, database: Database) -> list[Sent]:
        """Let each device send to the hub with this database what it thinks is not there."""
        with served(database, self.port):
            return [send(state, self.address, NOW, lambda words: None) for state in self.states]


@pytest.fixture
def afield(in_memory: Path, tiny: Bundle) -> Afield:
    return Afield(in_memory / "afield", tiny)


@contextmanager
def served(database: Database, port: int) -> Iterator[None]:
    """Serve a hub at this port, as its operator does."""
    with closing(socket.create_server(("127.0.0.1", port))) as listener:
        app = create_app(settings_of(database, receipt_key=KEY))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(30)


def summed(database: Database) -> Summed:
    """Return all totals of a hub, once it is sure that they are the sums of its windows."""
    totals.verify(database)
    outcome_totals.verify(database)
    found: Summed = {}
    with database.read() as connection:
        for bundle in known(connection).values():
            for group in ("", "Halle 1"):
                for span in (Span.DAY, Span.MONTH):
                    for window, counts in totals.series(connection, bundle, [group], span):
                        plain = (counts.rows, counts.verdicts, counts.features, counts.outputs)
                        found[group, window.start] = msgspec.json.encode(plain, enc_hook=lambda array: array.tolist())
    return found


def test_a_hub_that_lost_its_database_is_rebuilt_from_what_its_devices_hold(
    databases: Databases, tiny: Bundle, afield: Afield, tmp_path: Path
) -> None:
    lost, new = databases.new(), databases.new()
    add_bundle(lost, tiny, NOW)
    afield.enrol(lost)
    for _ in range(3):
        afield.score(20)
        afield.send(lost)
    assert not any(waiting(state) for state in afield.states), "the devices know that all of it came home"
    with lost.read() as connection:
        roster = {"schema": "hakobu.hub-devices/1", "devices": devices.every(connection)}
    (tmp_path / "devices.json").write_bytes(msgspec.json.encode(roster))

    add_bundle(new, tiny, NOW)
    with new.begin() as connection:
        assert enrol_listed(connection, read_roster(tmp_path / "devices.json"), NOW) == 3
    afield.send(new)
    assert summed(new) == summed(lost) != {}
    assert [sent.windows for sent in afield.send(new)] == [0, 0, 0], "it was sent once more, and not for ever"


def test_a_hub_restored_from_an_old_backup_gets_what_came_after_it(
    databases: Databases, tiny: Bundle, afield: Afield, tmp_path: Path
) -> None:
    lost, new = databases.new(), databases.new()
    add_bundle(lost, tiny, NOW)
    afield.enrol(lost)
    afield.score(20)
    afield.send(lost)
    backup(lost, tmp_path / "it.hub", NOW)
    afield.score(20)
    afield.send(lost)

    restore(new, tmp_path / "it.hub", replace=False)
    assert summed(new) != summed(lost)
    afield.send(new)
    assert summed(new) == summed(lost)


def test_a_rebuilt_hub_takes_nothing_back_that_was_pruned(
    databases: Databases, tiny: Bundle, afield: Afield, tmp_path: Path
) -> None:
    first = databases.new()
    add_bundle(first, tiny, NOW)
    afield.enrol(first)
    afield.score(30)
    afield.send(first)
    assert prune(first, 40, NOW).windows > 0
    kept = summed(first)
    backup(first, tmp_path / "it.hub", NOW)
    new = databases.new()
    restore(new, tmp_path / "it.hub", replace=False)
    for state in afield.states:
        taken(new, state, tmp_path / f"{device_id(state)}.parcel")
    assert summed(new) == kept


def test_files_that_devices_export_whole_rebuild_a_hub_without_a_network(
    databases: Databases, tiny: Bundle, afield: Afield, tmp_path: Path
) -> None:
    lost, new = databases.new(), databases.new()
    add_bundle(lost, tiny, NOW)
    afield.enrol(lost)
    afield.score(20)
    afield.send(lost)
    add_bundle(new, tiny, NOW)
    afield.enrol(new)
    for state in afield.states:
        assert taken(new, state, tmp_path / f"{device_id(state)}.parcel").windows > 0
    assert summed(new) == summed(lost)


def taken(database: Database, state: State, path: Path) -> Taken:
    """Carry all that a device holds to a hub in a file."""
    export(state, path, NOW, every=True)
    (found,) = take_many(database, [(path.name, path.read_bytes)], NOW)
    assert isinstance(found, Taken)
    return found

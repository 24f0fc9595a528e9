"""What devices post: taken once it is on the disk, refused with a reason, and never at the cost of others."""

import asyncio
import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from hakobu.hub.bundles import add_bundle
from hakobu.hub.database import Database
from hakobu.hub.devices import block, find
from hakobu.hub.intake import Items
from hakobu.hub.invites import make
from hakobu.hub.refusals import Kind, Refusal
from hakobu.hub.tables import refusals, windows
from hakobu.hub.web.body import Bodies, Limits
from hakobu.hub.web.desk import Answer, Desk
from hakobu.hub.web.settings import Settings
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.parcel import LARGEST_FILE
from hakobu_runtime.format.reply import Enrolled, Refused, Taken
from hakobu_runtime.trust import Keyring, PrivateKey
from hakobu_runtime.uplink.parcel import pack_parcel
from hakobu_runtime.uplink.receipt import read_receipt
from hub_senders import NOW, Sender
from hub_web import RECEIPTS, hub_of, served
from postgres import Databases

POST, ENROL = "/api/v1/parcels", "/api/v1/enrol"
STRANGER = PrivateKey.generate()


@pytest.fixture
def tiny(tiny_box: Path, keyring: Keyring) -> Bundle:
    return open_bundle(tiny_box, keyring)


@pytest.fixture
def database(request: pytest.FixtureRequest, sqlite: Database, tmp_path: Path) -> Iterator[Database]:
    """SQLite for what goes on before the database; both kinds for tests that are marked `everywhere`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield sqlite
        return
    databases = Databases(tmp_path, request.getfixturevalue("postgres_server"))
    yield databases.new()
    databases.close()


everywhere = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def sender(database: Database, tiny: Bundle) -> Sender:
    add_bundle(database, tiny, NOW)
    return Sender.of("device-1", tiny).enrol(database)


@pytest.fixture
def client(database: Database) -> Iterator[TestClient]:
    with served(database) as client:
        yield client


def refused(answer: Any, status: int, kind: str) -> str:
    assert answer.status_code == status, answer.text
    found = msgspec.json.decode(answer.content, type=Refused)
    assert found.kind == kind
    return found.error


def counted(database: Database) -> int:
    with database.read() as connection:
        return int(connection.scalar(select(func.sum(windows.c.rows))) or 0)


@everywhere
def test_a_parcel_is_taken_and_acknowledged_and_twice_is_once(
    client: TestClient, database: Database, sender: Sender
) -> None:
    content = sender.pack(sender.tally("2026-11-20", 50))
    for is_new in (True, False):
        answer = client.post(POST, content=content)
        assert answer.status_code == 200, answer.text
        taken = msgspec.json.decode(answer.content, type=Taken)
        assert (taken.device, taken.serial, taken.new) == ("device-1", 1, is_new)
        receipt = read_receipt(b64decode(taken.receipt or ""), "device-1", [RECEIPTS.public.pem.decode()], "it")
        assert [home.serial for home in receipt.parcels] == [1]
    assert counted(database) == 50


def test_without_a_key_there_is_no_receipt(database: Database, sender: Sender) -> None:
    with served(database, receipt_key=None) as client:
        assert client.post(POST, content=sender.pack()).json()["receipt"] is None


def test_what_is_no_parcel_is_refused_in_words(client: TestClient, database: Database, sender: Sender) -> None:
    good = sender.pack(sender.tally("2026-11-20", 50))
    refused(client.post(POST, content=b""), 400, "malformed")
    refused(client.post(POST, content=b"\xff\x00{"), 400, "malformed")
    refused(client.post(POST, content=b"[" * 100_000), 400, "malformed")
    refused(client.post(POST, content=good[: len(good) // 2]), 400, "malformed")
    refused(client.post(POST, content=good, headers={"Content-Encoding": "gzip"}), 415, "malformed")
    assert counted(database) == 0


def test_a_forged_parcel_is_refused_before_anything_in_it_is_unfolded(
    client: TestClient, database: Database, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    envelope = json.loads(sender.pack())
    other = json.loads(Sender("device-1", sender.manifest, sender.model.digest, STRANGER).pack())
    monkeypatch.setattr("hakobu_runtime.uplink.sealed._inflate", lambda *_: pytest.fail("it was unfolded"))
    mixed = {**envelope, "payload": other["payload"]}
    words = refused(client.post(POST, content=json.dumps(mixed)), 403, "forged")
    assert words == "the signature of device-1 does not hold: the parcel was changed, or is from somebody else"
    assert "no device with the key" in refused(client.post(POST, content=json.dumps(other)), 403, "unknown-device")
    assert counted(database) == 0


def test_a_device_that_signs_for_another_one_is_refused(client: TestClient, database: Database, sender: Sender) -> None:
    liar = Sender("device-2", sender.manifest, sender.model.digest, STRANGER).enrol(database)
    content = pack_parcel(msgspec.structs.replace(liar.parcel(), device="device-1"), STRANGER)
    refused(client.post(POST, content=content), 403, "forged")


def test_a_blocked_device_hears_why(client: TestClient, database: Database, sender: Sender) -> None:
    with database.begin() as connection:
        block(connection, "device-1", "it stands in the wrong hall")
    words = refused(client.post(POST, content=sender.pack()), 403, "blocked")
    assert "it stands in the wrong hall" in words


@everywhere
def test_what_is_refused_at_the_door_is_counted_in_the_database_too(database: Database, sender: Sender) -> None:
    with served(database) as client:
        for _ in range(3):
            client.post(POST, content=b"nonsense")
        client.post(POST, content=sender.pack(sender.tally("2030-01-01", 5)))
    with database.read() as connection:
        rows = connection.execute(select(refusals.c.kind, refusals.c.many))
        assert {row.kind: row.many for row in rows} == {"malformed": 3, "future": 1}


def test_nothing_too_large_is_read(client: TestClient, database: Database) -> None:
    words = refused(client.post(POST, content=b"x" * (LARGEST_FILE + 1)), 413, "too-large")
    assert "more than 8,388,608 bytes" in words

    without_length = iter([b"x" * (1 << 20)] * 9)
    refused(client.post(POST, content=without_length), 413, "too-large")
    # A length that is no number, or says more than what comes.
    refused(client.post(POST, content=b"x", headers={"Content-Length": "1e9"}), 400, "malformed")
    refused(client.post(POST, content=b"x", headers={"Content-Length": "9" * 30}), 413, "too-large")


@pytest.mark.parametrize("limits", [Limits(memory=100), Limits(at_once=0), Limits(of_one=0)], ids=str)
def test_the_hub_holds_no_more_bodies_than_it_can(
    client: TestClient, sender: Sender, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_of(client), "bodies", Bodies(limits))
    answer = client.post(POST, content=sender.pack(sender.tally("2026-11-20", 50)))
    refused(answer, 503, "busy")
    assert int(answer.headers["Retry-After"]) > 0
    assert hub_of(client).bodies.is_idle
    monkeypatch.undo()
    assert client.post(POST, content=sender.pack()).status_code == 200


def test_an_address_that_sends_much_nonsense_is_asked_to_wait_and_good_parcels_from_there_are_taken(
    client: TestClient, sender: Sender
) -> None:
    assert client.post(POST, content=sender.pack()).status_code == 200
    found = [client.post(POST, content=b"nonsense").status_code for _ in range(70)]
    assert found == [400] * 60 + [429] * 10
    answer = client.post(POST, content=b"nonsense")
    assert 0 < int(answer.headers["Retry-After"]) <= 61
    assert client.post(POST, content=b"x" * (2 << 20)).status_code == 429
    assert client.post(POST, content=sender.pack()).status_code == 200


def test_a_device_whose_parcels_are_refused_again_and_again_is_asked_to_wait_and_no_other_one(
    client: TestClient, database: Database, sender: Sender
) -> None:
    other = Sender("device-2", sender.manifest, sender.model.digest, STRANGER).enrol(database)
    found = [client.post(POST, content=sender.pack(sender.tally("2030-01-01", 5))).status_code for _ in range(32)]
    assert found == [422] * 30 + [429] * 2
    assert client.post(POST, content=other.pack()).status_code == 200


def test_forged_parcels_in_the_name_of_a_device_do_not_shut_it_out(client: TestClient, sender: Sender) -> None:
    envelope = json.loads(sender.pack())
    envelope["signatures"][0]["sig"] = "AAAA"
    for _ in range(70):
        client.post(POST, content=json.dumps(envelope))
    assert client.post(POST, content=sender.pack()).status_code == 200


@everywhere
def test_fifty_devices_that_post_at_once_are_all_taken(database: Database, sender: Sender) -> None:
    senders = [Sender(f"device-{n:02}", sender.manifest, sender.model.digest).enrol(database) for n in range(10, 60)]
    posts = [one.pack(one.tally("2026-11-20", 7)) for one in senders]
    with served(database) as client, ThreadPoolExecutor(50) as threads:
        barrier = threading.Barrier(50)

        def post(content: bytes) -> int:
            barrier.wait(60)
            return client.post(POST, content=content).status_code

        assert set(threads.map(post, posts)) == {200}
    assert counted(database) == 350


def test_the_database_is_away_and_the_device_is_asked_to_come_again(
    client: TestClient, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StateError("postgresql://u:***@db/hub: the database refuses: gone")

    assert client.post(POST, content=sender.pack()).status_code == 200
    monkeypatch.setattr("hakobu.hub.web.desk.take_many", fail)
    answer = client.post(POST, content=sender.pack())
    words = refused(answer, 503, "unavailable")
    assert "postgresql" not in words
    assert answer.headers["Retry-After"] == "30"
    monkeypatch.undo()
    assert client.post(POST, content=sender.pack()).status_code == 200


def test_a_post_that_we_fail_at_costs_those_beside_it_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Database, items: Items, *__: object) -> list[Refusal]:
        contents = [read() for _, read in items]
        if b"bad" in contents:
            raise OverflowError("of some column")
        return [Refusal("here", Kind.MALFORMED, content.decode()) for content in contents]

    async def posted() -> list[Answer | BaseException]:
        desk = Desk(Settings(database), lambda: False)
        return await asyncio.gather(*map(desk.take, (b"one", b"two", b"bad", b"three")), return_exceptions=True)

    monkeypatch.setattr("hakobu.hub.web.desk.take_many", fails)
    found = asyncio.run(posted())
    outcomes = [answer.outcome if isinstance(answer, Answer) else answer for answer in found]
    assert [one.words if isinstance(one, Refusal) else type(one) for one in outcomes] == [
        "one",
        "two",
        OverflowError,
        "three",
    ]


def test_windows_of_an_unknown_bundle_are_left_out_in_words(client: TestClient, sender: Sender) -> None:
    unknown = Sender("device-1", sender.manifest, "0" * 64)
    answer = client.post(
        POST, content=sender.pack(sender.tally("2026-11-20", 50), unknown.tally("2026-11-19", 5))
    ).json()
    assert "a bundle that is not known here" in answer["left_out"][0]
    assert refused(
        client.post(POST, content=unknown.pack(unknown.tally("2026-11-19", 5), serial=9)), 422, "unknown-bundle"
    )


# --- enrolment ---


@pytest.fixture
def newcomer(sender: Sender) -> Sender:
    return Sender("device-9", sender.manifest, sender.model.digest, STRANGER)


def invite(database: Database, group: str = "hall 2") -> str:
    with database.begin() as connection:
        return make(connection, NOW, 7, group)


@everywhere
def test_an_invitation_enrols_one_device_once(client: TestClient, database: Database, newcomer: Sender) -> None:
    refused(client.post(POST, content=newcomer.pack()), 403, "unknown-device")
    token = invite(database)
    for _ in range(2):  # the second time, since the answer was lost
        answer = client.post(ENROL, content=newcomer.pack(), headers={"Hakobu-Invite": token.lower()})
        assert answer.status_code == 200, answer.text
        assert msgspec.json.decode(answer.content, type=Enrolled) == Enrolled("hakobu.enrolled/1", "device-9", "hall 2")
    assert client.post(POST, content=newcomer.pack()).status_code == 200
    other = Sender("device-8", newcomer.manifest, newcomer.model.digest)
    answer = client.post(ENROL, content=other.pack(), headers={"Hakobu-Invite": token})
    assert "was used on" in refused(answer, 403, "invitation")
    with database.read() as connection:
        assert find(connection, "device-8") is None


@pytest.mark.parametrize("token", ["", "AAAA-BBBB", "' OR 1=1 --", "x" * 200])
def test_no_other_token_enrols(client: TestClient, newcomer: Sender, token: str) -> None:
    answer = client.post(ENROL, content=newcomer.pack(), headers={"Hakobu-Invite": token})
    refused(answer, 403, "invitation")


def test_a_token_that_is_far_too_long_is_refused(client: TestClient, newcomer: Sender) -> None:
    refused(client.post(ENROL, content=newcomer.pack(), headers={"Hakobu-Invite": "x" * 300}), 422, "malformed")


def test_a_key_that_did_not_sign_is_not_enrolled(client: TestClient, database: Database, newcomer: Sender) -> None:
    token = invite(database)
    envelope = json.loads(newcomer.pack())
    envelope["signatures"][0]["sig"] = json.loads(Sender.pack(newcomer, newcomer.tally("2026-11-20", 5)))["signatures"][
        0
    ]["sig"]
    answer = client.post(ENROL, content=json.dumps(envelope), headers={"Hakobu-Invite": token})
    refused(answer, 403, "forged")
    assert client.post(ENROL, content=newcomer.pack(), headers={"Hakobu-Invite": token}).status_code == 200


def test_guessing_tokens_is_slowed_down(client: TestClient, newcomer: Sender) -> None:
    content = newcomer.pack()
    found = {
        client.post(ENROL, content=content, headers={"Hakobu-Invite": f"AAAA-{number}"}).status_code
        for number in range(65)
    }
    assert found == {403, 429}


def test_a_name_that_is_taken_by_another_key_is_not_given_away(
    client: TestClient, database: Database, sender: Sender
) -> None:
    thief = Sender("device-1", sender.manifest, sender.model.digest, STRANGER)
    answer = client.post(ENROL, content=thief.pack(), headers={"Hakobu-Invite": invite(database)})
    assert "is known here by the key" in refused(answer, 403, "invitation")

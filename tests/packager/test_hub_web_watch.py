"""What other machines ask the hub: health, metrics, the log of events, and what its API is."""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert
from starlette.testclient import TestClient

from hakobu.hub.alarms import every
from hakobu.hub.bundles import add_bundle
from hakobu.hub.database import Database, open_database
from hakobu.hub.devices import block, unblock
from hakobu.hub.hooks import Hooks
from hakobu.hub.tables import alarms, devices, states
from hakobu.hub.web.events import Events
from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.errors import StateError
from hakobu_runtime.trust import Keyring
from hub_senders import NOW, Sender
from hub_web import served, wait_for

POST = "/api/v1/parcels"


@pytest.fixture
def database(sqlite: Database) -> Database:
    return sqlite


@pytest.fixture
def sender(database: Database, tiny_box: Path, keyring: Keyring) -> Sender:
    bundle = open_bundle(tiny_box, keyring)
    add_bundle(database, bundle, NOW)
    return Sender.of("device-1", bundle).enrol(database)


@pytest.fixture
def client(database: Database) -> Iterator[TestClient]:
    with served(database, "127.0.0.1") as client:
        yield client


def values(client: TestClient) -> dict[tuple[str, tuple[str, ...]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    found = text_string_to_metric_families(answer.text)
    return {
        (sample.name.removeprefix("hakobu_hub_"), tuple(sorted(sample.labels.values()))): sample.value
        for family in found
        for sample in family.samples
    }


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- health ---


def test_a_hub_that_is_well_says_so(client: TestClient) -> None:
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["status"], answer.json()["depot"]) == (200, "ok", None)


def test_a_hub_without_its_database_says_that(tmp_path: Path) -> None:
    with served(open_database(f"sqlite:///{tmp_path}/none/hub.sqlite"), "127.0.0.1") as client:
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "failing")
        assert values(client)["database_up", ()] == 0
        assert client.get("/login").status_code == 503


def test_a_hub_whose_tables_are_of_another_version_is_not_well(database: Database, client: TestClient) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'of the future'")
    assert client.get("/health").status_code == 503


# --- metrics ---


def test_what_comes_home_and_what_is_refused_is_counted(client: TestClient, sender: Sender) -> None:
    content = sender.pack(sender.tally("2026-11-20", 50))
    for one in (content, content, b"nonsense", sender.pack(sender.tally("2030-01-01", 5))):
        client.post(POST, content=one)
    found = values(client)
    assert found["parcels_total", ("new",)] == found["parcels_total", ("known",)] == 1
    assert found["refusals_total", ("malformed",)] == found["refusals_total", ("future",)] == 1
    assert found["windows_changed_total", ()] == 1
    assert found["request_seconds_count", ("/api/v1/parcels", "2xx")] == 2
    assert found["request_seconds_count", ("/api/v1/parcels", "4xx")] == 2
    assert found["database_up", ()] == 1


def test_the_fleet_is_counted_and_its_labels_are_bounded(client: TestClient, database: Database) -> None:
    with database.begin() as connection:
        for number in range(60):
            seen = NOW - timedelta(days=number % 10)
            row = {"name": f"device-{number}", "key": "none", "enrolled": NOW, "seen": seen}
            key = connection.execute(insert(devices).values(**row)).inserted_primary_key
            assert key
            version = {"model": "tiny", "version": f"1.{max(number - 1, 0)}.0", "digest": "", "content": b""}
            connection.execute(insert(states).values(device_id=key[0], **version))
        block(connection, "device-9", "lost")
        alarm = {"model": "tiny", "version": "1.0.0", "subject": "temp", "period": "2026-11-20", "words": "x"}
        connection.execute(insert(alarms).values(kind="drift", opened=NOW, seen=NOW, **alarm))
    found = values(client)
    assert found["devices_enrolled", ()] == 60
    assert found["devices_blocked", ()] == 1
    assert found["devices_unseen", ()] == 11
    assert found["devices", ("1.0.0", "tiny")] == 2
    labels = [labels for name, labels in found if name == "devices"]
    assert len(labels) == 51
    assert sum(found["devices", one] for one in labels) == 60
    assert found["alarms_open", ("drift",)] == 1


def test_an_address_that_nobody_knows_is_no_label(client: TestClient) -> None:
    for number in range(5):
        client.get(f"/nothing/{number}")
        client.get(f"/devices/device-{number}")
    labels = {labels for name, labels in values(client) if name == "request_seconds_count"}
    assert labels == {("4xx", "other"), ("/devices/{name}", "3xx")}


def test_metrics_are_for_this_machine_unless_they_are_opened(database: Database) -> None:
    with served(database, "192.0.2.7") as client:
        assert client.get("/metrics").status_code == 403
    with served(database, "192.0.2.7", open_metrics=True) as client:
        assert client.get("/metrics").status_code == 200
    with served(database, "127.0.0.1") as client:
        # Somebody behind a proxy that nobody has told the hub of.
        assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403
    with served(database, "127.0.0.1", proxies=("127.0.0.1",)) as client:
        assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 403
        assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1, 192.0.2.7"}).status_code == 403
        assert client.get("/metrics").status_code == 200


# --- events ---


def test_what_happens_is_told_one_object_on_a_line(database: Database, sender: Sender, tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    with served(database, events=log, every=timedelta(seconds=0.05)) as client:
        client.post(POST, content=sender.pack(sender.tally("2026-11-20", 50)))
        client.post(POST, content=b"nonsense\n{}")
        with database.begin() as connection:
            block(connection, "device-1", "it <lies>\u2028")
        wait_for(lambda: "device-blocked" in log.read_text())
        with database.begin() as connection:
            unblock(connection, "device-1")
        wait_for(lambda: "device-unblocked" in log.read_text())
    found = lines(log)
    kinds = ["started", "parcel-taken", "parcel-refused", "device-blocked", "device-unblocked", "stopped"]
    assert [line["kind"] for line in found] == kinds
    assert all(line["schema"] == "hakobu.event/1" and line["time"].endswith("+00:00") for line in found)
    taken, refused = found[1:3]
    assert (taken["device"], taken["serial"], taken["new"], taken["windows"]) == ("device-1", 1, True, 1)
    assert (refused["reason"], refused["status"], refused["address"]) == ("malformed", 400, "192.0.2.7")
    assert log.stat().st_mode & 0o777 == 0o640


def test_alarms_are_told_when_they_open_and_when_they_close(database: Database, tmp_path: Path) -> None:
    log, heard = tmp_path / "events.jsonl", tmp_path / "heard"
    code = f"import sys; open({str(heard)!r}, 'a').write(sys.stdin.read())"
    hooks = Hooks(command=(sys.executable, "-c", code))
    with served(database, events=log, every=timedelta(seconds=0.05), hooks=hooks):
        wait_for(lambda: "started" in log.read_text())
        alarm = {"model": "tiny", "version": "1.0.0", "subject": "temp", "period": "2026-11-20", "words": "it drifts"}
        with database.begin() as connection:
            connection.execute(insert(alarms).values(kind="drift", opened=NOW, seen=NOW, **alarm))
        wait_for(lambda: "hook-told" in log.read_text())
        with database.begin() as connection:
            assert every(connection)
            connection.execute(alarms.update().values(closed=NOW))
        wait_for(lambda: "alarm-closed" in log.read_text())
    opened = next(line for line in lines(log) if line["kind"] == "alarm-opened")
    assert (opened["about"], opened["subject"], opened["words"]) == ("drift", "temp", "it drifts")
    assert json.loads(heard.read_text())["subject"] == "temp"


def test_of_a_flood_of_refusals_some_are_told_and_the_others_counted(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    with served(database, events=log) as client:
        for _ in range(200):
            client.post(POST, content=b"nonsense")
    told = [line["reason"] for line in lines(log) if line["kind"] == "parcel-refused"]
    assert told == ["malformed"] * 60 + ["too-many"] * 60


def test_a_log_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    events = Events(log, lambda: NOW)
    events.write("one")
    shutil.move(log, tmp_path / "events.jsonl.1")
    events.write("two")
    events.close()
    assert [line["kind"] for line in lines(tmp_path / "events.jsonl.1")] == ["one"]
    assert [line["kind"] for line in lines(log)] == ["two"]


def test_a_log_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    events = Events(folder / "events.jsonl", lambda: NOW)
    shutil.rmtree(folder)
    for _ in range(3):
        events.write("lost")
    assert (events.pull_lost(), events.pull_lost()) == (3, 0)
    folder.mkdir()
    events.write("found")
    events.close()
    assert [line["kind"] for line in lines(folder / "events.jsonl")] == ["found"]
    with pytest.raises(StateError, match="name another file with --events"):
        Events(tmp_path / "none" / "events", lambda: NOW)


# --- the API's own page ---


def test_the_page_of_the_api_fetches_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    named = re.findall(r'(?:src|href|data-url)="([^"]+)"', page.text)
    assert len(named) == 5
    for name in named:
        answer = client.get(name)
        assert answer.status_code == 200, name
        assert name.startswith("/")
    assert client.get("/docs/index.html").status_code == 404
    assert client.get("/docs/..%2f..%2fapp.py").status_code == 404


def test_every_answer_that_the_api_gives_is_one_that_it_names(client: TestClient, sender: Sender) -> None:
    found = client.get("/openapi.json").json()
    assert sorted(found["paths"]) == ["/api/v1/enrol", "/api/v1/parcels", "/health", "/metrics"]
    schemas = found["components"]["schemas"]
    named = {"post": {"content": b"nonsense"}, "get": {}}
    for path, methods in found["paths"].items():
        for method, about in methods.items():
            assert {"summary", "description", "operationId"} <= about.keys()
            for one in (named[method], {**named[method], "headers": {"Hakobu-Invite": "x" * 300}}):
                answer = client.request(method, path, **one)
                said = about["responses"][str(answer.status_code)]
                if reference := said.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref"):
                    known = schemas[reference.rpartition("/")[2]]
                    assert set(known.get("required", ())) <= answer.json().keys() <= known["properties"].keys()
    assert client.post(POST, content=sender.pack()).json().keys() == schemas["TakenAnswer"]["properties"].keys()


def test_the_description_is_of_a_version_that_its_page_can_show(client: TestClient) -> None:
    text = client.get("/openapi.json").text
    assert json.loads(text)["openapi"] == "3.0.3"
    assert not re.search(r'"const"|"type":"null"|"examples":\[', text)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused_in_the_words_of_the_api(client: TestClient, method: str) -> None:
    answer = client.request(method, POST)
    assert (answer.status_code, answer.json()["schema"]) == (405, "hakobu.refused/1")


def test_below_another_path_all_addresses_lead_there(database: Database) -> None:
    with served(database, root_path="/hub") as client:
        for place in ("/", "/hub", "/hub/"):
            assert client.get(place).headers["location"] == "/hub/login?next=%2F"
        page = client.get("/login").text
        assert not re.search(r'(src|href|action)="/(?!hub)', page)
        assert '"/hub/openapi.json"' in client.get("/docs").text
        for address in (POST, f"/hub{POST}"):  # a proxy may leave the path in, or not
            assert client.post(address, content=b"").json()["kind"] == "malformed"
        assert client.get("/openapi.json").json()["servers"] == [{"url": "/hub"}]

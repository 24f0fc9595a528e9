"""The depot over the hub: its files, whole or in part, and nothing else; what it publishes becomes known."""

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from hakobu.hub.database import Database
from hakobu.hub.tables import bundles
from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.channel.client import open_fetcher
from hub_senders import Sender
from hub_web import hub_of, listening, served

Publish = Callable[..., Any]


@pytest.fixture
def client(sqlite: Database, depot: Path, published: Publish) -> Iterator[TestClient]:
    published()
    with served(sqlite, depot=depot) as client:
        yield client


def a_bundle(depot: Path) -> tuple[str, bytes]:
    path = next((depot / "targets").rglob("*.hako"))
    return f"/depot/{path.relative_to(depot).as_posix()}", path.read_bytes()


def test_a_device_gets_the_very_files_of_the_depot(client: TestClient, depot: Path) -> None:
    files = [path for folder in ("metadata", "targets") for path in (depot / folder).rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        answer = client.get(f"/depot/{path.relative_to(depot).as_posix()}")
        assert (answer.status_code, answer.content) == (200, path.read_bytes())
    assert client.get("/depot/metadata/timestamp.json").headers["content-type"] == "application/json"
    assert client.get(a_bundle(depot)[0]).headers["content-type"] == "application/vnd.hakobu.bundle+zip"


def test_a_part_of_a_bundle_can_be_asked_for(client: TestClient, depot: Path) -> None:
    name, content = a_bundle(depot)
    answer = client.get(name, headers={"Range": "bytes=100-"})
    assert (answer.status_code, answer.content) == (206, content[100:])
    assert answer.headers["content-range"] == f"bytes 100-{len(content) - 1}/{len(content)}"
    assert client.get(name, headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    tag = answer.headers["etag"]
    assert client.get(name, headers={"Range": "bytes=1-2", "If-Range": tag}).status_code == 206
    assert client.get(name, headers={"Range": "bytes=1-2", "If-Range": '"other"'}).status_code == 200
    head = client.head(name)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(content)), b"")


def test_what_is_known_is_not_sent_again(client: TestClient, depot: Path) -> None:
    for name in (a_bundle(depot)[0], "/depot/metadata/timestamp.json"):
        first = client.get(name)
        again = client.get(name, headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
    assert "immutable" in client.get(a_bundle(depot)[0]).headers["cache-control"]
    assert client.get("/depot/metadata/timestamp.json").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "", "metadata", "metadata/", "targets/tiny/1.0.0", "pending.root.json", "metadata/pending.root.json",
        "metadata.lock", "metadata/.1.root.json.partial", "metadata/../../secret", "metadata/%2e%2e/%2e%2e/secret",
        "..%2fsecret", "metadata//1.root.json", "%2fetc/passwd", "metadata/1.root.json%00", "metadata/1.root.json/",
        "METADATA/1.root.json", "metadata/link.json", "metadata/9.link.json", "targets/away/1.0.0/file",
        "metadata/1.root.json\\..\\x", "targets/tiny/1.0.0/notes.txt",
    ],
)  # fmt: skip
def test_nothing_else_is_shown(client: TestClient, depot: Path, path: str) -> None:
    (depot.parent / "secret").write_text("secret")
    for name in ("pending.root.json", "metadata/pending.root.json", "metadata/.1.root.json.partial"):
        (depot / name).write_text("secret")
    (depot / "targets/tiny/1.0.0/notes.txt").write_text("secret")
    for name in ("metadata/link.json", "metadata/9.link.json"):
        (depot / name).symlink_to(depot.parent / "secret")
    digest = "0" * 64
    (depot.parent / "elsewhere/1.0.0").mkdir(parents=True)
    (depot.parent / f"elsewhere/1.0.0/{digest}.x").write_text("secret")
    (depot / "targets/away").symlink_to(depot.parent / "elsewhere")
    for asked in (path, f"targets/away/1.0.0/{digest}.x"):
        answer = client.get(f"/depot/{asked}")
        assert answer.status_code == 404
        assert "secret" not in answer.text


def test_it_is_described_once(client: TestClient) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = client.get("/openapi.json").json()["paths"]
    assert paths["/depot/{path}"].keys() == {"get"}
    assert client.head("/depot/metadata/timestamp.json").status_code == 200


def test_without_a_depot_there_is_none(sqlite: Database) -> None:
    with served(sqlite) as client:
        assert client.get("/depot/metadata/timestamp.json").status_code == 404


def test_a_device_fetches_from_a_hub_that_listens(sqlite: Database, depot: Path, published: Publish) -> None:
    published()
    name, content = a_bundle(depot)
    with (
        listening(sqlite, depot=depot) as address,
        open_fetcher(f"{address}/depot").read(name.removeprefix("/depot/"), 100) as found,
    ):
        assert (found.start, b"".join(found.chunks)) == (100, content[100:])


def test_a_release_that_is_published_later_is_known_when_its_first_counts_come(
    client: TestClient,
    depot: Path,
    published: Publish,
    sqlite: Database,
    tmp_path: Path,
    keyring: Any,
) -> None:
    with sqlite.read() as connection:
        assert connection.scalars(select(bundles.c.version)).all() == ["1.0.0"]
    published("1.1.0")
    bundle = open_bundle(next((depot / "targets/tiny/1.1.0").glob("*.hako")), keyring)
    sender = Sender.of("device-1", bundle).enrol(sqlite)
    assert client.post("/api/v1/parcels", content=sender.pack(sender.tally("2026-11-20", 50))).status_code == 200


def test_a_depot_that_cannot_be_read_is_told_once_and_looked_at_again(
    sqlite: Database,
    depot: Path,
    published: Publish,
    tmp_path: Path,
) -> None:
    published()
    timestamp = depot / "metadata/timestamp.json"
    content = timestamp.read_bytes()
    timestamp.write_bytes(b"{}")
    log = tmp_path / "events"
    with served(sqlite, depot=depot, events=log) as client:
        releases = hub_of(client).releases
        assert not releases.look()
        assert client.get("/health").json()["depot"] is False
        timestamp.write_bytes(content)
        os.utime(timestamp, (1, 1))
        assert releases.look()
        assert not releases.look()
        assert client.get("/health").json()["depot"] is True
    kinds = [line.split('"kind":"')[1].split('"')[0] for line in log.read_text().splitlines()]
    assert kinds == ["depot-unreadable", "started", "release-seen", "stopped"]

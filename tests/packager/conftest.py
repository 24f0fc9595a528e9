"""A depot, the keys that sign it, releases to publish in it, and a device that follows it."""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from hakobu.depot.create import Plan, create
from hakobu.depot.depot import open_depot
from hakobu.depot.invite import invitation
from hakobu.depot.keychain import Keychain
from hakobu.depot.publish import Offered, Order, publish
from hakobu_runtime.bundle import Bundle, open_bundle, pack_files
from hakobu_runtime.channel.client import Client, open_fetcher
from hakobu_runtime.format.channel import Channel
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.trust import Keyring, PrivateKey, sign
from hub_databases import _all_databases, database, databases, postgres_server  # noqa: F401 - fixtures
from hub_sqlite import _sqlite_databases, sqlite  # noqa: F401 - fixtures

Release = Callable[..., Bundle]
Publish = Callable[..., Offered]


class Device:
    """A device that follows a channel of a depot, and remembers what it knows of it."""

    def __init__(self, depot: Path, folder: Path, channel: str = "stable", model: str = "tiny") -> None:
        self.depot, self.folder = depot, folder
        self.follow = invitation(open_depot(depot), model, channel)

    def look(self, now: datetime, depot: Path | None = None) -> Channel:
        """Return what it is offered."""
        return self.client(now, depot).channel()

    def client(self, now: datetime, depot: Path | None = None) -> Client:
        client = Client(self.folder, self.follow, open_fetcher(str(depot or self.depot)), now, self.follow.earliest)
        client.refresh()
        return client


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def later(now: datetime) -> datetime:
    return now + timedelta(days=10)


@pytest.fixture
def chain(tmp_path: Path) -> Keychain:
    """The keys of the depot, unencrypted."""
    return Keychain((tmp_path / "depot-keys",), lambda path: None, lambda: None)


@pytest.fixture
def depot(tmp_path: Path, chain: Keychain, now: datetime, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A depot that holds nothing yet; no test here cuts the power, so none waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return create(tmp_path / "depot", chain, Plan(), now).path


@pytest.fixture
def release(
    tmp_path: Path,
    tiny_files: Mapping[str, bytes],
    tiny_manifest: Manifest,
    release_key: PrivateKey,
    keyring: Keyring,
) -> Release:
    """Build a release of the tiny model."""

    def build(version: str = "1.0.0", files: Mapping[str, bytes] | None = None, **changes: object) -> Bundle:
        manifest = msgspec.structs.replace(tiny_manifest, version=version, **changes)
        content = {**tiny_files, "manifest.json": encode(manifest), **(files or {})}
        path = tmp_path / f"{manifest.name}-{version}.hako"
        path.write_bytes(pack_files({**content, "model.sig": sign(content, release_key)}))
        return open_bundle(path, keyring)

    return build


@pytest.fixture
def published(depot: Path, chain: Keychain, now: datetime, release: Release) -> Publish:
    """Build and publish a release."""

    def put(version: str = "1.0.0", channel: str = "stable", rollout: int = 100, **more: object) -> Offered:
        order = Order(channel, rollout, **more)  # type: ignore[arg-type]
        return publish(depot, release(version), order, chain, now)

    return put


@pytest.fixture
def device(depot: Path, tmp_path: Path) -> Callable[..., Device]:
    """Make a device that follows a channel of the depot."""

    def follow(channel: str = "stable", name: str = "device") -> Device:
        return Device(depot, tmp_path / name, channel)

    return follow

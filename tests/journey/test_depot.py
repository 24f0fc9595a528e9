"""A builder's depot by its commands: from an empty folder to releases that devices follow, and every refusal."""

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from hakobu_runtime.bundle import pack_files
from hakobu_runtime.channel.client import Client, open_fetcher
from hakobu_runtime.format.channel import Channel
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.validation import Gate, Outcome, Stage, Validation
from hakobu_runtime.trust import PrivateKey, sign

Command = Callable[..., Any]
Refused = Callable[..., None]
Write = Callable[..., Path]
SECRET = {"HAKOBU_KEY_PASSPHRASE": "a long secret"}


class Place(NamedTuple):
    """A depot, with the bundles that may come into it."""

    depot: Path
    keys: Path
    boxes: Path

    def box(self, version: str) -> Path:
        return self.boxes / f"tiny-{version}.hako"


@pytest.fixture(scope="module")
def boxes(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_files: Mapping[str, bytes],
    tiny_manifest: Manifest,
    release_key: PrivateKey,
) -> Path:
    """Releases of the tiny model in a project's `dist`, one of them with a failed gate."""
    folder = tmp_path_factory.mktemp("project 箱") / "dist"
    (folder.parent / "keys").mkdir()
    (folder.parent / "keys" / "release.pub").write_bytes(release_key.public.pem)
    folder.mkdir()
    failed = Gate(Stage.MODEL, "roc_auc", "roc_auc on the hold-out", "0.51", ">= 0.65", Outcome.FAILED)
    for version in ("1.0.0", "1.1.0", "1.2.0", "9.0.0"):
        files = {**tiny_files, "manifest.json": encode(msgspec.structs.replace(tiny_manifest, version=version))}
        if version == "9.0.0":
            files["validation.json"] = encode(Validation("hakobu.validation/1", (failed,)))
        content = pack_files({**files, "model.sig": sign(files, release_key)})
        (folder / f"tiny-{version}.hako").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, hakobu: Command, boxes: Path) -> Path:
    """A depot with one release in it."""
    depot = tmp_path_factory.mktemp("begun") / "depot 箱"
    made = hakobu("depot", "init", depot, "--plain-online", env=SECRET)
    assert (made.returncode, made.stderr) == (0, "")
    assert "depot 箱-keys" in made.stdout
    first = hakobu("publish", boxes / "tiny-1.0.0.hako", "--depot", depot, "--channel", "stable", env=SECRET)
    assert (first.returncode, first.stderr) == (0, "")
    assert "new model:  tiny, signed with the key tiny" in first.stdout
    return depot


@pytest.fixture
def place(begun: Path, boxes: Path, tmp_path: Path) -> Place:
    """That depot, for one test alone."""
    keys = begun.with_name(f"{begun.name}-keys")
    shutil.copytree(begun, tmp_path / begun.name)
    shutil.copytree(keys, tmp_path / keys.name)
    return Place(tmp_path / begun.name, tmp_path / keys.name, boxes)


def look(follow: Path, depot: Path, folder: Path) -> Channel:
    """Return what a device with this follow file is offered."""
    settings = decode(follow.read_bytes(), Follow, str(follow))
    client = Client(folder, settings, open_fetcher(str(depot)), datetime.now(UTC), settings.earliest)
    client.refresh()
    return client.channel()


def test_from_a_bundle_to_a_device_and_back(place: Place, hakobu: Command, tmp_path: Path) -> None:
    def done(*words: object) -> Any:
        ended = hakobu(*words, "--json", env={**SECRET, "HAKOBU_DEPOT": str(place.depot)})
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
        return json.loads(ended.stdout)

    follow = tmp_path / "tiny.follow"
    assert done("depot", "invite", "tiny", "--channel", "stable", "-o", follow)["channel"] == "stable"
    assert [found.version for found in look(follow, place.depot, tmp_path / "device").releases] == ["1.0.0"]
    (tmp_path / "notes.md").write_text("Better with snow ❄\n", encoding="utf-8")
    notes = f"@{tmp_path / 'notes.md'}"
    told = done("publish", place.box("1.1.0"), "--channel", "beta", "--notes", notes)
    assert (told["schema"], told["release"]["notes"]) == ("hakobu.publish/1", "Better with snow ❄")
    assert done("depot", "promote", "tiny", "beta", "--rollout", 10)["release"]["rollout"] == 10
    changed = done("depot", "rollout", "tiny", "stable", 50)["channels"][0]
    assert [entry["version"] for entry in changed["releases"]] == ["1.1.0", "1.0.0"]
    assert look(follow, place.depot, tmp_path / "device").releases[0].rollout == 50
    assert len(done("depot", "rollback", "tiny", "stable")["channels"][0]["withdrawn"]) == 1
    done("publish", place.box("1.2.0"), "--channel", "stable", "--minimum-version", "1.2.0")
    done("depot", "revoke", "tiny", "1.0.0", "--reason", "trained on the wrong year")
    found = look(follow, place.depot, tmp_path / "device")
    assert ([release.version for release in found.releases], found.minimum_version) == (["1.2.0"], "1.2.0")
    assert found.revoked[0].reason == "trained on the wrong year"
    done("depot", "minimum", "tiny", "stable", "any")
    status = done("depot", "status")
    assert [role["name"] for role in status["roles"]] == ["root", "targets", "snapshot", "timestamp", "tiny"]
    assert status["models"][0]["versions"] == ["1.0.0", "1.1.0", "1.2.0"]
    assert done("depot", "verify")["channels"] == ["tiny/beta", "tiny/stable"]
    assert look(follow, place.depot, tmp_path / "device").minimum_version == ""


def test_keys_are_exchanged_and_root_is_signed_in_two_sittings(
    place: Place, hakobu: Command, tmp_path: Path, refused: Refused
) -> None:
    def done(*words: object) -> str:
        ended = hakobu(*words, "--depot", place.depot, env=SECRET)
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
        return str(ended.stdout)

    follow, away = tmp_path / "tiny.follow", tmp_path / "away"
    done("depot", "invite", "tiny", "--channel", "stable", "-o", follow)
    look(follow, place.depot, tmp_path / "device")
    assert "tiny goes, tiny-2 comes" in done("depot", "rotate-key", "tiny")
    away.mkdir()
    for number in (2, 3):
        for ending in ("pem", "pub"):
            (place.keys / f"root-{number}.{ending}").rename(away / f"root-{number}.{ending}")
    words = done("depot", "rotate-key", "timestamp")
    assert "waiting: root 2, signed by root-1" in words
    assert "missing: 1 more of root-2, root-3: hakobu depot sign KEY.pem" in words
    assert "root 2 waits for 1 more" in done("depot", "status")
    refused(hakobu("depot", "rotate-key", "snapshot", "--depot", place.depot, env=SECRET), 8, "waits", "sign --drop")
    refused(
        hakobu("depot", "sign", place.keys / "targets.pem", "--depot", place.depot, env=SECRET), 5, "none of the root"
    )
    assert "published: root 2, signed by root-1, root-2" in done("depot", "sign", away / "root-2.pem")
    assert "signed: timestamp" in done("depot", "refresh")
    assert look(follow, place.depot, tmp_path / "device").releases[0].version == "1.0.0"
    assert "sound: tiny/stable" in done("depot", "verify")


def test_the_schedule_needs_no_passphrase_and_no_offline_key(place: Place, hakobu: Command) -> None:
    for path in place.keys.glob("*"):
        if path.stem not in ("timestamp", "snapshot"):
            path.unlink()
    ended = hakobu("depot", "refresh", "--depot", place.depot)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("signed: timestamp 3, holds until ")


def test_a_bundle_that_failed_a_gate_is_a_finding(place: Place, hakobu: Command) -> None:
    ended = hakobu("publish", place.box("9.0.0"), "--depot", place.depot, "--channel", "stable", env=SECRET)
    assert ended.returncode == 3
    assert "roc_auc" in ended.stdout
    assert ended.stderr.splitlines()[-1].endswith("not published, since gates failed: roc_auc")
    ended = hakobu("publish", place.box("9.0.0"), "--depot", place.depot, "--channel", "stable", "--json", env=SECRET)
    assert (ended.returncode, json.loads(ended.stdout)["failed"][0]["name"]) == (3, "roc_auc")


def test_what_makes_no_sense_is_refused_in_one_line(
    place: Place, hakobu: Command, refused: Refused, tmp_path: Path, public_key: Path
) -> None:
    def ended(*words: object, secret: str | None = SECRET["HAKOBU_KEY_PASSPHRASE"]) -> Any:
        env = {"HAKOBU_DEPOT": str(place.depot)} | ({"HAKOBU_KEY_PASSPHRASE": secret} if secret else {})
        return hakobu(*words, env=env)

    foreign = tmp_path / "foreign.pub"
    foreign.write_bytes(PrivateKey.generate().public.pem)
    publish = ("publish", place.box("1.1.0"), "--channel")
    before = {path: path.read_bytes() for path in place.depot.rglob("*") if path.is_file()}
    refused(ended("publish", place.box("1.0.0"), "--channel", "stable"), 9, "in the depot already", "promote")
    refused(ended("publish", tmp_path / "no.hako", "--channel", "stable"), 4, "no such file")
    refused(ended(*publish, "stable", "--key", foreign), 5, "not trusted here")
    refused(ended(*publish, "Stable", "--key", public_key), 2, "'Stable'", "no name of a channel")
    refused(ended(*publish, "stable", "--depot", tmp_path / "no"), 8, "no depot here", "hakobu depot init")
    refused(ended(*publish, "stable", secret="wrong"), 5, "tiny.pem", "passphrase is wrong")
    refused(ended(*publish, "stable", secret=None), 5, "tiny.pem", "HAKOBU_KEY_PASSPHRASE")
    refused(ended(*publish, "stable", "--keys", tmp_path), 5, "tiny.pem", "--keys")
    refused(ended("depot", "rollback", "tiny", "stable"), 2, "no release before 1.0.0")
    refused(ended("depot", "revoke", "tiny", "7.0.0", "--reason", "x"), 2, "never published", "1.0.0")
    refused(ended("depot", "promote", "tiny", "beta"), 2, "no channel 'beta'")
    refused(ended("depot", "renew", "nobody"), 2, "no model 'nobody'")
    refused(ended("depot", "init", place.depot), 8, "is a depot already")
    refused(ended("depot", "init", tmp_path / "new", secret=None), 2, "passphrase")
    refused(ended("depot", "sign"), 2, "--drop")
    assert {path: path.read_bytes() for path in place.depot.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "new").exists()


def test_a_clock_that_is_wrong_is_told(place: Place, hakobu: Command, refused: Refused) -> None:
    for epoch, code, words in (("1", 8, "1970-01-01"), ("9000000000", 8, "2255-03-14"), ("soon", 2, "'soon'")):
        env = {**SECRET, "SOURCE_DATE_EPOCH": epoch}
        refused(hakobu("depot", "refresh", "--depot", place.depot, env=env), code, words)

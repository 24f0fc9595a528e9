"""A depot, a device that follows it over a loopback server and by stick, and all that can go wrong on the way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]
Refused = Callable[..., None]


class Web(ThreadingHTTPServer):
    """A server of a folder on this machine; with `page`, it answers each request with that, as a proxy does."""

    page = b""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Files(SimpleHTTPRequestHandler):
    """Answers without a word on stderr."""

    def do_GET(self) -> None:
        page = self.server.page if isinstance(self.server, Web) else b""
        if not page:
            return super().do_GET()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(page)
        return None

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def web(publisher: Any) -> Iterator[Web]:
    server = Web(("127.0.0.1", 0), partial(Files, directory=str(publisher.path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def depot(publisher: Any, hakobu: Command, public_key: Path) -> Callable[..., Ended]:
    """`hakobu` at the depot of the publisher."""
    publisher.now = datetime.now(UTC)
    publisher.refresh()

    def run(*words: object) -> Ended:
        keys = () if "invite" in words else ("--keys", publisher.keychain.folders[0])
        plain = ("--no-passphrase",) if "publish" in words else ()
        ended = hakobu(*words, "--depot", publisher.path, *keys, *plain)
        assert ended.returncode == 0, ended.stderr
        return ended

    return run


@pytest.fixture
def run(hakobu_run: Command, in_memory: Path, public_key: Path) -> Command:
    """`hakobu-run` on a device that trusts the builder."""
    state = in_memory / "state"
    assert hakobu_run("--state", state, "trust", "add", public_key).returncode == 0
    return partial(hakobu_run, "--state", state)


@pytest.fixture
def table(in_memory: Path) -> Path:
    path = in_memory / "in.csv"
    path.write_text("temp,load\n" + "3,1\n9,1\n9,1\n" * 50)
    return path


def done(ended: Ended) -> str:
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_from_the_invitation_to_a_rollback(
    publisher: Any, depot: Command, web: Web, run: Command, in_memory: Path, table: Path, public_key: Path
) -> None:
    depot("publish", publisher.box("1.0.0"), "--channel", "stable", "--key", public_key, "--notes", "the first")
    invitation = in_memory / "tiny.follow"
    depot("depot", "invite", "tiny", "--channel", "stable", "--address", web.address, "-o", invitation)
    assert f"following: tiny stable, from {web.address}" in done(run("follow", invitation))
    assert done(run("sync")) == "tiny 1.0.0 is installed (the first)\n"
    assert "tiny 1.0.0 is what channel stable offers" in done(run("sync"))
    done(run("score", table, "-o", in_memory / "first.csv"))

    depot("publish", publisher.strict("1.1.0"), "--channel", "stable", "--key", public_key)
    assert json.loads(done(run("sync", "--json")))["installed"] == "1.1.0"
    ended = run("score", table, "-o", in_memory / "second.csv")
    assert "tiny 1.1.0 failed its probation: it rejected 100 of 150 rows" in ended.stderr
    assert (in_memory / "second.csv").read_bytes() == (in_memory / "first.csv").read_bytes()
    assert "tiny 1.1.0 failed on this device" in done(run("sync"))
    assert "held     tiny 1.1.0" in done(run("status"))

    depot("publish", publisher.box("1.2.0"), "--channel", "stable", "--key", public_key)
    assert done(run("sync")) == "tiny 1.2.0 is installed\n"
    assert "rolled back: tiny 1.0.0 is used again, in place of 1.2.0" in done(run("rollback"))
    assert "held     tiny 1.2.0" in done(run("status"))
    assert done(run("sync", "--again")) == "tiny 1.2.0 is installed\n"
    depot("depot", "revoke", "tiny", "1.2.0", "--reason", "it leaks")
    assert "tiny 1.2.0 was revoked: it leaks; 1.0.0 is used again" in run("sync").stderr
    assert json.loads(done(run("status", "--json")))["active"][0]["version"] == "1.0.0"


def test_a_stick_brings_what_the_network_does_not(
    publisher: Any, depot: Command, run: Command, in_memory: Path, table: Path, public_key: Path, refused: Refused
) -> None:
    depot("publish", publisher.box("1.0.0"), "--channel", "stable", "--key", public_key)
    depot("depot", "invite", "tiny", "--channel", "stable", "-o", in_memory / "tiny.follow")
    assert "from sticks alone" in done(run("follow", in_memory / "tiny.follow"))
    refused(run("sync"), 2, "sticks alone", "--from FOLDER")
    stick = in_memory / "usb"
    shutil.copytree(publisher.path, stick / "hakobu" / "depot")
    assert done(run("sync", "--from", stick)).startswith("tiny 1.0.0 is installed\ncounts of 0 windows leave on this")
    older = Path(shutil.copytree(stick, in_memory / "older"))
    depot("publish", publisher.box("1.1.0"), "--channel", "stable", "--key", public_key)
    assert done(run("sync", "--from", publisher.path)) == "tiny 1.1.0 is installed\n"
    ended = run("sync", "--from", older)
    assert ended.returncode == 5
    assert "older than what this device has seen" in ended.stderr
    assert "tiny 1.1.0 stays in use" in ended.stderr
    assert ended.stdout.startswith("counts of 0 windows leave on this stick"), "whatever became of the update"
    done(run("score", table, "-o", in_memory / "out.csv"))


def test_whatever_goes_wrong_has_its_code_and_scoring_goes_on(
    publisher: Any, depot: Command, web: Web, run: Command, in_memory: Path, table: Path, public_key: Path,
    refused: Refused,
) -> None:  # fmt: skip
    depot("publish", publisher.box("1.0.0"), "--channel", "stable", "--key", public_key)
    invitation = in_memory / "tiny.follow"
    depot("depot", "invite", "tiny", "--channel", "stable", "--address", web.address, "-o", invitation)
    refused(run("sync"), 8, "no channel is followed yet")
    refused(run("rollback"), 8, "no model is installed")
    done(run("follow", invitation))
    done(run("sync"))
    stays = "tiny 1.0.0 stays in use"

    refused(run("follow", in_memory / "none.follow"), 6, "cannot be read")
    (in_memory / "bad.follow").write_bytes(invitation.read_bytes()[:-40])
    refused(run("follow", in_memory / "bad.follow"), 4, "bad.follow", "get the .follow file again")
    refused(run("rollback"), 8, "no former bundle", "install FILE.hako")
    refused(run("sync", "--from", in_memory / "nothing"), 7, "put the stick in", stays)
    refused(run("sync", "--from", in_memory), 7, "check that it is the right stick", stays)

    stranger = type(publisher)(in_memory / "stranger", publisher._files, publisher._manifest, publisher.key)
    stranger.publish(stranger.box("9.0.0"))
    refused(run("sync", "--from", stranger.path), 5, "not signed by the keys", stays)

    done(run("follow", "beta"))
    refused(run("sync"), 7, "no channel 'beta', but stable", stays)
    done(run("follow", "stable"))
    web.page = b"<!DOCTYPE html><html><body>Please log in</body></html>"
    refused(run("sync"), 7, "a web page came instead", stays)
    web.page = b""

    depot("publish", publisher.box("1.1.0"), "--channel", "stable", "--key", public_key)
    (target,) = (publisher.path / "targets").rglob("*1.1.0.hako")
    content = target.read_bytes()
    target.write_bytes(content[:-100])
    refused(run("sync"), 7, "1.1.0.hako", stays)
    target.write_bytes(content[:-100] + bytes(100))
    refused(run("sync"), 5, "1.1.0.hako", "digest differs", stays)
    done(run("score", table, "-o", in_memory / "out.csv"))
    target.write_bytes(content)
    assert done(run("sync")) == "tiny 1.1.0 is installed\n"

    web.shutdown()
    web.server_close()
    refused(run("sync"), 7, "nobody answers", "tiny 1.1.0 stays in use")
    ended = run("doctor")
    assert ended.returncode == 0
    assert "nobody answers there; last read" in ended.stdout
    done(run("score", table, "-o", in_memory / "out.csv"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written_to_is_told(
    publisher: Any, depot: Command, run: Command, in_memory: Path, public_key: Path, refused: Refused
) -> None:
    depot("publish", publisher.box("1.0.0"), "--channel", "stable", "--key", public_key)
    depot("depot", "invite", "tiny", "--channel", "stable", "--address", publisher.path, "-o", in_memory / "f.follow")
    done(run("follow", in_memory / "f.follow"))
    folder = in_memory / "state" / "updates" / "tiny"
    folder.chmod(0o500)
    try:
        refused(run("sync"), 8, str(folder))
    finally:
        folder.chmod(0o700)


def wait_for(words: bytes, process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    latest = monotonic() + 60
    while words not in process.stdout.readline():
        assert monotonic() < latest
        sleep(0.05)


@pytest.mark.skipif(os.name == "nt", reason="has no such signals")
def test_rounds_end_in_good_order_and_never_run_twice(
    publisher: Any, depot: Command, run: Command, in_memory: Path, public_key: Path, refused: Refused
) -> None:
    depot("publish", publisher.box("1.0.0"), "--channel", "stable", "--key", public_key)
    depot("depot", "invite", "tiny", "--channel", "stable", "--address", publisher.path, "-o", in_memory / "f.follow")
    done(run("follow", in_memory / "f.follow"))
    command = [
        sys.executable,
        "-u",
        "-m",
        "hakobu_runtime",
        "--state",
        str(in_memory / "state"),
        "sync",
        "--every",
        "6h",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for(b"tiny 1.0.0 is installed", process)
        refused(run("sync", "--every", "1h"), 8, "another hakobu is at work")
        assert "is what channel stable offers" in done(run("sync")), "a look by hand is none of these"
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (0, b"")


def test_scoring_starts_without_what_updates_need(
    publisher: Any, depot: Command, run: Command, in_memory: Path, table: Path, public_key: Path
) -> None:
    depot("publish", publisher.box("1.0.0"), "--channel", "stable", "--key", public_key)
    depot("depot", "invite", "tiny", "--channel", "stable", "--address", publisher.path, "-o", in_memory / "f.follow")
    done(run("follow", in_memory / "f.follow"))
    done(run("sync"))
    words = ["score", str(table), "-o", str(in_memory / "out.csv")]
    command = [sys.executable, "-X", "importtime", "-m", "hakobu_runtime", "--state", str(in_memory / "state"), *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "hakobu_runtime.device.score" in imported
    needless = ("tuf", "urllib3", "securesystemslib", "backports.zstd", "hakobu_runtime.channel")
    assert not {name for name in imported if name.startswith(needless)}


def test_a_sync_is_scheduled_like_a_folder(run: Command, in_memory: Path, refused: Refused) -> None:
    ended = run("schedule", "--sync", "--daily", "06:30", "--for", "linux", "-o", in_memory)
    assert "hakobu-sync-" in done(ended)
    (service,) = in_memory.glob("hakobu-sync-*.service")
    assert '"sync"' in service.read_text()
    refused(run("sync", "--every", "6h", "--again"), 2, "--again is for one look")
    refused(run("schedule", "--daily", "06:30"), 2, "either a FOLDER to score, or --sync")
    refused(run("schedule", in_memory, "--sync", "--daily", "06:30"), 2, "either a FOLDER")

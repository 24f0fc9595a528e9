"""The hub as a process: what it says, how it ends, and what survives when it is killed."""

import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import urllib3
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select

from browser import FOUND, browser
from hakobu.cli.main import main
from hakobu.hub.bundles import add_bundle
from hakobu.hub.database import Database, open_database
from hakobu.hub.intake import Taken, take
from hakobu.hub.migrate import upgrade
from hakobu.hub.tables import parcels, windows
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.trust import Keyring
from hub_senders import Sender
from hub_web import Process, wait_for

TODAY = datetime.now(UTC).date()


@pytest.fixture
def tiny(tiny_box: Path, keyring: Keyring) -> Bundle:
    return open_bundle(tiny_box, keyring)


@pytest.fixture
def database(tmp_path: Path, tiny: Bundle) -> Database:
    return begun(tmp_path, tiny)


@pytest.fixture(scope="module")
def hub(
    tmp_path_factory: pytest.TempPathFactory, tiny_box_bytes: bytes, keyring: Keyring
) -> Iterator[tuple[Process, Sender]]:
    """A hub that runs, and a device that it knows, for the tests that do not end it."""
    folder = tmp_path_factory.mktemp("running")
    (folder / "tiny.hako").write_bytes(tiny_box_bytes)
    bundle = open_bundle(folder / "tiny.hako", keyring)
    sender = Sender.of("device-1", bundle).enrol(begun(folder, bundle))
    with Process(folder / "hub").running() as process:
        yield process, sender


def begun(folder: Path, bundle: Bundle) -> Database:
    (folder / "hub").mkdir()
    database = open_database(f"sqlite:///{folder}/hub/hub.sqlite")
    upgrade(database)
    add_bundle(database, bundle, datetime.now(UTC))
    return database


def day(number: int) -> str:
    return (TODAY - timedelta(days=number)).isoformat()


def test_a_kill_in_the_midst_of_posts_loses_nothing_that_was_answered(
    tmp_path: Path, database: Database, tiny: Bundle
) -> None:
    senders = [Sender.of(f"device-{number:02}", tiny).enrol(database) for number in range(8)]
    posts = {one.name: [one.pack(one.tally(day(n), 7), serial=n, now=datetime.now(UTC)) for n in range(1, 25)]
             for one in senders}  # fmt: skip
    answered: dict[str, int] = {one.name: 0 for one in senders}
    pool = urllib3.PoolManager(maxsize=8, retries=False)
    process = Process(tmp_path / "hub")

    def send(name: str) -> None:
        for content in posts[name]:
            try:
                answer = pool.request("POST", f"{process.address}/api/v1/parcels", body=content, timeout=30)
            except urllib3.exceptions.HTTPError:
                return
            assert answer.status == 200, answer.data
            answered[name] += 1

    with process.running(), ThreadPoolExecutor(8) as threads:
        done = [threads.submit(send, one.name) for one in senders]
        while sum(answered.values()) < 60 and not all(one.done() for one in done):
            time.sleep(0.01)
        process.kill()
        for one in done:
            one.result(60)
    assert 60 <= sum(answered.values()) < 24 * 8
    with database.read() as connection:
        many = connection.scalar(select(func.count()).select_from(parcels)) or 0
        assert sum(answered.values()) <= many
        assert connection.scalar(select(func.sum(windows.c.rows))) == 7 * many
    for content in posts["device-00"]:  # and what was not answered is sent again
        assert isinstance(take(database, content, "it", datetime.now(UTC)), Taken)
    with database.read() as connection:
        first = select(func.count()).select_from(parcels).where(parcels.c.device_id == 1)
        assert connection.scalar(first) == 24


def test_slow_and_broken_clients_keep_nobody_waiting(hub: tuple[Process, Sender]) -> None:
    process, sender = hub
    head = b"POST /api/v1/parcels HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", process.port)) for _ in range(150)]
    for number, one in enumerate(slow):
        one.sendall(head[: 20 + number] if number % 3 else head + b"{")
        if number % 5 == 0:
            one.close()
    content = sender.pack(sender.tally(day(1), 7), serial=100, now=datetime.now(UTC))
    begun = time.monotonic()
    answer = urllib3.request("POST", f"{process.address}/api/v1/parcels", body=content, timeout=60)
    assert answer.status == 200
    assert time.monotonic() - begun < 15  # a slow one may take 20 seconds and more
    garbage = socket.create_connection(("127.0.0.1", process.port))
    garbage.sendall(b"\x16\x03\x01\x00\xff nonsense\r\n\r\n")
    assert b" 400 " in garbage.recv(1000)
    for one in (*slow, garbage):
        one.close()


def test_it_says_where_it_is_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    process = Process(tmp_path / "hub", "--events", str(events))
    with process.running():
        assert urllib3.request("GET", f"{process.address}/health").status == 200
        out, err = process.interrupt()
    assert process.process.returncode == 0
    assert f"hub:       {process.address}\n" in out
    assert "hakobu hub user add NAME --operator" in out
    assert "hakobu hub invite" in out
    assert len(out.splitlines()) < 12
    assert "Traceback" not in err
    kinds = [json.loads(line)["kind"] for line in events.read_text().splitlines()]
    assert kinds == ["started", "stopped"]


def test_it_listens_on_this_machine_alone(hub: tuple[Process, Sender]) -> None:
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", hub[0].port), 2)


def test_a_port_that_is_in_use_is_told(tmp_path: Path, hub: tuple[Process, Sender]) -> None:
    options = ["--hub", str(tmp_path / "hub"), "--port", str(hub[0].port)]
    found = CliRunner().invoke(main, ["hub", "serve", *options])
    assert found.exit_code == 8
    assert f"port {hub[0].port} of 127.0.0.1 is in use" in found.output


def test_a_database_that_can_only_be_read_is_told(tmp_path: Path) -> None:
    made = CliRunner().invoke(main, ["hub", "upgrade", "--hub", str(tmp_path)])
    assert made.exit_code == 0, made.output
    only_read = f"sqlite:///file:{tmp_path}/hub.sqlite?mode=ro&uri=true"
    found = CliRunner().invoke(main, ["hub", "serve", "--port", "0", "--database", only_read])
    assert found.exit_code == 8, found.output
    assert "readonly database" in found.output.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--depot", "none"], 8, "there is no depot here"),
        (["--tls-cert", "none.pem"], 8, "none.pem: cannot be read: No such file"),
        (["--tls-cert", "junk.pem"], 8, "junk.pem: "),
        (["--tls-key", "junk.pem"], 2, "name that with --tls-cert"),
        (["--receipt-key", "none.pem"], 8, "none.pem: cannot be read"),
        (["--receipt-key", "junk.pem"], 5, "there is no key in PKCS 8 PEM here"),
        (["--host", "no.such.host.invalid"], 2, "is no address of this machine"),
        (["--host", "192.0.2.1"], 2, "is no address of this machine"),
        (["--proxy-header", "X-User"], 2, "--trusted-proxy"),
        (["--trusted-proxy", "everybody"], 2, "'everybody' is no address of a proxy"),
        (["--events", "none/events.jsonl"], 8, "events cannot be written there"),
        (["--every", "soon"], 2, "like 60s"),
        (["--webhook", "chat"], 2, "a webhook must be an address"),
        (["--root-path", "hub/"], 2, "must begin with a slash"),
        (["--database", "mysql://x/y"], 2, "is no database that the hub knows"),
        (["--database", "postgresql://hub@host:port/hub"], 2, "this is no address of a database"),
        (["--database", "sqlite://"], 2, "cannot keep its database in memory"),
    ],
    ids=lambda value: value[0].strip("-") if isinstance(value, list) else "",
)
def test_what_cannot_be_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], code: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "junk.pem").write_text("junk")
    found = CliRunner().invoke(main, ["hub", "serve", "--port", "0", *options])
    assert found.exit_code == code, found.output
    assert words in found.output.splitlines()[-1]


def test_it_speaks_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    process = Process(tmp_path / "hub", "--tls-cert", str(certificate), "--tls-key", str(key))
    with process.running():
        context = ssl.create_default_context(cafile=str(certificate))
        pool = urllib3.PoolManager(ssl_context=context)
        assert pool.request("GET", f"https://127.0.0.1:{process.port}/health").status == 200
        # Somebody who does not get on with TLS ends nothing.
        with socket.create_connection(("127.0.0.1", process.port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            plain.recv(100)
        answer = pool.request("GET", f"https://127.0.0.1:{process.port}/login")
        assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.skipif(FOUND is None, reason="chromium is not installed: build/install-apt-packages.sh installs it")
def test_a_browser_shows_the_api_and_fetches_nothing_from_elsewhere(
    tmp_path: Path, hub: tuple[Process, Sender]
) -> None:
    with browser(tmp_path) as page:
        page.visit(f"{hub[0].address}/docs")
        wait_for(lambda: "Take a parcel" in page.evaluate("document.body.innerText"))
        assert page.complaints == []
        assert all(asked.startswith(hub[0].address) or asked.startswith("data:") for asked in page.requests)


def self_signed(folder: Path) -> tuple[Path, Path]:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "hub.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    content = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "hub.key").write_bytes(content)
    return folder / "hub.crt", folder / "hub.key"


def test_no_other_command_loads_what_the_hub_takes() -> None:
    code = (
        "import sys; from hakobu.cli.main import main; main.get_command(None, 'hub').list_commands(None);"
        "print(sorted({'fastapi', 'sqlalchemy', 'uvicorn', 'alembic'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_bad_posts_beside_good_ones_do_not_bring_them_to_a_halt(hub: tuple[Process, Sender]) -> None:
    process, sender = hub
    stranger = Sender("device-2", sender.manifest, sender.model.digest)
    bad = [b"nonsense", b"[" * 100_000, stranger.pack()[:-20], b"x" * 200_000]
    ended = threading.Event()

    def flood(number: int) -> int:
        many = 0
        with urllib3.PoolManager(maxsize=1, retries=False) as pool:
            while not ended.is_set():
                try:
                    pool.request("POST", f"{process.address}/api/v1/parcels", body=bad[number % 4], timeout=30)
                except urllib3.exceptions.HTTPError:
                    continue
                many += 1
        return many

    with ThreadPoolExecutor(8) as threads:
        floods = [threads.submit(flood, number) for number in range(8)]
        try:
            for serial in range(1, 11):
                content = sender.pack(sender.tally(day(serial), 7), serial=serial, now=datetime.now(UTC))
                answer = urllib3.request("POST", f"{process.address}/api/v1/parcels", body=content, timeout=30)
                assert answer.status == 200, answer.data
        finally:
            ended.set()
        assert sum(one.result(60) for one in floods) > 20

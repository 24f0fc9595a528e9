"""Depots behind HTTP, on networks as they are: cut, slow, proxied, redirected, logged in to, or away."""

import random
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from faulty_server import (
    Fault,
    Proxy,
    Server,
    closing,
    cut_after,
    dripping,
    dripping_head,
    endless,
    serving,
    silent,
    squeezed,
    status,
    whole,
)
from hakobu_runtime.channel.client import Client, open_fetcher
from hakobu_runtime.channel.download import Wanted, download
from hakobu_runtime.channel.fetch import AbsentError, BrokenError, read_whole
from hakobu_runtime.channel.http import HttpFetcher
from hakobu_runtime.errors import TransferError, TrustError
from simulated_depot import SimulatedDepot, channel_of

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
BOX = random.Random(5).randbytes(400_000)
FILE = "/depot/targets/box"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the machine that the tests run on."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        server.files[FILE] = BOX
        server.files["/depot/metadata/timestamp.json"] = b'{"signed": {}}'
        yield server


def fetcher_of(server: Server, *, timeout: float = 5.0, rate: int | None = None, tries: int = 2) -> HttpFetcher:
    return HttpFetcher(f"{server.address}/depot", timeout=timeout, rate=rate, pauses=(0.01,) * tries)


def wanted(content: bytes = BOX) -> Wanted:
    def same(file: BinaryIO) -> bool:
        return file.read() == content

    return Wanted("targets/box", len(content), "mark", same)


def take(server: Server, folder: Path, *, tries: int = 2, rate: int | None = None, timeout: float = 5.0) -> bytes:
    """Download the box."""
    seen: list[int] = []
    fetcher = fetcher_of(server, tries=tries, rate=rate, timeout=timeout)
    download(fetcher, wanted(), folder / "box", lambda done, size: seen.append(done))
    assert seen[-1] == len(BOX)
    return (folder / "box").read_bytes()


def test_a_device_follows_a_depot_behind_an_address(server: Server, tmp_path: Path) -> None:
    depot = SimulatedDepot(NOW, "pumps")
    release = depot.release("pumps", "1.0.0", BOX)
    depot.offer(channel_of("pumps", release))
    server.files = {f"/depot/{name}": content for name, content in depot.files.items()}
    client = Client(tmp_path / "kept", depot.follow("pumps"), open_fetcher(f"{server.address}/depot/"), NOW, NOW)
    client.refresh()
    assert client.channel().releases == (release,)
    assert client.fetch(release.target, tmp_path / "box").read_bytes() == BOX
    assert len(list(tmp_path.iterdir())) == 2


def test_a_download_that_breaks_off_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.plan[FILE] = [cut_after(100_000), cut_after(50_000)]
    assert take(server, tmp_path) == BOX
    assert server.asked == [(FILE, ""), (FILE, "bytes=100000-"), (FILE, "bytes=150000-")]
    assert [path.name for path in tmp_path.iterdir()] == ["box"]


def test_what_came_is_kept_for_the_next_day(server: Server, tmp_path: Path) -> None:
    server.plan[FILE] = [cut_after(300_000)]
    with pytest.raises(BrokenError, match="before everything had come"):
        take(server, tmp_path, tries=0)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 300_000
    assert not (tmp_path / "box").exists()
    assert take(server, tmp_path) == BOX
    assert server.asked[1:] == [(FILE, "bytes=300000-")]


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(BOX)
    assert take(server, tmp_path) == BOX
    assert server.asked == []


@pytest.mark.parametrize(
    "fault",
    [whole, squeezed, status(416), status(206, b"x", Content_Range="bytes 0-0/9"), status(206, b"x")],
    ids=["ignored", "squeezed", "unsatisfied", "another", "unnamed"],
)
def test_a_server_that_cannot_begin_in_the_middle_begins_anew(server: Server, tmp_path: Path, fault: Fault) -> None:
    server.plan[FILE] = [cut_after(100_000), fault]
    assert take(server, tmp_path) == BOX


def test_a_damaged_remainder_is_fetched_anew_once(server: Server, tmp_path: Path) -> None:
    server.plan[FILE] = [cut_after(300_000)]
    with pytest.raises(BrokenError):
        take(server, tmp_path, tries=0)
    (left,) = tmp_path.iterdir()
    left.write_bytes(bytes(300_000))
    assert take(server, tmp_path) == BOX
    left.write_bytes(bytes(500_000))
    (tmp_path / "box").unlink()
    assert take(server, tmp_path) == BOX


def test_a_file_that_is_another_is_thrown_away_and_not_asked_for_twice(server: Server, tmp_path: Path) -> None:
    server.files[FILE] = BOX[::-1]
    with pytest.raises(TrustError, match="its digest differs"):
        take(server, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(server.asked) == 1


def test_the_remainder_of_another_file_is_cleared_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "box.other.partial").write_bytes(b"of last year")
    assert take(server, tmp_path) == BOX
    assert [path.name for path in tmp_path.iterdir()] == ["box"]


def test_a_page_in_the_place_of_a_bundle_is_said_to_be_one(server: Server, tmp_path: Path) -> None:
    server.plan[FILE] = [status(200, b"\n<!DOCTYPE html><title>Log in</title>")]
    with pytest.raises(TransferError, match=r"a web page came instead of the file.*log in with a browser"):
        take(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_endless_data_is_cut_off(server: Server, tmp_path: Path) -> None:
    server.plan[FILE] = [endless]
    with pytest.raises(TransferError, match="more than the 400000 bytes"):
        take(server, tmp_path)
    server.plan["/depot/metadata/timestamp.json"] = [endless]
    with pytest.raises(TransferError, match="more than the 16384 bytes"):
        read_whole(fetcher_of(server), "metadata/timestamp.json", 16_384)


@pytest.mark.parametrize("fault", [dripping, dripping_head, silent])
def test_a_server_that_hardly_sends_anything_holds_nobody(server: Server, tmp_path: Path, fault: Fault) -> None:
    server.plan[FILE] = [fault]
    before = time.monotonic()
    with pytest.raises(BrokenError, match=r"too slow|stopped sending"):
        take(server, tmp_path, tries=0, timeout=0.3)
    assert time.monotonic() - before < 10


def test_a_device_whose_own_disk_is_slow_is_not_held_against_the_server(server: Server) -> None:
    pieces = []
    with fetcher_of(server, timeout=0.3).read("targets/box") as content:
        for chunk in content.chunks:
            pieces.append(chunk)
            if len(pieces) < 3:
                time.sleep(0.5)
    assert b"".join(pieces) == BOX


def test_the_rate_is_kept(server: Server, tmp_path: Path) -> None:
    before = time.monotonic()
    assert take(server, tmp_path, rate=800_000) == BOX
    assert time.monotonic() - before > 0.4


@pytest.mark.parametrize("fault", [status(503), status(500), status(429), status(408), closing])
def test_a_server_that_fails_once_is_asked_again(server: Server, tmp_path: Path, fault: Fault) -> None:
    server.plan[FILE] = [fault]
    assert take(server, tmp_path) == BOX
    server.plan["/depot/metadata/timestamp.json"] = [fault]
    assert read_whole(fetcher_of(server), "metadata/timestamp.json", 100) == b'{"signed": {}}'


def test_a_server_that_always_fails_is_asked_a_few_times(server: Server, tmp_path: Path) -> None:
    server.plan[FILE] = [status(503)] * 9
    with pytest.raises(BrokenError, match=r"out of order or busy \(503\); try again later"):
        take(server, tmp_path)
    assert len(server.asked) == 3


def test_a_server_that_sends_a_little_each_time_is_not_asked_for_ever(server: Server, tmp_path: Path) -> None:
    server.plan[FILE] = [cut_after(10)] * 40
    with pytest.raises(BrokenError):
        take(server, tmp_path)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (404, AbsentError, "no such file for us (404): check the address"),
        (403, AbsentError, "no such file for us (403)"),
        (401, TransferError, "wants a name and a password (401)"),
        (511, TransferError, "log in with a browser"),
        (418, TransferError, "the answer 418"),
        (204, TransferError, "the answer 204"),
    ],
)
def test_each_refusal_has_its_words(server: Server, code: int, kind: type[Exception], words: str) -> None:
    server.plan[FILE] = [status(code)]
    with pytest.raises(kind) as error:
        read_whole(fetcher_of(server), "targets/box", 10**6)
    assert words in str(error.value)
    assert str(error.value).startswith(f"{server.address}/depot/targets/box: ")
    assert len(server.asked) == 1


def test_squeezed_metadata_are_read_and_counted_as_they_unfold(server: Server) -> None:
    server.plan["/depot/metadata/timestamp.json"] = [squeezed]
    assert read_whole(fetcher_of(server), "metadata/timestamp.json", 100) == b'{"signed": {}}'
    server.files["/depot/metadata/timestamp.json"] = bytes(10**7)
    server.plan["/depot/metadata/timestamp.json"] = [squeezed]
    with pytest.raises(TransferError, match="more than the 100 bytes"):
        read_whole(fetcher_of(server), "metadata/timestamp.json", 100)


def test_what_is_said_to_be_squeezed_and_is_not_is_broken(server: Server) -> None:
    server.plan[FILE] = [status(200, b"no gzip", Content_Encoding="gzip")] * 3
    with pytest.raises(BrokenError):
        read_whole(fetcher_of(server), "targets/box", 100)


def test_a_file_that_has_moved_is_followed_without_the_password(server: Server) -> None:
    with serving(Server()) as other:
        other.files["/elsewhere"] = b"moved"
        server.plan[FILE] = [status(302, Location=f"{other.address}/elsewhere")]
        known = HttpFetcher(f"{server.address.replace('//', '//clerk:secret@')}/depot")
        assert read_whole(known, "targets/box", 100) == b"moved"
        assert server.headers[0]["Authorization"].startswith("Basic ")
        assert "authorization" not in {name.lower() for name in other.headers[0]}


def test_a_file_that_moves_in_circles_is_given_up(server: Server) -> None:
    server.plan[FILE] = [status(301, Location=FILE)] * 20
    with pytest.raises(TransferError, match="sent on more than 5 times"):
        read_whole(fetcher_of(server), "targets/box", 100)


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd", "javascript:alert(1)", "http://[x"])
def test_nobody_is_sent_on_to_another_kind_of_place(server: Server, target: str) -> None:
    server.plan[FILE] = [status(302, Location=target)]
    with pytest.raises(TransferError, match="no secure place"):
        read_whole(fetcher_of(server), "targets/box", 100)


def unused_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port: int = line.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("127.0.0.1:{port}", "nobody answers there"),
        ("nowhere.invalid", "the name of the host is not known"),
        ("[broken", "no address that can be read"),
        ("a..b", "no address that can be read"),
        ("\N{FULLWIDTH SOLIDUS}x", "no address that can be read"),
    ],
)
def test_being_offline_is_said_and_no_password_with_it(host: str, words: str) -> None:
    address = f"http://clerk:secret@{host.format(port=unused_port())}/depot?token=secret"
    with pytest.raises(TransferError) as error:
        read_whole(HttpFetcher(address, pauses=()), "metadata/timestamp.json", 100)
    assert words in str(error.value)
    assert "secret" not in str(error.value)
    assert error.value.exit_code == 7


def test_a_proxy_of_the_environment_is_used_with_its_password(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = type("Guarded", (Proxy,), {"password": "clerk:pass wハ"})
    with serving(Server(guarded)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.address.replace("//", "//clerk:pass%20w%E3%83%8F@"))
        assert read_whole(fetcher_of(server), "metadata/timestamp.json", 100) == b'{"signed": {}}'
        assert proxy.asked == [(f"{server.address}/depot/metadata/timestamp.json", "GET")]
        monkeypatch.setenv("http_proxy", proxy.address.replace("//", "//clerk:wrong@"))
        with pytest.raises(TransferError, match=r"the proxy http://127.*\(407\): write them into HTTPS_PROXY") as error:
            read_whole(fetcher_of(server), "metadata/timestamp.json", 100)
        assert "wrong" not in str(error.value)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert read_whole(fetcher_of(server), "metadata/timestamp.json", 100) == b'{"signed": {}}'
        assert len(proxy.asked) == 2


def test_a_proxy_without_a_scheme_is_taken_for_http(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Server(Proxy)) as proxy:
        monkeypatch.setenv("all_proxy", proxy.address.removeprefix("http://"))
        assert read_whole(fetcher_of(server), "metadata/timestamp.json", 100) == b'{"signed": {}}'
        assert len(proxy.asked) == 1


def test_a_proxy_that_is_away_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{unused_port()}")
    with pytest.raises(TransferError, match="proxy http://127") as error:
        read_whole(fetcher_of(server), "metadata/timestamp.json", 100)
    assert "secret" not in str(error.value)


def test_a_proxy_of_an_unknown_kind_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(TransferError, match="a kind that hakobu does not speak"):
        read_whole(fetcher_of(server), "metadata/timestamp.json", 100)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that is its own authority, with its key behind it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the loopback")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(Server(), context) as server:
        server.files[FILE] = BOX
        yield server


def address_of(server: Server) -> str:
    return f"{server.address.replace('http:', 'https:')}/depot"


def test_certificates_are_those_that_ssl_cert_file_names(
    secure: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetcher = HttpFetcher(address_of(secure), pauses=())
    with pytest.raises(TransferError, match=r"certificate does not hold \(self.signed.*SSL_CERT_FILE"):
        read_whole(fetcher, "targets/box", 10**6)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert read_whole(HttpFetcher(address_of(secure)), "targets/box", 10**6) == BOX
    with serving(Server(Proxy)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.address)
        assert read_whole(HttpFetcher(address_of(secure)), "targets/box", 10**6) == BOX
        assert proxy.asked[0][1] == "CONNECT"
    monkeypatch.delenv("https_proxy")
    secure.plan[FILE] = [status(302, Location="http://127.0.0.1:9/box")]
    with pytest.raises(TransferError, match="no secure place"):
        read_whole(HttpFetcher(address_of(secure)), "targets/box", 10**6)


@pytest.mark.parametrize(("content", "words"), [(None, "there is no such file"), ("junk", "cannot be read")])
def test_a_certificate_file_of_no_use_is_named(
    secure: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, words: str
) -> None:
    path = tmp_path / "certificates.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(TransferError, match=words):
        read_whole(HttpFetcher(address_of(secure), pauses=()), "targets/box", 10**6)


def test_a_proxy_password_that_is_wrong_for_a_tunnel_is_said(
    secure: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    guarded = type("Guarded", (Proxy,), {"password": "a:b"})
    with serving(Server(guarded)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.address)
        with pytest.raises(TransferError, match=r"\(407\)"):
            read_whole(HttpFetcher(address_of(secure), pauses=()), "targets/box", 10**6)


def test_a_plain_server_behind_https_is_said_to_be_none(server: Server) -> None:
    with pytest.raises(TransferError, match="no secure connection can be made"):
        read_whole(HttpFetcher(address_of(server), pauses=()), "targets/box", 10**6)


@pytest.mark.parametrize("fault", [dripping, dripping_head, silent])
def test_a_slow_server_behind_tls_holds_nobody_either(
    secure: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    secure.plan[FILE] = [fault]
    before = time.monotonic()
    with pytest.raises(BrokenError, match=r"too slow|stopped sending"):
        read_whole(HttpFetcher(address_of(secure), timeout=0.5, pauses=()), "targets/box", 10**6)
    assert time.monotonic() - before < 10

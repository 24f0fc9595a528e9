"""A web server and a proxy on the loopback that do wrong what they are told to do wrong."""

import base64
import gzip
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Fault = Callable[["Answer", bytes], None]
"""What is done in the place of answering with a file's content."""


class Answer(BaseHTTPRequestHandler):
    """One request, answered from the server's files, with the next fault of its plan if there is one."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        """Answer."""
        path = urlsplit(self.path).path
        self.server.asked.append((path, self.headers.get("Range", "")))
        self.server.headers.append(dict(self.headers))
        content = self.server.files.get(path)
        faults = self.server.plan.get(path, [])
        with suppress(OSError):
            if faults:
                faults.pop(0)(self, content or b"")
            elif content is None:
                self.reply(404, b"<html>no such page</html>")
            else:
                self.reply_from(content)

    def reply_from(self, content: bytes) -> None:
        """Answer as a good server does, with what was asked for."""
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").removesuffix("-") or 0)
        if not asked:
            self.reply(200, content)
        elif start >= len(content):
            self.reply(416, b"")
        else:
            place = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.reply(206, content[start:], {"Content-Range": place})

    def reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Files by path, what to do wrong with each, and what was asked for."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler] = Answer) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.files: dict[str, bytes] = {}
        self.plan: dict[str, list[Fault]] = {}
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.ending = threading.Event()

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing when a client goes away."""


class Proxy(BaseHTTPRequestHandler):
    """Passes requests on, and tunnels, for those who know the password if there is one."""

    protocol_version = "HTTP/1.1"
    server: "Server"
    password = ""

    def _refused(self) -> bool:
        self.server.asked.append((self.path, self.command))
        wanted = f"Basic {base64.b64encode(self.password.encode()).decode()}"
        if self.password and self.headers.get("Proxy-Authorization") != wanted:
            self.send_response(407)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return True
        return False

    def do_GET(self) -> None:
        """Pass a plain request on."""
        if self._refused():
            return
        parts = urlsplit(self.path)
        with socket.create_connection((parts.hostname, parts.port)) as line:
            line.sendall(f"GET {parts.path} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
            self.close_connection = True
            while content := line.recv(1 << 16):
                self.wfile.write(content)

    def do_CONNECT(self) -> None:
        """Tunnel."""
        if self._refused():
            return
        host, port = self.path.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as line:
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            ends = {line: self.connection, self.connection: line}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    content = end.recv(1 << 16)
                    if not content:
                        return
                    ends[end].sendall(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@contextmanager
def serving(server: Server, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve until the block ends, over TLS with `context`."""
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


def cut_after(size: int) -> Fault:
    """Send so many bytes, and close."""

    def fault(answer: Answer, content: bytes) -> None:
        start = int(answer.headers.get("Range", "").removeprefix("bytes=").removesuffix("-") or 0)
        answer.send_response(206 if start else 200)
        if start:
            answer.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        answer.send_header("Content-Length", str(len(content) - start))
        answer.end_headers()
        answer.wfile.write(content[start : start + size])
        answer.close_connection = True

    return fault


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer with `code`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer, content: answer.reply(code, body, named)


def whole(answer: Answer, content: bytes) -> None:
    """Ignore what range was asked for."""
    answer.reply(200, content)


def squeezed(answer: Answer, content: bytes) -> None:
    """Compress the answer."""
    answer.reply(200, gzip.compress(content), {"Content-Encoding": "gzip"})


def endless(answer: Answer, content: bytes) -> None:
    """Go on for ever, in chunks."""
    answer.send_response(200)
    answer.send_header("Transfer-Encoding", "chunked")
    answer.end_headers()
    while not answer.server.ending.is_set():
        answer.wfile.write(b"4000\r\n" + bytes(0x4000) + b"\r\n")


def dripping(answer: Answer, content: bytes) -> None:
    """Send a byte now and then, each soon enough for a timeout."""
    answer.send_response(200)
    answer.send_header("Content-Length", str(len(content)))
    answer.end_headers()
    for place in range(len(content)):
        answer.wfile.write(content[place : place + 1])
        if answer.server.ending.wait(0.02):
            break


def dripping_head(answer: Answer, content: bytes) -> None:
    """Send the head of the answer a letter at a time, for ever."""
    answer.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not answer.server.ending.wait(0.02):
        answer.wfile.write(b"x")


def silent(answer: Answer, content: bytes) -> None:
    """Send nothing, and keep the line."""
    answer.server.ending.wait(20)
    answer.close_connection = True


def late(seconds: float) -> Fault:
    """Answer well, after a while."""

    def fault(answer: Answer, content: bytes) -> None:
        time.sleep(seconds)
        answer.reply_from(content)

    return fault


def closing(answer: Answer, content: bytes) -> None:
    """Hang up without a word."""
    answer.close_connection = True
    answer.connection.shutdown(socket.SHUT_RDWR)

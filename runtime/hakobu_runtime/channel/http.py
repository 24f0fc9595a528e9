"""A depot behind HTTP or HTTPS: proxies, log-ins, redirects, and servers that answer slowly, in part, or wrongly."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.connection import HTTPConnection

from hakobu_runtime.channel.failure import in_words, refused
from hakobu_runtime.channel.fetch import Content, Fetcher
from hakobu_runtime.channel.pace import Pace
from hakobu_runtime.channel.route import LINES, log_in, open_manager, proxy_of, shown
from hakobu_runtime.errors import TransferError
from hakobu_runtime.version import __version__

TIMEOUT: Final = 30.0
"""Seconds."""
LEAST: Final = 3000
"""Bytes that have to come within the timeout: a tenth of what the slowest radio modems carry."""
_CHUNK = 1 << 16
_REDIRECTS = 5
MOVED: Final = frozenset({301, 302, 303, 307, 308})


class HttpFetcher(Fetcher):
    """The files below an address that begins with http:// or https://."""

    def __init__(
        self,
        address: str,
        *,
        timeout: float = TIMEOUT,
        rate: int | None = None,
        least: int = LEAST,
        pauses: tuple[float, ...] = (1.0, 4.0),
    ) -> None:
        """`timeout`: seconds to connect in, and in which `least` bytes have to come; `rate`: bytes a second at most."""
        self.place = shown(address)
        self.pauses = pauses
        self._timeout, self._rate, self._least = timeout, rate, least
        self._log_in = log_in(address)
        self._managers: dict[tuple[str, str], urllib3.PoolManager] = {}

    @contextmanager
    def read(self, name: str, start: int = 0) -> Iterator[Content]:
        """Open the file `name` from the byte at `start` on; see Fetcher."""
        where = f"{self.place}/{name}"
        lines: list[HTTPConnection] = []
        LINES.used = lines
        with Pace(lambda: hang_up(lines), rate=self._rate, least=self._least, span=self._timeout) as pace:
            response = self._ask(where, start, pace)
            try:
                begun = _begins_at(response, start)
                if begun is None:  # it cannot begin there: from the start, then
                    response.close()
                    response = self._ask(where, 0, pace)
                    begun = 0
                if response.status not in (200, 206):
                    raise refused(where, response.status, shown(proxy_of(where)))
                pace.begin()
                yield Content(begun, self._chunks(response, where, pace))
            finally:
                response.close()

    def _ask(self, where: str, start: int, pace: Pace) -> urllib3.BaseHTTPResponse:
        """Return the answer to a request for what is at `where` from `start` on, wherever that has moved to."""
        url, home = where, urlsplit(where).netloc
        for _ in range(_REDIRECTS + 1):
            response = self._request(url, where, start, pace, known=urlsplit(url).netloc == home)
            if response.status not in MOVED:
                return response
            response.close()
            target = joined(url, response.headers.get("Location", ""))
            if not as_safe(url, target):
                raise TransferError(
                    f"{where}: is sent on to {shown(target) or 'nowhere'}, which is no secure place; "
                    "check the address of the depot, or log in to the network with a browser"
                )
            url = target
        raise TransferError(f"{where}: is sent on more than {_REDIRECTS} times; check the address of the depot")

    def _request(self, url: str, where: str, start: int, pace: Pace, *, known: bool) -> urllib3.BaseHTTPResponse:
        headers = {"User-Agent": f"hakobu-runtime/{__version__}", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        elif url.endswith(".json"):
            headers["Accept-Encoding"] = "gzip"
        if known:
            headers |= self._log_in
        proxy = proxy_of(url)
        with in_words(where, pace, shown(proxy)):
            return self._manager(urlsplit(url).scheme, proxy).request(
                "GET",
                url,
                headers=headers,
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=self._timeout, read=self._timeout),
            )

    def _manager(self, scheme: str, proxy: str) -> urllib3.PoolManager:
        if (scheme, proxy) not in self._managers:
            self._managers[scheme, proxy] = open_manager(scheme, proxy)
        return self._managers[scheme, proxy]

    def _chunks(self, response: urllib3.BaseHTTPResponse, where: str, pace: Pace) -> Iterator[bytes]:
        size = min(_CHUNK, max(self._rate // 4, 1)) if self._rate else _CHUNK
        while True:
            with in_words(where, pace, ""):
                chunk = response.read1(size, decode_content=True)
            if not chunk:
                break
            pace.count(len(chunk))
            with pace.resting():  # the disk of the device may be slow
                yield chunk


def _begins_at(response: urllib3.BaseHTTPResponse, start: int) -> int | None:
    """Return where the body of the answer begins, asked for from `start` on; None when it is of no use."""
    if response.status == 206:
        ranged = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        return start if ranged and "Content-Encoding" not in response.headers else None
    return None if response.status == 416 and start else 0


def joined(url: str, target: str) -> str:
    """Return where `target`, in an answer from `url`, leads to; "" when it is no address."""
    try:
        found = urljoin(url, target)
        return found if urlsplit(found).hostname else ""
    except ValueError:
        return ""


def as_safe(url: str, target: str) -> bool:
    """Say whether an answer from `url` may send us on to `target`."""
    return target.startswith("https:") or (target.startswith("http:") and url.startswith("http:"))


def hang_up(lines: list[HTTPConnection]) -> None:
    """Break the connection that is in use; whoever waits for it finds it closed."""
    for line in lines[-1:]:
        if isinstance(line.sock, socket.socket):
            with suppress(OSError):
                socket.socket.shutdown(line.sock, socket.SHUT_RDWR)  # SSLSocket's own would break its reader's state

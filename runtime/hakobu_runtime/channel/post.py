"""Posting to a hub: the same proxies, certificates and patience as for a depot, and no word to anybody else.

What is posted goes to the host that was named, and to no other one that an answer may send us on to.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import sleep
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection

from hakobu_runtime.channel.failure import in_words
from hakobu_runtime.channel.fetch import BrokenError
from hakobu_runtime.channel.http import LEAST, MOVED, as_safe, hang_up, joined
from hakobu_runtime.channel.pace import Pace
from hakobu_runtime.channel.route import LINES, log_in, open_manager, proxy_of, shown
from hakobu_runtime.errors import TransferError
from hakobu_runtime.version import __version__

TIMEOUT: Final = 60.0
"""Seconds: a hub that takes many parcels at once lets some wait."""
_PIECE = 1 << 16
_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    where: str
    """The address that was posted to, as it may be shown."""
    proxy: str
    """What it was posted through, as it may be shown; "" for nothing."""
    status: int
    content: bytes
    wait: float | None
    """For how many seconds the server wants to be left alone; None where it does not say."""


class Poster:
    """Posts below an address that begins with http:// or https://."""

    def __init__(
        self,
        address: str,
        *,
        timeout: float = TIMEOUT,
        rate: int | None = None,
        least: int = LEAST,
        pauses: tuple[float, ...] = (1.0,),
    ) -> None:
        """`timeout`: seconds to connect in, and in which `least` bytes have to pass; `rate`: bytes a second at most;
        `pauses`: seconds to wait before each further try of what broke off."""
        self.place = shown(address)
        self._log_in = log_in(address)
        self._timeout, self._rate, self._least, self._pauses = timeout, rate, least, pauses

    def post(self, name: str, body: bytes, headers: Mapping[str, str], most: int) -> Answer:
        """Post `body` to the path `name`, and return the answer, whatever it is, of `most` bytes at most.

        Posted anew when it breaks off: whoever is posted to must not mind to get a thing twice. Raises TransferError.
        """
        for pause in self._pauses:
            try:
                return self._post(name, body, headers, most)
            except BrokenError:
                sleep(pause)
        return self._post(name, body, headers, most)

    def _post(self, name: str, body: bytes, headers: Mapping[str, str], most: int) -> Answer:
        where = url = f"{self.place}/{name}"
        lines: list[HTTPConnection] = []
        LINES.used = lines
        for _ in range(_REDIRECTS + 1):
            with Pace(lambda: hang_up(lines), rate=self._rate, least=self._least, span=self._timeout) as pace:
                response = self._request(url, where, body, headers, pace)
                with closing(response):
                    if response.status not in MOVED:
                        content = _content(response, where, most, pace)
                        wait = _wait(response.headers.get("Retry-After", ""))
                        return Answer(where, shown(proxy_of(url)), response.status, content, wait)
            place = response.headers.get("Location", "")
            target = joined(url, place) if place else ""
            if not _is_same_host(url, target) or not as_safe(url, target):
                raise TransferError(
                    f"{where}: is sent on to {shown(target) or 'nowhere'}, and nothing is posted to another place than "
                    "the one that was named; log in to the network with a browser, or correct the address of the hub"
                )
            url = target
        raise TransferError(f"{where}: is sent on more than {_REDIRECTS} times; check the address of the hub")

    def _request(
        self, url: str, where: str, body: bytes, headers: Mapping[str, str], pace: Pace
    ) -> urllib3.BaseHTTPResponse:
        proxy = proxy_of(url)
        with in_words(where, pace, shown(proxy)):
            return open_manager(urlsplit(url).scheme, proxy).request(
                "POST",
                url,
                body=self._pieces(body, pace),
                headers={
                    "User-Agent": f"hakobu-runtime/{__version__}",
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "Content-Type": "application/json",
                    "Content-Length": str(len(body)),
                    **self._log_in,
                    **headers,
                },
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=self._timeout, read=self._timeout),
            )

    def _pieces(self, body: bytes, pace: Pace) -> Iterator[bytes]:
        size = min(_PIECE, max(self._rate // 4, 1)) if self._rate else _PIECE
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            yield piece
            pace.count(len(piece))


def _content(response: urllib3.BaseHTTPResponse, where: str, most: int, pace: Pace) -> bytes:
    """Return the body of an answer; raise TransferError when it has more than `most` bytes, or breaks off."""
    content = bytearray()
    while True:
        with in_words(where, pace, ""):
            chunk = response.read1(_PIECE, decode_content=True)
        if not chunk:
            return bytes(content)
        pace.count(len(chunk))
        content += chunk
        if len(content) > most:
            raise TransferError(
                f"{where}: answers with more than {most:,} bytes, which no hub needs: check the address of the hub"
            )


def _is_same_host(url: str, target: str) -> bool:
    """Say whether `target` is the server that `url` names: there too, or there over TLS."""
    ours, theirs = urlsplit(url), urlsplit(target)
    safer = (ours.scheme, theirs.scheme) == ("http", "https")
    return ours.hostname == theirs.hostname and (safer or ours.netloc == theirs.netloc)


def _wait(words: str) -> float | None:
    """Return the seconds that a header Retry-After asks for: a number, or a date."""
    if words.strip().isdecimal():
        return float(words.strip()[:9])
    try:
        moment = parsedate_to_datetime(words)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)

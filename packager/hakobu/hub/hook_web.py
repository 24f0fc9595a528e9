"""A webhook: an alarm is posted as JSON to an address, signed where there is a secret."""

import hmac
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection

from hakobu import __version__
from hakobu_runtime.channel.pace import Pace
from hakobu_runtime.channel.route import LINES, open_manager, proxy_of
from hakobu_runtime.errors import TransferError, UsageError

SIGNATURE = "Hakobu-Signature"
"""The header with `sha256=` and, in hex, the HMAC-SHA256 of the body."""
_CONNECT = 5.0
_WHOLE = 15.0
"""Seconds that a connection, and all of it up to the answer, may take."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that alarms are posted to; raises UsageError where it is none."""

    address: str = field(repr=False)
    secret: bytes = field(default=b"", repr=False)
    timeout: float = _WHOLE

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.address)
            known = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
        except ValueError:
            known = False
        if not known:
            raise UsageError("a webhook must be an address like https://chat.example.org/hooks/1")

    @property
    def shown(self) -> str:
        """It without its path and its query, which may hold a secret."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def identity(self) -> str:
        """What tells it from other hooks, and tells nothing of it."""
        return sha256(b"webhook\0" + self.address.encode()).hexdigest()

    def tell(self, message: bytes) -> str:
        """Post `message`, JSON, and return what the answer was; raise TransferError when it was not taken.

        Nothing of the answer but its status is read. It is not followed elsewhere: the message is for this address.
        """
        lines: list[HTTPConnection] = []
        LINES.used = lines
        with Pace(lambda: _hang_up(lines), rate=None, least=1, span=self.timeout) as pace:
            try:
                response = self._post(message)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                why = "" if pace.slow else _reason(error)
                raise TransferError(f"{self.shown}: {why or f'no answer in {self.timeout:g} s'}") from error
            response.close()
        if 300 <= response.status < 400:
            raise TransferError(f"{self.shown}: answers {response.status}: it has moved; name its new address")
        if not 200 <= response.status < 300:
            raise TransferError(f"{self.shown}: answers {response.status}")
        return f"answered {response.status}"

    def _post(self, message: bytes) -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "application/json", "User-Agent": f"hakobu/{__version__}"}
        if self.secret:
            headers[SIGNATURE] = f"sha256={hmac.new(self.secret, message, sha256).hexdigest()}"
        parts = urlsplit(self.address)
        return open_manager(parts.scheme, proxy_of(self.address)).request(
            "POST",
            self.address,
            body=message,
            headers=headers,
            preload_content=False,
            redirect=False,
            retries=False,
            timeout=urllib3.Timeout(connect=min(_CONNECT, self.timeout), read=self.timeout),
        )


def _hang_up(lines: list[HTTPConnection]) -> None:
    """Break the connection that is in use, so that who waits for it finds it closed."""
    for line in lines[-1:]:
        if isinstance(line.sock, socket.socket):
            with suppress(OSError):
                socket.socket.shutdown(line.sock, socket.SHUT_RDWR)


def _reason(error: Exception) -> str:
    """Say what went wrong, without the address, which may hold a secret; "" where it took too long."""
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "no such name is known"
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "nobody answers there"
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return ""
    if isinstance(error, urllib3.exceptions.SSLError):
        return f"its certificate does not hold ({error}): name those to trust in SSL_CERT_FILE"
    if isinstance(error, urllib3.exceptions.ProxyError):
        return "the proxy does not lead there"
    return "the connection broke off"

"""Serving a hub: one process, one port, until somebody ends it."""

import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from hakobu_runtime.errors import StateError, UsageError

_WAITING = 1024
"""Connections that the system holds until we come to them."""
_KEEP = 30
"""Seconds for which a connection is kept that nobody uses."""
_PATIENCE = 20
"""Seconds for which requests that are under way may go on when the hub is ended."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What a hub proves with that it is the one of its address."""

    certificate: Path
    """PEM, with what stands between it and its authority."""
    key: Path | None = None
    """PEM, not encrypted; None where the certificate's file has it."""

    def check(self) -> None:
        """Raise StateError unless both can be read, and belong together."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        names = " and ".join(str(path) for path in (self.certificate, self.key) if path)
        try:
            context.load_cert_chain(self.certificate, self.key, password=lambda: "")
        except ssl.SSLError as error:
            raise StateError(
                f"{names}: {error.reason or 'cannot be used'}: a certificate and its key are needed, in PEM, that "
                "belong together, the key without a passphrase"
            ) from error
        except OSError as error:
            raise StateError(f"{names}: cannot be read: {error.strerror}; check names and permissions") from error


def serve(app: FastAPI, host: str, port: int, tls: Tls | None, told: Callable[[str], None]) -> None:
    """Serve `app` until Ctrl-C or SIGTERM; `told` hears the address once it can be reached.

    Raises StateError when the port is taken or the certificate cannot be used, and UsageError when `host` is no address
    of this machine.
    """
    if tls is not None:
        tls.check()
    with _bound(host, port) as listening:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            proxy_headers=False,  # ours is inside, where it is known who the proxy is
            server_header=False,
            timeout_keep_alive=_KEEP,
            timeout_graceful_shutdown=_PATIENCE,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
            lifespan="on",
        )
        name = f"[{host}]" if ":" in host else host
        server = _Server(config, told, f"{'https' if tls else 'http'}://{name}:{listening.getsockname()[1]}")
        server.run(sockets=[listening])
    if not server.started:
        raise StateError("the hub could not start; the reason stands above")


class _Server(uvicorn.Server):
    """Says when it can be reached."""

    def __init__(self, config: uvicorn.Config, told: Callable[[str], None], address: str) -> None:
        super().__init__(config)
        self._told, self._address = told, address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started:
            self._told(self._address)


def _bound(host: str, port: int) -> socket.socket:
    """Return what listens at this address."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        listening = socket.socket(family, kind)
    except OSError as error:
        raise UsageError(f"--host {host!r} is no address of this machine, like 127.0.0.1 or 0.0.0.0") from error
    try:
        if socket.has_ipv6 and family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # on Windows the usual one lets two programs share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_WAITING)
    except OSError as error:
        listening.close()
        raise _refused(host, port, error) from error
    return listening


def _refused(host: str, port: int, error: OSError) -> StateError | UsageError:
    if error.errno == errno.EADDRINUSE:
        return StateError(f"port {port} of {host} is in use: is a hub running already? Choose another with --port")
    if error.errno == errno.EACCES:
        return StateError(f"port {port} of {host} may not be used by this account: choose one above 1023 with --port")
    return UsageError(f"--host {host!r} is no address of this machine, like 127.0.0.1 or 0.0.0.0")

"""The way to an HTTP server: through a proxy or not, with which certificates, and with the open line at hand."""

import os
import ssl
import threading
from base64 import b64encode
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from hakobu_runtime.errors import TransferError

_SCHEMES: Final = ("http", "https")
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where Linux systems keep their certificates; a program that was frozen on another one looks where that one does."""


class Lines(threading.local):
    """The connections that this thread has used, the newest last."""

    def __init__(self) -> None:
        self.used: list[HTTPConnection] = []


LINES = Lines()


class _Plain(HTTPConnection):
    def connect(self) -> None:
        LINES.used.append(self)
        super().connect()

    def request(self, *args: Any, **options: Any) -> None:
        LINES.used.append(self)
        super().request(*args, **options)


class _Secure(HTTPSConnection):
    def connect(self) -> None:
        LINES.used.append(self)
        super().connect()

    def request(self, *args: Any, **options: Any) -> None:
        LINES.used.append(self)
        super().request(*args, **options)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


def shown(address: str) -> str:
    """Return `address` as it may be shown: without a name, a password, or a query, which may hold a token."""
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise TransferError(
            "the address of the depot, or of its proxy, is no address that can be read; write one like "
            "https://example.org/depot"
        ) from error
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")).rstrip("/")


def log_in(address: str) -> dict[str, str]:
    """Return the header that carries the name and the password of `address`; none where it has none."""
    known = unquote(urlsplit(address).netloc.rpartition("@")[0])
    return {"Authorization": f"Basic {b64encode(known.encode()).decode()}"} if known else {}


def proxy_of(address: str) -> str:
    """Return the proxy that the environment or the system names for `address`, as an address; "" for none."""
    parts = urlsplit(address)
    if not parts.hostname or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


def open_manager(scheme: str, proxy: str) -> urllib3.PoolManager:
    """Return what requests addresses of this scheme through `proxy`; raise TransferError where that cannot be."""
    options: dict[str, Any] = {}
    if "https" in (scheme, urlsplit(proxy).scheme):
        options["ssl_context"] = _certificates()
    if not proxy:
        manager = urllib3.PoolManager(**options)
    else:
        if urlsplit(proxy).scheme not in _SCHEMES:
            raise TransferError(
                f"the proxy {shown(proxy)} is of a kind that hakobu does not speak: name an http:// or https:// one in "
                f"{scheme.upper()}_PROXY"
            )
        headers = {f"Proxy-{name}": value for name, value in log_in(proxy).items()}
        if "ssl_context" in options:
            options["proxy_ssl_context"] = options["ssl_context"]
        manager = urllib3.ProxyManager(shown(proxy), proxy_headers=headers, **options)
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return manager


def _certificates() -> ssl.SSLContext:
    """Return what certificates are checked with: those of the system, or of the file that SSL_CERT_FILE names."""
    named = os.environ.get("SSL_CERT_FILE", "")
    if named and not Path(named).is_file():
        raise TransferError(f"SSL_CERT_FILE names {named}, and there is no such file: correct it, or unset it")
    try:
        context = ssl.create_default_context()
        if not context.cert_store_stats()["x509_ca"]:
            found = named or next(filter(os.path.isfile, _BUNDLES), "")
            if found:
                context.load_verify_locations(found)
    except (ssl.SSLError, OSError) as error:
        raise TransferError(
            f"the certificates in {named or 'the store of this system'} cannot be read ({error}): name a file of "
            "trusted certificates (PEM) in SSL_CERT_FILE"
        ) from error
    return context

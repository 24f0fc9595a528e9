"""What went wrong with a request, in words that say what to do."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, InvalidURL

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from hakobu_runtime.channel.fetch import AbsentError, BrokenError
from hakobu_runtime.channel.pace import Pace
from hakobu_runtime.errors import TransferError

_CLOSED = "the connection was closed before everything had come; try again"


@contextmanager
def in_words(where: str, pace: Pace, proxy: str) -> Iterator[None]:
    """Turn the errors of urllib3 about the file at `where`, read through `proxy` or "", into ours."""
    try:
        yield
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        raise (_too_slow(where) if pace.slow else _failure(where, error, proxy)) from error
    if pace.slow:  # a head that is hung up on looks whole
        raise _too_slow(where)


def refused(where: str, status: int, proxy: str, place: str = "depot") -> TransferError:
    """Return the error that says that the server, or `proxy`, answered with `status` and not as the `place` does."""
    if status in (403, 404, 410):
        hint = "check the address of the depot, or ask whoever runs it"
        return AbsentError(f"{where}: the server has no such file for us ({status}): {hint}")
    if status == 401:
        return TransferError(
            f"{where}: the server wants a name and a password (401): write them into the address of the {place}, like "
            f"https://name:password@host/{place}"
        )
    if status == 407:
        return TransferError(
            f"{where}: the proxy {proxy} wants a name and a password (407): write them into HTTPS_PROXY, like "
            "http://name:password@host:port"
        )
    if status == 511:
        return TransferError(f"{where}: the network wants a log-in (511): log in with a browser, and try again")
    if status >= 500 or status in (408, 425, 429):
        return BrokenError(f"{where}: the server is out of order or busy ({status}); try again later")
    return TransferError(f"{where}: the server gives no file, but the answer {status}: check the address of the depot")


def _too_slow(where: str) -> BrokenError:
    return BrokenError(f"{where}: the server, or the way to it, is too slow: hardly anything came; try again later")


def _failure(where: str, error: Exception, proxy: str) -> TransferError:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(where, cause)
    through = f" through the proxy {proxy}" if proxy else ""
    offline = f"check the network{f', and HTTPS_PROXY ({proxy})' if proxy else ''}, or try again later"
    match error:
        case ProxyError() if "407" in str(error):
            return refused(where, 407, proxy)
        case ProxyError():
            return BrokenError(f"{where}: the proxy {proxy} does not answer as one; {offline}")
        case NameResolutionError():
            return BrokenError(f"{where}: the name of {'the proxy' if proxy else 'the host'} is not known; {offline}")
        case NewConnectionError() | ConnectTimeoutError():
            return BrokenError(f"{where}: nobody answers there{through}; {offline}")
        case ReadTimeoutError():
            return BrokenError(f"{where}: the server stopped sending{through}; try again later")
        case SSLError():
            return TransferError(f"{where}: no secure connection can be made{through} ({_reason(error)}); {offline}")
        case LocationValueError() | InvalidURL() | UnicodeError():
            return TransferError(f"{where}: is no address that can be read; write one like https://example.org/depot")
        case _:
            return BrokenError(f"{where}: {_CLOSED}")


def _untrusted(where: str, error: ssl.SSLCertVerificationError) -> TransferError:
    reason = error.verify_message or "unknown"
    return TransferError(
        f"{where}: the server's certificate does not hold ({reason}): check the clock of this PC; where a company's "
        "proxy reads along, have its certificate put into the system's store, or name its file in SSL_CERT_FILE"
    )


def _reason(error: BaseException) -> str:
    found = [cause.reason for cause in _causes(error) if isinstance(cause, ssl.SSLError) and cause.reason]
    return found[0].replace("_", " ").lower() if found else "unknown"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Go through what led to `error`: urllib3 keeps the inner error as an argument, or as the cause."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = next((value for value in error.args if isinstance(value, BaseException)), None)
        error = inner or error.__cause__ or error.__context__

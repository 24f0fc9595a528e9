"""Asking a hub: what it answers is the value that was hoped for, or an error that says what to do."""

from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from hakobu_runtime.channel.failure import refused
from hakobu_runtime.channel.fetch import BrokenError, is_page
from hakobu_runtime.channel.post import Answer, Poster
from hakobu_runtime.errors import TransferError, TrustError
from hakobu_runtime.format.parcel import plain_words
from hakobu_runtime.format.reply import LARGEST, Refused

T = TypeVar("T")

_WAIT = 60.0
"""Seconds, where a busy hub does not say how long."""
_BUSY = {429, 503}
_TOO_LARGE = 413


class RefusedError(TrustError):
    """The hub refuses what was posted: the same again would change nothing."""

    def __init__(self, words: str, kind: str) -> None:
        super().__init__(words)
        self.kind = kind


class BusyError(TransferError):
    """The hub asks to come again, in `wait` seconds."""

    def __init__(self, words: str, wait: float) -> None:
        super().__init__(words)
        self.wait = wait


def ask(poster: Poster, name: str, body: bytes, kind: type[T], headers: dict[str, str] | None = None) -> T:
    """Post `body`, and return the answer of this `kind`.

    Raises RefusedError when the hub refuses it, BusyError when it is to be tried again later, and TransferError when
    the hub cannot be reached, or something else has answered.
    """
    answer = poster.post(name, body, headers or {}, LARGEST)
    if answer.status == 200:
        found = _decoded(answer.content, kind)
        if found is None:
            raise _not_from_a_hub(answer)
        return found
    said = _decoded(answer.content, Refused)
    if answer.status in _BUSY:
        raise _busy(poster, answer, said)
    if answer.status == _TOO_LARGE:
        words = f"takes no parcel of {len(body):,} bytes (413)"
        raise RefusedError(f"{poster.place}: {words}: have whoever runs it, or its proxy, let more in", "too-large")
    if said is None:
        raise _plain(answer)
    words = plain_words(said.error) or "it does not say why"
    if answer.status >= 500 or answer.status == 408:
        raise BrokenError(f"{poster.place}: {words}")
    raise RefusedError(f"{poster.place}: the hub refused: {words}", said.kind)


def check_address(address: str) -> str:
    """Return `address`; raise TransferError when it is none that can be posted to."""
    try:
        is_one = address.startswith(("http://", "https://")) and bool(urlsplit(address).hostname)
    except ValueError:
        is_one = False
    if not is_one:
        raise TransferError(f"the hub {address!r} is no address like https://example.org/hakobu: correct it")
    return address


def _decoded(content: bytes, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _busy(poster: Poster, answer: Answer, said: Refused | None) -> BusyError:
    wait = _WAIT if answer.wait is None else answer.wait
    why = f" ({plain_words(said.error)})" if said else ""
    return BusyError(
        f"{poster.place}: the hub is busy{why}, and asks to come again in {wait:,.0f} seconds; nothing is lost", wait
    )


def _plain(answer: Answer) -> TransferError:
    """Return the error about an answer, other than 200, that no hub has given."""
    if answer.status in (401, 407, 511) or answer.status >= 500:
        return refused(answer.where, answer.status, answer.proxy, "hub")
    return _not_from_a_hub(answer)


def _not_from_a_hub(answer: Answer) -> TransferError:
    if is_page(answer.content):
        return TransferError(
            f"{answer.where}: a web page answers ({answer.status}), and no hub: check the address of the hub; or a "
            "proxy, or a network that wants a log-in, stands between: log in with a browser, and try again"
        )
    return TransferError(
        f"{answer.where}: something else than a hub answers ({answer.status}): check the address of the hub, or ask "
        "whoever runs it"
    )

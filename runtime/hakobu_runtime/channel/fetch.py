"""What a depot is read through: one interface, with a module for each kind of place it may be at."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import sleep

from hakobu_runtime.errors import TransferError

_PAGE = re.compile(rb"\s*(?:<!--.{0,400}?-->\s*)?<(?:!doctype|html|head|body|script|meta)\b", re.IGNORECASE | re.DOTALL)


class AbsentError(TransferError):
    """The place can be reached, and has no such file, or shows none to us."""


class BrokenError(TransferError):
    """A transfer that broke off, and may well succeed when it is tried again at once."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file while it comes in."""

    start: int
    """The offset of the first byte: what was asked for, or 0 where the place cannot begin in the middle."""
    chunks: Iterator[bytes]
    """Raises TransferError."""


class Fetcher(ABC):
    """Somewhere that files can be read from."""

    place: str
    """Its address as it may be shown: without a password."""
    pauses: tuple[float, ...] = ()
    """Seconds to wait before each further try of what broke off."""

    @abstractmethod
    def read(self, name: str, start: int = 0) -> AbstractContextManager[Content]:
        """Open the file `name`, a path with slashes, from the byte at `start` on.

        Raises AbsentError when there is no such file, BrokenError when the transfer broke off, and TransferError when
        trying again would change nothing.
        """

    def inside(self, folder: str) -> "Fetcher":
        """Return what reads the files of one of its folders."""
        return _Inside(self, folder)


class _Inside(Fetcher):
    def __init__(self, whole: Fetcher, folder: str) -> None:
        self._whole = whole
        self._folder = folder
        self.place = f"{whole.place}/{folder}"
        self.pauses = whole.pauses

    def read(self, name: str, start: int = 0) -> AbstractContextManager[Content]:
        return self._whole.read(f"{self._folder}/{name}", start)


def read_whole(fetcher: Fetcher, name: str, limit: int) -> bytes:
    """Return the content of the file `name`, read anew when it breaks off; raise TransferError above `limit` bytes."""
    for pause in fetcher.pauses:
        try:
            return _read(fetcher, name, limit)
        except BrokenError:
            sleep(pause)
    return _read(fetcher, name, limit)


def _read(fetcher: Fetcher, name: str, limit: int) -> bytes:
    content = bytearray()
    with fetcher.read(name) as found:
        for chunk in found.chunks:
            content += chunk
            if len(content) > limit:
                raise too_long(fetcher, name, limit)
    refuse_page(fetcher, name, content[:512])
    return bytes(content)


def too_long(fetcher: Fetcher, name: str, limit: int) -> TransferError:
    """Return the error that says that a file has more bytes than it may have."""
    return TransferError(
        f"{fetcher.place}/{name}: has more than the {limit} bytes that it may have, so it was not read further: it is "
        "another file than the depot promises; copy the depot again, in whole, or tell whoever runs it"
    )


def refuse_page(fetcher: Fetcher, name: str, head: bytes | bytearray) -> None:
    """Raise TransferError when a file begins like a web page: a proxy, or a network's log-in page, has answered."""
    if is_page(head):
        raise TransferError(
            f"{fetcher.place}/{name}: a web page came instead of the file: a proxy or a network that wants a log-in "
            "stands between; log in with a browser, or ask whoever runs the network, and try again"
        )


def is_page(head: bytes | bytearray) -> bool:
    """Say whether something that begins like this is a web page."""
    return _PAGE.match(head) is not None

"""Reading what is posted: never more than is allowed, not for ever, and not too much at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hakobu_runtime.format.parcel import LARGEST_FILE

_LARGEST_FORM = 64 << 10
"""Bytes."""


class Turned(Exception):  # noqa: N818 - nothing is wrong with us
    """A post that is turned away."""

    def __init__(
        self, status: int, kind: str, words: str, wait: int = 0, device: str = "", *, is_counted: bool = False
    ) -> None:
        """`wait`: seconds until it may be tried again; 0 where that is of no use; `is_counted`: in the database.

        `device`: which one signed it; "" where that is not known.
        """
        super().__init__(words)
        self.status, self.kind, self.words, self.wait = status, kind, words, wait
        self.device, self.is_counted = device, is_counted


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read, and how long is waited."""

    largest: int = LARGEST_FILE
    """Bytes of a body."""
    silence: float = 20.0
    """Seconds in which something more has to come."""
    rate: float = 500.0
    """Bytes a second that have to come after `grace` seconds: a sixth of what the slowest radio modems carry."""
    grace: float = 30.0
    at_once: int = 1000
    """Bodies that are on their way."""
    of_one: int = 200
    """Of them, from one address."""
    memory: int = 256 << 20
    """Bytes of all bodies that are held."""


@dataclass(slots=True)
class Bodies:
    """What is being read right now; used by the event loop alone."""

    limits: Limits = field(default_factory=Limits)
    _held: int = 0
    _many: Counter[str] = field(default_factory=Counter)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read or held."""
        return not self._held and not self._many

    @asynccontextmanager
    async def read(self, request: Request, crowd: str) -> AsyncIterator[bytes]:
        """Yield the whole body, which counts as held until the block ends; raise Turned."""
        self._check_room(request, crowd)
        self._many[crowd] += 1
        content = bytearray()
        try:
            await self._fill(content, request)
            yield bytes(content)
        finally:
            self._held -= len(content)
            self._many[crowd] -= 1
            if not self._many[crowd]:
                del self._many[crowd]

    def _check_room(self, request: Request, crowd: str) -> None:
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Turned(415, "malformed", "the hub takes a parcel as it is, not compressed once more")
        self._check_size(declared_size(request))
        if self._many.total() >= self.limits.at_once or self._many[crowd] >= self.limits.of_one:
            raise Turned(503, "busy", "too many parcels are on their way to the hub: it is tried again later", 10)

    def _check_size(self, size: int) -> None:
        if size > self.limits.largest:
            words = f"the parcel has more than {self.limits.largest:,} bytes, which none needs"
            raise Turned(413, "too-large", words)

    async def _fill(self, content: bytearray, request: Request) -> None:
        stream, loop = request.stream(), asyncio.get_running_loop()
        begun = loop.time()
        while True:
            try:
                async with asyncio.timeout(self.limits.silence):
                    chunk = await anext(stream, None)
            except TimeoutError as error:
                raise _slow() from error
            except ClientDisconnect as error:
                raise Turned(400, "malformed", "the parcel broke off") from error
            if chunk is None:
                return
            self._check_size(len(content) + len(chunk))
            if self._held + len(chunk) > self.limits.memory:
                raise Turned(503, "busy", "the hub holds as many parcels as it can: it is tried again later", 10)
            content += chunk
            self._held += len(chunk)
            spent = loop.time() - begun
            if spent > self.limits.grace and len(content) < (spent - self.limits.grace) * self.limits.rate:
                raise _slow()


class Small:
    """Takes no large bodies: the forms of pages are short, and would be held as a whole."""

    def __init__(self, app: ASGIApp, but: str) -> None:
        """`but`: where addresses begin that look after the size of bodies themselves."""
        self._app, self._but = app, but

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on as much as a form may take."""
        if scope["type"] != "http" or scope["path"].removeprefix(scope.get("root_path", "")).startswith(self._but):
            await self._app(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > _LARGEST_FORM:
                raise HTTPException(413, "that is more than any form here takes", {"Connection": "close"})
            return message

        await self._app(scope, counted, send)


def declared_size(request: Request) -> int:
    """Return how many bytes a request says that it brings; raise Turned when it says nonsense."""
    told = request.headers.get("content-length", "0")
    if not (told.isascii() and told.isdecimal()):
        raise Turned(400, "malformed", f"its length is said to be {told[:20]!r}, which is no number of bytes")
    return int(told[:20])


def _slow() -> Turned:
    return Turned(408, "slow", "the parcel came too slowly: it is tried again later", 60)

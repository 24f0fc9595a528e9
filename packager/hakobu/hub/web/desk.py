"""Where parcels are taken: all that wait go into one transaction, so that a crowd costs hardly more than one."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from anyio import CapacityLimiter, to_thread

from hakobu.hub.intake import Taken, homes, take_many
from hakobu.hub.refusals import Kind, Refusal
from hakobu.hub.web.settings import Settings
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.receipt import SCHEMA, Receipt
from hakobu_runtime.uplink.receipt import write_receipt

WHERE = "the parcel"
"""What it is called in what its device is told."""
_MOST = 32
"""Posts in one transaction."""
_LARGEST = 8 << 20
"""Bytes of them, unless it is a single one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a post."""

    outcome: Taken | Refusal
    receipt: bytes | None = None
    """The word that the device's parcels came home; None without a key that signs it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    content: bytes
    answer: asyncio.Future[Answer]


class Desk:
    """Takes posts in the order that they come in; used by one event loop."""

    def __init__(self, settings: Settings, look: Callable[[], bool]) -> None:
        """`look` takes in what the depot published since; it says whether there was something."""
        self._settings, self._look = settings, look
        self._turn = asyncio.Lock()
        self._thread = CapacityLimiter(1)  # its own: pages that take long keep no device waiting
        self._waiting: deque[_Waiting] = deque()

    async def take(self, content: bytes) -> Answer:
        """Return what became of a post, once that is on the disk; raise StateError when the database refuses."""
        mine = _Waiting(content, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        async with self._turn:
            # Whoever came before took as many as one transaction may hold: if this is not among them, it is the first.
            if not mine.answer.done():
                await self._take_batch(self._pull())
        return mine.answer.result()

    async def _take_batch(self, batch: Sequence[_Waiting]) -> None:
        """Take these posts and tell each what became of it; what goes wrong with one costs the others nothing."""
        contents = [waiting.content for waiting in batch]
        try:
            answers = await to_thread.run_sync(self._answers, contents, limiter=self._thread)
        except asyncio.CancelledError:
            _tell_all(batch, RuntimeError("broken off"))
            raise
        except Exception as error:  # noqa: BLE001 - each is told, and answers for itself
            if len(batch) == 1 or isinstance(error, StateError):
                _tell_all(batch, error)
                return
            for waiting in batch:
                await self._take_batch([waiting])
        else:
            for waiting, answer in zip(batch, answers, strict=True):
                waiting.answer.set_result(answer)

    def _pull(self) -> list[_Waiting]:
        batch = [self._waiting.popleft()]
        size = len(batch[0].content)
        while self._waiting and len(batch) < _MOST and size + len(self._waiting[0].content) <= _LARGEST:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].content)
        return batch

    def _answers(self, contents: list[bytes]) -> list[Answer]:
        """Take these posts; run in a thread."""
        outcomes = self._take(contents)
        lacking = [place for place, one in enumerate(outcomes) if _lacks_bundle(one)]
        if lacking and self._look():
            again = self._take([contents[place] for place in lacking])
            for place, outcome in zip(lacking, again, strict=True):
                outcomes[place] = outcome
        receipts = self._receipts({one.device for one in outcomes if isinstance(one, Taken)})
        return [Answer(one, receipts.get(one.device) if isinstance(one, Taken) else None) for one in outcomes]

    def _take(self, contents: list[bytes]) -> list[Taken | Refusal]:
        items = [(WHERE, partial(bytes, content)) for content in contents]
        return list(take_many(self._settings.database, items, self._settings.clock()))

    def _receipts(self, devices: set[str]) -> dict[str, bytes]:
        key = self._settings.receipt_key
        if key is None or not devices:
            return {}
        made = self._settings.clock().isoformat(timespec="seconds")
        with self._settings.database.read() as connection:
            found = {device: homes(connection, device) for device in sorted(devices)}
        return {device: write_receipt(Receipt(SCHEMA, device, made, came), key) for device, came in found.items()}


def _tell_all(batch: Iterable[_Waiting], error: Exception) -> None:
    for waiting in batch:
        waiting.answer.set_exception(error)
        waiting.answer.exception()  # whoever waits raises it, if anybody still does


def _lacks_bundle(outcome: Taken | Refusal) -> bool:
    """Say whether some of it may count once the depot was looked at."""
    return bool(outcome.left_out) if isinstance(outcome, Taken) else outcome.kind is Kind.UNKNOWN_BUNDLE

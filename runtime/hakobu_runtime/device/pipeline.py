"""Reading, scoring and writing side by side: every core works, and the results come out in the order of the rows."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Semaphore
from typing import Generic, TypeVar

from hakobu_runtime.errors import InputError
from hakobu_runtime.format.block import Block
from hakobu_runtime.rows.piece import Piece
from hakobu_runtime.rows.source import from_row

T = TypeVar("T")

AHEAD = 1
"""How many pieces may be in hand for each worker while one more is taken, which then waits for the first to be free."""


def in_order(
    pieces: Iterable[Piece], finish: Callable[[Block, int], T], *, skip: int = 0, workers: int | None = None
) -> Iterator[T]:
    """Read `pieces` and `finish` their blocks, each with its position, on `workers` threads; yield in their order.

    The first `skip` rows are left out. Errors come out at the place in the order where they belong.
    """
    many = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(many, thread_name_prefix="hakobu") as pool:
        # Half of the threads, or one, read at a time: that takes the most memory, and leaves Python's lock to others.
        line = _Line(pool, finish, skip, Semaphore(max(1, many // 2)))
        try:
            for piece in pieces:
                line.take(piece)
                yield from line.ready(many * AHEAD)
            yield from line.ready(0)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Line(Generic[T]):
    """Pieces in the hands of the threads, in the order of the rows.

    A block can be finished only when it is known how many rows stand before it. So each piece waits, once it is read,
    for those before it to be read; that is never long, for they were begun earlier.
    """

    def __init__(
        self, pool: ThreadPoolExecutor, finish: Callable[[Block, int], T], skip: int, reading: Semaphore
    ) -> None:
        self._pool = pool
        self._finish = finish
        self._skip = skip
        self._skipped = 0
        self._reading = reading
        self._end: Future[int] | None = None
        """How many rows stand in all pieces that were taken; None while their number was plain to see."""
        self._working: deque[Future[T | None]] = deque()

    def take(self, piece: Piece) -> None:
        """Let a thread read and finish `piece`, unless all its rows are to be skipped, as far as is known by now."""
        if self._end is None:
            rows = piece.count() if self._skipped < self._skip else None
            if rows is not None and self._skipped + rows <= self._skip:
                self._skipped += rows
                return
            self._end = _known(self._skipped)
        start, self._end = self._end, Future()
        self._working.append(self._pool.submit(self._work, [piece], start, self._end))

    def ready(self, most: int) -> Iterator[T]:
        """Yield what is done, and wait until at most `most` pieces are in hand."""
        while self._working and (len(self._working) > most or self._working[0].done()):
            found = self._working.popleft().result()
            if found is not None:
                yield found

    def _work(self, only: list[Piece], start: Future[int], end: Future[int]) -> T | None:
        """Return what becomes of a piece, before which `start` rows stand, and say how many stand at its `end`.

        It comes as the only one of a list, and is let go of when it is read: its bytes are many.
        """
        piece = only.pop()
        position = piece.position
        try:
            with self._reading:
                block = piece.read(0)
            first = start.result()
            end.set_result(first + block.size)
        except InputError:
            piece.read(start.result())  # the error again, now that it can name the row
            raise
        finally:
            end.cancel()  # after an error, the pieces that come later are none of anybody's business
        del piece
        if block.size == 0 or first + block.size <= self._skip:
            return None
        return self._finish(from_row(replace(block, first=first), self._skip), position)


def _known(rows: int) -> Future[int]:
    found: Future[int] = Future()
    found.set_result(rows)
    return found

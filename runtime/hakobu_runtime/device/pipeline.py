"""Reading, scoring and writing side by side: every core works, and the results come out in the order of the rows."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Generic, TypeVar

from hakobu_runtime.errors import InputError
from hakobu_runtime.format.block import Block
from hakobu_runtime.rows.piece import Piece
from hakobu_runtime.rows.source import from_row

T = TypeVar("T")

AHEAD = 2
"""How many pieces each worker may have in hand: enough that none waits, few enough that memory stays flat."""


def in_order(
    pieces: Iterable[Piece], finish: Callable[[Block, int], T], *, skip: int = 0, workers: int | None = None
) -> Iterator[T]:
    """Read `pieces` and `finish` their blocks, each with its position, on `workers` threads; yield in their order.

    The first `skip` rows are left out. Errors come out at the place in the order where they belong.
    """
    many = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(many, thread_name_prefix="hakobu") as pool:
        line = _Line(pool, finish, skip)
        try:
            for piece in pieces:
                line.take(piece)
                yield from line.ready(many * AHEAD)
            yield from line.ready(0)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Line(Generic[T]):
    """Pieces that are being read, then blocks that are being finished, each in the order of the rows.

    A block can be finished only when it is known how many rows stand before it. So a piece is read on any thread, and
    its block is handed on when all pieces before it have been read.
    """

    def __init__(self, pool: ThreadPoolExecutor, finish: Callable[[Block, int], T], skip: int) -> None:
        self._pool = pool
        self._finish = finish
        self._skip = skip
        self._first = 0
        self._reading: deque[tuple[Piece, Future[Block]]] = deque()
        self._finishing: deque[Future[T]] = deque()

    def take(self, piece: Piece) -> None:
        """Let a thread read `piece`, unless all its rows are to be skipped, as far as is known by now."""
        rows = piece.count() if self._first < self._skip and not self._reading else None
        if rows is not None and self._first + rows <= self._skip:
            self._first += rows
        else:
            self._reading.append((piece, self._pool.submit(piece.read, 0)))

    def ready(self, most: int) -> Iterator[T]:
        """Yield what is done, and wait until at most `most` pieces are being read, and as many blocks finished."""
        while self._reading and (len(self._reading) > most or self._reading[0][1].done()):
            self._hand_on()
        while self._finishing and (len(self._finishing) > most or self._finishing[0].done()):
            yield self._finishing.popleft().result()

    def _hand_on(self) -> None:
        piece, future = self._reading.popleft()
        try:
            block = replace(future.result(), first=self._first)
        except InputError:
            block = piece.read(self._first)  # the error again, now that it can name the row
        self._first += block.size
        if block.size and self._first > self._skip:
            self._finishing.append(self._pool.submit(self._finish, from_row(block, self._skip), piece.position))

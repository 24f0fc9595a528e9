"""A piece of a file: taken from it in its order, and read as a block by whichever thread has time."""

from collections.abc import Callable
from dataclasses import dataclass

from hakobu_runtime.format.block import Block


def _unknown() -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class Piece:
    """Some whole rows that were taken from a file and not read yet."""

    read: Callable[[int], Block]
    """Reads them, given how many rows stand before; raises InputError where they cannot be read."""
    position: int
    """How many bytes of the file were taken with this piece."""
    count: Callable[[], int | None] = _unknown
    """Says how many rows they are, where that is cheaper than reading them; else None."""


def broken_piece(refuse: Callable[[int], Exception], position: int) -> Piece:
    """Return a piece that raises what `refuse` makes of the number of rows before it, when it is read."""

    def read(first: int) -> Block:
        raise refuse(first)

    return Piece(read, position)

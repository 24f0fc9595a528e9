"""Pieces worked on by several threads: the order, the row numbers and the errors are those of one thread."""

import threading
import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.device.pipeline import AHEAD, in_order
from hakobu_runtime.errors import InputError
from hakobu_runtime.format.block import Block
from hakobu_runtime.rows.piece import Piece, broken_piece

WORKERS = 3


def piece_of(size: int, position: int, *, slow: bool = False, counted: bool = True) -> Piece:
    def read(first: int) -> Block:
        if slow:
            time.sleep(0.002)
        return Block(first, size, {"x": np.arange(size, dtype=np.float64)}, {})

    return Piece(read, position, partial(int, size) if counted else lambda: None)


def finish(block: Block, position: int) -> tuple[int, int, int]:
    return block.first, block.size, position


sizes = st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), max_size=25)


@given(sizes, st.integers(0, 40))
def test_results_come_in_the_order_of_the_rows_whoever_was_faster(
    given_sizes: list[tuple[int, bool, bool]], skip: int
) -> None:
    pieces = [
        piece_of(size, place, slow=slow, counted=counted) for place, (size, slow, counted) in enumerate(given_sizes)
    ]
    expected, first = [], 0
    for place, (size, _, _) in enumerate(given_sizes):
        start, first = first, first + size
        if first > max(start, skip):
            expected.append((max(start, skip), first - max(start, skip), place))
    assert list(in_order(pieces, finish, skip=skip, workers=WORKERS)) == expected


@given(sizes, st.integers(0, 30))
def test_an_error_comes_at_its_place_and_names_its_row(given_sizes: list[tuple[int, bool, bool]], place: int) -> None:
    pieces = [piece_of(size, 0, slow=slow) for size, slow, _ in given_sizes]
    place = min(place, len(pieces))
    before = sum(size for size, _, _ in given_sizes[:place])
    pieces.insert(place, broken_piece(lambda first: InputError(f"row {first + 1}"), 0))
    done: list[tuple[int, int, int]] = []
    with pytest.raises(InputError, match=f"^row {before + 1}$"):
        done.extend(in_order(pieces, finish, workers=WORKERS))
    assert sum(size for _, size, _ in done) <= before


def test_no_more_pieces_are_taken_than_the_threads_can_have_in_hand() -> None:
    taken, gate = [], threading.Event()

    def pieces() -> Iterator[Piece]:
        for place in range(50):
            taken.append(place)
            yield piece_of(1, place)

    def held(block: Block, position: int) -> int:
        gate.wait(30)
        return position

    found = in_order(pieces(), held, workers=WORKERS)
    timer = threading.Timer(0.2, gate.set)
    timer.start()
    assert next(found) == 0
    assert len(taken) <= WORKERS * AHEAD + 1
    assert list(found) == list(range(1, 50))


def test_who_stops_listening_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    found = in_order((piece_of(1, place) for place in range(100)), finish, workers=WORKERS)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_bug_while_finishing_comes_out_as_it_is() -> None:
    def wrong(block: Block, position: int) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(in_order([piece_of(1, 0), piece_of(1, 1)], wrong, workers=WORKERS))


def test_a_bug_while_reading_comes_out_as_it_is() -> None:
    def wrong(first: int) -> Block:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(in_order([piece_of(1, 0), Piece(wrong, 0), piece_of(1, 1)], finish, workers=WORKERS))


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 1), (5, 2)])
def test_half_of_the_threads_read_at_a_time(workers: int, most: int) -> None:
    reading: list[int] = []
    peaks: list[int] = []

    def read(first: int) -> Block:
        reading.append(first)
        peaks.append(len(reading))
        time.sleep(0.005)
        reading.pop()
        return Block(first, 1, {"x": np.zeros(1)}, {})

    pieces = [Piece(read, place, lambda: 1) for place in range(20)]
    assert len(list(in_order(pieces, finish, workers=workers))) == 20
    assert max(peaks) == most

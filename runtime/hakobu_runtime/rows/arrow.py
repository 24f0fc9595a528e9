"""Arrow arrays as numpy arrays, by the Arrow C data interface: arro3 itself hands out nothing that holds nulls.

Source of the structure: https://arrow.apache.org/docs/format/CDataInterface.html
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from arro3.core import Array, DataType, dictionary_dictionary, dictionary_indices
from numpy.typing import NDArray

from hakobu_runtime.format.block import Numbers, Texts
from hakobu_runtime.rows.cells import Gaps, number_of_text, shown
from hakobu_runtime.rows.columns import blank

_INDEXED = DataType.dictionary(DataType.int32(), DataType.utf8())


class ArrowError(Exception):
    """What arro3 could not do, in its own words."""


@contextmanager
def arrow_errors() -> Iterator[None]:
    """Turn what arro3 raises, which is a plain Exception or a panic of Rust, into an ArrowError."""
    try:
        yield
    except BaseException as error:
        if type(error) is Exception or type(error).__name__ == "PanicException":
            raise ArrowError(str(error)) from error
        raise


class CArray(ctypes.Structure):
    """An array of the Arrow C data interface."""

    _fields_ = [
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    ]


# A prototype of its own: types set on `ctypes.pythonapi` would be set for the whole process.
pointer_in = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
"""Returns the address that a capsule of this name holds."""


def unpack(array: Array, dtype: type[np.float64 | np.int32]) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Return a copy of the values of `array`, which holds `dtype`, and which of them are there, both of shape (n,)."""
    # The capsules own the memory: both live until this function has copied it, and release it when they go.
    capsules = array.__arrow_c_array__()
    found = ctypes.cast(pointer_in(capsules[1], b"arrow_array"), ctypes.POINTER(CArray)).contents
    if found.length == 0:
        return np.empty(0, dtype=dtype), np.empty(0, dtype=np.bool_)
    end = found.offset + found.length
    values = np.array(_Memory(found.buffers[1], end, np.dtype(dtype)))[found.offset :]
    if found.buffers[0] is None:
        return values, np.ones(found.length, dtype=np.bool_)
    bits = np.unpackbits(np.asarray(_Memory(found.buffers[0], (end + 7) // 8, np.dtype(np.uint8))), bitorder="little")
    return values, bits[found.offset : end].astype(np.bool_)


class _Memory:
    """Foreign memory, as numpy wants to be told of it."""

    def __init__(self, address: int | None, length: int, dtype: np.dtype[np.generic]) -> None:
        if address is None:
            raise ArrowError("a buffer of values is missing")
        self.__array_interface__ = {"data": (address, True), "shape": (length,), "typestr": dtype.str, "version": 3}


def numbers_of_numbers(array: Array, gaps: Gaps) -> Numbers:
    """Return the numbers of an array of any numeric type, NaN for nulls."""
    with arrow_errors():
        if DataType.is_decimal(array.type):
            array = array.cast(DataType.utf8())  # straight to double, one decimal in four misses the nearest
        floats = array.cast(DataType.float64())
    return numbers_of_floats(floats, gaps)


def numbers_of_floats(array: Array, gaps: Gaps) -> Numbers:
    """Return the numbers of an array of doubles, NaN for nulls."""
    if array.null_count == 0:
        return blank(array.to_numpy(), gaps)
    values, there = unpack(array, np.float64)
    numbers = values.astype(np.float64, copy=False)
    numbers[~there] = np.nan
    return blank(numbers, gaps)


def holds_words(array: Array) -> bool:
    """Say whether an array of texts has cells that Arrow, stricter than `number_of_text`, takes for no numbers."""
    with arrow_errors():
        return bool(array.cast(DataType.float64()).null_count > array.null_count)


def numbers_of_texts(array: Array, gaps: Gaps) -> tuple[Numbers, dict[int, str]]:
    """Return the numbers in an array of texts, NaN where there is none, and the cells that hold something else."""
    with arrow_errors():
        values, read = unpack(array.cast(DataType.float64()), np.float64)
        numbers = values.astype(np.float64, copy=False)
        numbers[~read] = np.nan
        if read.all():
            return blank(numbers, gaps), {}
        unread = np.flatnonzero(~read)
        cells = array.take(Array.from_numpy(unread)).to_pylist()
    wrong: dict[int, str] = {}
    for row, text in zip(unread.tolist(), cells, strict=True):
        if text:
            number = number_of_text(text, gaps)
            if number is None:
                wrong[row] = shown(text)
            else:
                numbers[row] = number
    return blank(numbers, gaps), wrong


def texts_of(array: Array, gaps: Gaps, spelled: Callable[[str], str] = str) -> Texts:
    """Return the texts of an array, "" for nulls; each distinct text is `spelled` once."""
    with arrow_errors():
        indexed = array.cast(_INDEXED)
        found = dictionary_dictionary(indexed).to_pylist()
        places, there = unpack(Array.from_arrow(dictionary_indices(indexed)), np.int32)
    distinct = np.empty(len(found) + 1, dtype=np.object_)
    spellings = ("" if text is None else spelled(text) for text in found)
    distinct[:-1] = ["" if text in gaps.texts else text for text in spellings]
    distinct[-1] = ""
    places[~there] = len(found)
    texts: Texts = distinct[places]
    return texts

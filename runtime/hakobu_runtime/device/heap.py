"""How much of the memory that was freed the C library keeps, and for whom."""

import ctypes
import sys
from contextlib import suppress
from functools import lru_cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""What mallopt(3) of the GNU C library calls them."""


@lru_cache(maxsize=1)
def share_freed_memory() -> None:
    """Let all threads share what is freed, and keep some megabytes of it; to be called before threads are started.

    The GNU C library would give each thread a heap of its own, and the memory of each block back to the system, page
    by page: a fifth more memory, and a fifth of the time of scoring a file. Elsewhere this does nothing.
    """
    if sys.platform != "linux":
        return
    with suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_THRESHOLD, 4 << 20)
        mallopt(_TRIM_THRESHOLD, 16 << 20)


def give_back_freed_memory() -> None:
    """Give the system back what was freed, though it would be kept otherwise; done once, it takes milliseconds.

    Loading a model takes several times the memory that the loaded one needs, and scoring seldom has use for the rest.
    """
    if sys.platform != "linux":
        return
    with suppress(AttributeError, OSError):  # as above
        ctypes.CDLL(None).malloc_trim(0)

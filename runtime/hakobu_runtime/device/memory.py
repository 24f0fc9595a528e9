"""How much memory this process may still take."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def available() -> int | None:
    """Return the bytes that can be had before the system swaps or refuses; None where it does not say."""
    return min(_limits(), default=None)


def _limits() -> Iterator[int]:
    if sys.platform == "win32":
        yield _windows()
        return
    with suppress(OSError, ValueError, IndexError):  # macOS has no /proc
        lines = Path("/proc/meminfo").read_text().splitlines()
        yield next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    with suppress(OSError, ValueError):  # "max", or no control group
        group = Path("/sys/fs/cgroup")
        most, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        yield max(most - used, 0)
    import resource

    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    if soft != resource.RLIM_INFINITY:
        yield max(soft - _address_space(), 0)


def _address_space() -> int:
    """Return how many bytes of addresses this process has taken, as far as the system says."""
    with suppress(OSError, ValueError, IndexError):
        import resource

        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return 0


if sys.platform == "win32":
    import ctypes

    class _MemoryStatus(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "page", "page_free", "space", "space_free")),
            ("extended", ctypes.c_ulonglong),
        ]

    def _windows() -> int:
        found = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(found))
        return int(min(found.page_free, found.space_free))

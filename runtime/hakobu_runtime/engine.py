"""onnxruntime, imported without what it says of its own on a machine that hides its processor."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PROCESSOR = Path("/proc/cpuinfo")


def hides_processor() -> bool:
    """Say whether this Linux does not tell which processor it has, as in a room without /proc.

    onnxruntime then takes the code that runs on any, which is slower.
    """
    return sys.platform == "linux" and not os.access(_PROCESSOR, os.R_OK)


def onnxruntime() -> Any:
    """Return the module; raise what importing it raises."""
    if not hides_processor() or "onnxruntime" in sys.modules:
        import onnxruntime

        return onnxruntime
    with _hushed():
        import onnxruntime
    return onnxruntime


@contextmanager
def _hushed() -> Iterator[None]:
    """Drop what is written on stderr, by C++ too: five lines on the processor at each start; doctor has one."""
    try:
        nowhere, kept = os.open(os.devnull, os.O_WRONLY), os.dup(2)
    except OSError:  # there is no stderr to write on, or no /dev
        yield
        return
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)

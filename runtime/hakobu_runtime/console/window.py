"""The window that a double click opens, which closes when the program ends."""

import os
import sys
from pathlib import Path


def owns_terminal() -> bool:
    """Say whether a terminal is there for this program alone, and not for a shell that it was started from."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        return False
    if sys.platform == "win32":
        import ctypes

        processes = (ctypes.c_ulong * 4)()
        return int(ctypes.windll.kernel32.GetConsoleProcessList(processes, 4)) <= 1 + _unpacked()
    leader = os.getsid(0)
    return leader == os.getpid() or (_unpacked() and leader == os.getppid())


def _unpacked() -> bool:
    """Say whether this is an executable of one file, which a second process of the same name stands before."""
    place = getattr(sys, "_MEIPASS", None)
    return place is not None and Path(sys.executable).parent not in Path(place).parents


def wait_for_enter() -> None:
    """Keep the window open until somebody has read it."""
    input("\nPress Enter to close this window ")

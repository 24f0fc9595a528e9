"""The window that a double click opens, which closes when the program ends."""

import os
import sys

from hakobu_runtime.device.inside import unpacked


def owns_terminal() -> bool:
    """Say whether a terminal is there for this program alone, and not for a shell that it was started from."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        return False
    if sys.platform == "win32":
        import ctypes

        processes = (ctypes.c_ulong * 4)()
        return int(ctypes.windll.kernel32.GetConsoleProcessList(processes, 4)) <= 1 + _has_another()
    leader = os.getsid(0)
    return leader == os.getpid() or (_has_another() and leader == os.getppid())


def _has_another() -> bool:
    """Say whether a second process of the same name stands before this one: that of one file, which unpacked it."""
    return unpacked() is not None


def wait_for_enter() -> None:
    """Keep the window open until somebody has read it."""
    input("\nPress Enter to close this window ")

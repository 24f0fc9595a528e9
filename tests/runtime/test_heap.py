"""Memory that was freed, and what becomes of it while files are scored."""

import ctypes
import subprocess
import sys

import pytest

from hakobu_runtime.device import heap

CHURN = """
import resource, sys, threading
{call}
def work():
    for _ in range(60):
        [b"x" * 1_000_000 for _ in range(5)]
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def faults(call: str) -> int:
    found = subprocess.run([sys.executable, "-c", CHURN.format(call=call)], capture_output=True, text=True, check=True)
    return int(found.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only the GNU C library is told")
def test_freed_memory_is_used_again_instead_of_fetched_page_by_page() -> None:
    plain = faults("")
    told = faults("from hakobu_runtime.device.heap import share_freed_memory; share_freed_memory()")
    assert told < plain / 3, (told, plain)


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", None)
    heap.share_freed_memory.cache_clear()
    heap.share_freed_memory()
    heap.share_freed_memory.cache_clear()


def test_another_c_library_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    heap.share_freed_memory.cache_clear()
    heap.share_freed_memory()
    heap.share_freed_memory.cache_clear()


HELD = """
import resource
from pathlib import Path
from hakobu_runtime.device.heap import give_back_freed_memory, share_freed_memory
def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
share_freed_memory()
blocks = [bytearray(b"x" * 500_000) for _ in range(40)]
last = b"x" * 600_000  # what is freed below it stays, unless it is given back
del blocks
before = held()
give_back_freed_memory()
print(before - held())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only the GNU C library is told")
def test_what_was_freed_is_given_back() -> None:
    found = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    assert int(found.stdout) > 10_000_000


def test_nothing_is_given_back_where_the_c_library_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    for platform in ("linux", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        heap.give_back_freed_memory()

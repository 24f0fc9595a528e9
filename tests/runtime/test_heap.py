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

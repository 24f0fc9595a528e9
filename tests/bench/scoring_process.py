"""Whole processes, timed and weighed, taking turns."""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took."""

    wall: float
    cpu: float
    """Seconds of all its threads, user and system."""
    peak: float
    """Megabytes that it held at most."""
    said: str
    """What it printed."""


def run(command: Sequence[str]) -> Run:
    """Run `command` to its end; a failure ends the benchmark."""
    started = perf_counter()
    # An installed package has its bytecode; without, every start would compile what was edited last.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=inherited) as process:
        said = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        wall = perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    return Run(wall, usage.ru_utime + usage.ru_stime, peak, said)


def interleaved(commands: Mapping[str, Sequence[str]], repeat: int) -> dict[str, list[Run]]:
    """Run all commands `repeat` times, A B C A B C, so that a busy minute falls on all alike."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for turn in range(repeat):
        for name, command in commands.items():
            runs[name].append(run(command))
            print(f"  {turn + 1}/{repeat} {name}: {runs[name][-1].wall:.2f} s", file=sys.stderr, flush=True)
    return runs


@dataclass(frozen=True, slots=True)
class Median:
    """The middle of several runs."""

    wall: float
    cpu: float
    peak: float
    spread: float
    """The slowest wall time over the fastest: how far the machine is to be believed."""


def median(runs: Sequence[Run]) -> Median:
    """Return the medians of `runs`, each figure for itself."""
    walls = [found.wall for found in runs]
    middle = [statistics.median(getattr(found, part) for found in runs) for part in ("wall", "cpu", "peak")]
    return Median(middle[0], middle[1], middle[2], max(walls) / min(walls))


SPIN = "import os\nos.sched_setaffinity(0, {max(os.sched_getaffinity(0))})\nwhile True: pass"


@contextmanager
def busy_core() -> Iterator[None]:
    """Keep one core busy with a process that is pinned to it."""
    spinning = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        yield
    finally:
        spinning.kill()
        spinning.wait()

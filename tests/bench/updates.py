"""A simulated year of a fleet that keeps itself current: adoption over time, and a proof of what never happens.

python tests/bench/updates.py [--devices 10000] [--days 365] [--seed 1] [--witnesses 20] [--plot FILE.png]

Exit code 3 when anything was violated. What is real and what is simulated is told in docs/publish.md.
"""

import argparse
import gc
import os
import resource
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from updates_files import live_again
from updates_picture import draw
from updates_report import report
from updates_world import Plan, World

FINDING = 3


def main(arguments: list[str]) -> int:
    """Simulate, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--witnesses", type=int, default=20, help="how many devices live their year again on real files"
    )
    parser.add_argument("--plot", type=Path, help="where to draw the adoption, .png or .svg")
    asked, begun = parser.parse_args(arguments), perf_counter()
    if asked.devices < 1 or asked.days < 30:
        parser.error("a simulation takes one device and 30 days at least")
    with in_memory() as folder:
        world = World(Plan(asked.devices, asked.days, asked.seed), Path(folder) / "fleet", witnesses=asked.witnesses)
        world.run(lambda words: print(words, file=sys.stderr, flush=True))
        for number in sorted(world.diary):
            different = live_again(world, number, Path(folder) / "witness" / str(number))
            world.proof.rule("a witness on real files ends the same", not different, "; ".join(different))
        if asked.plot is not None:
            draw(world, asked.plot)
    print(report(world))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"\n{perf_counter() - begun:,.0f} s, {process_time():,.0f} s of processor, {peak:,.0f} MB at most")
    return FINDING if world.proof.broken else 0


def in_memory() -> TemporaryDirectory[str]:
    """Return a folder in memory where the system has one, so that no disk is waited for."""
    memory = "/dev/shm"  # noqa: S108 - the folder in it has a name that nobody can guess
    return TemporaryDirectory(prefix="hakobu-updates-", dir=memory if os.access(memory, os.W_OK) else None)


if __name__ == "__main__":
    # Millions of counts live on; looking through them again and again helps nobody.
    gc.set_threshold(200_000, 50, 1_000)
    sys.exit(main(sys.argv[1:]))

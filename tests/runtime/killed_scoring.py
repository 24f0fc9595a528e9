"""Scores in processes that are killed: `python killed_scoring.py JOB.json`, for the tests beside it.

A process that has everything imported forks a child for each try, so that a try costs little more than its scoring, and
ends it with SIGKILL at a random moment. Blocks are small and each is committed, so that there are many moments which
differ. Prints JSON: what `main` returns.
"""

import json
import os
import random
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.device import run, scoring
from hakobu_runtime.device.order import Order
from hakobu_runtime.device.run import score_file
from hakobu_runtime.journal import Journal
from hakobu_runtime.trust import Keyring, Pin, PublicKey

# What a child would import by itself, each time.
for name in ("arro3.io", "onnxruntime", "hakobu_runtime.rows.delimited", "hakobu_runtime.rows.parquet"):
    import_module(name)
BLOCK_ROWS = 150


def order_of(job: dict[str, Any], number: int) -> Order:
    """Return the order for the output of this number."""
    folder = Path(job["folder"])
    problems = folder / f"problems-{number}.csv" if job["problems"] else None
    return Order(Path(job["source"]), folder / f"out-{number}{job['ending']}", problems=problems)


def begin(bundle: Bundle, journal: Path, order: Order) -> int:
    """Return the number of a process that carries out `order`."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with Journal.open(journal) as opened:
            score_file(bundle, opened, order)
        code = 0
    finally:
        os._exit(code)


def killed(child: int, seconds: float) -> bool:
    """Let `child` live for `seconds`, then kill it; say whether it was alive by then."""
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise SystemExit(f"scoring ended with {status}")
    return False


def unbroken(bundle: Bundle, journal: Path, order: Order) -> float:
    """Carry out `order`; return how many seconds it took."""
    started = time.perf_counter()
    os.waitpid(begin(bundle, journal, order), 0)
    return time.perf_counter() - started


def main(job: dict[str, Any]) -> dict[str, int]:
    """Carry out the job; return how many outputs there are, how many kills it took, and how many came midway."""
    run.COMMIT_SECONDS = 0.0
    vars(scoring)["BLOCK_ROWS"] = BLOCK_ROWS
    key = PublicKey.from_pem(Path(job["key"]).read_bytes(), job["key"])
    bundle = open_bundle(Path(job["bundle"]), Keyring((Pin(key),)))
    journal, chance = Path(job["journal"]), random.Random(job["seed"])
    whole = min(unbroken(bundle, journal, order_of(job, number)) for number in range(3))
    outputs, kills, midway = 3, 0, 0
    while kills < job["kills"]:
        order = order_of(job, outputs)
        outputs += 1
        left = True
        while left or not order.target.exists():
            child = begin(bundle, journal, order)
            if kills < job["kills"]:
                kills += killed(child, chance.uniform(0, 1.3 * whole))
            else:
                os.waitpid(child, 0)
            with Journal.open(journal) as opened:
                progress = opened.progress(order.key)
            left = progress is not None  # killed when the output had its name, and all else was still to be done
            midway += left
            if not left:  # too early, or too late: the machine has become slower, or faster
                whole *= 0.95 if order.target.exists() else 1.05
    return {"outputs": outputs, "kills": kills, "midway": midway}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))

"""A million windows: 114 years of hours, counted day by day, with the journal's size and speed as they go.

python tests/bench/journal.py [FOLDER]
"""

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

import numpy as np

from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal import Journal

WINDOWS = 1_000_000
MODEL = ModelName("pump", "1.0.0", "a" * 64)
START = datetime(2026, 1, 1, tzinfo=UTC)
DECADE = 3652


def counts() -> WindowCounts:
    """Return the counts of one row of a small model: eight numbers over 13 slots, and its outputs."""
    array = np.zeros(13, dtype=np.int64)
    array[5] = 1
    features = {f"number {place}": array for place in range(8)}
    return WindowCounts(1, {"ok": 1}, features, {"labels": array[:4].copy(), "scores": array}, {})


def main(folder: Path) -> None:
    """Count day after day, and print a line for each decade."""
    path, now, more, seconds = folder / "journal.sqlite", START, counts(), list[float]()
    print("years  windows added  kept  file kB  log kB  ms a day: p50   p99   max")
    with Journal.open(path, clock=lambda: now) as journal:
        for day in range(WINDOWS // 24 + 1):
            now = START + timedelta(days=day)
            batch = {Window.of(now + timedelta(hours=hour), Span.HOUR): more for hour in range(24)}
            started = perf_counter()
            journal.add(MODEL, batch)
            seconds.append(perf_counter() - started)
            if (day + 1) % DECADE == 0 or day == WINDOWS // 24:
                log = path.with_name("journal.sqlite-wal").stat().st_size
                sizes = f"{len(journal.windows(MODEL)):5,} {path.stat().st_size / 1e3:8,.0f} {log / 1e3:7,.0f}"
                paces = [1e3 * pace for pace in (median(seconds), quantiles(seconds, n=100)[98], max(seconds))]
                pace = "{:13.2f} {:5.2f} {:5.1f}".format(*paces)
                print(f"{(day + 1) / 365.25:5.1f} {(day + 1) * 24:14,} {sizes}  {pace}", flush=True)
                seconds.clear()
        rows = journal.total(MODEL).rows
    print(f"rows added {(WINDOWS // 24 + 1) * 24:,}, counted {rows:,}")
    print(f"the closed file has {path.stat().st_size / 1e3:,.0f} kB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))

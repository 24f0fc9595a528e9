"""Where the processor's time goes while a file is scored: `python tests/bench/scoring_stages.py FOLDER MODEL IN.csv`.

Scores the file as the command does, with a clock around each stage that counts the seconds of its own thread, so that
waiting for a core or for the disk is in none of them. Prints JSON: seconds of each stage, of the
`whole` process with its `imports`, and of the `wall`.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock, local
from time import perf_counter, process_time, thread_time
from typing import Any

import hakobu_runtime.device.run
import hakobu_runtime.device.scoring
import hakobu_runtime.limits.check
import hakobu_runtime.rows.growing
import hakobu_runtime.scorer.counting
import hakobu_runtime.scorer.scorer
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.order import Order
from hakobu_runtime.device.run import score_file
from hakobu_runtime.device.slots import open_active
from hakobu_runtime.device.state import open_state
from hakobu_runtime.journal import Journal
from hakobu_runtime.model import Model
from hakobu_runtime.rows.delimited import DelimitedReader
from scoring_places import Place

STAGES: tuple[tuple[str, Any, str], ...] = (
    ("read", DelimitedReader, "_block"),
    ("check", hakobu_runtime.scorer.scorer, "check"),
    ("lay out", hakobu_runtime.limits.check, "lay_out"),
    ("lay out", hakobu_runtime.limits.check, "rows_of"),
    ("count", hakobu_runtime.device.scoring, "sums_of"),
    ("count", hakobu_runtime.scorer.counting.Sums, "add"),
    ("count", hakobu_runtime.device.run, "counts_of"),
    ("journal", Journal, "checkpoint"),
    ("infer", Model, "predict"),
    ("columns", hakobu_runtime.device.scoring, "output_columns"),
    ("bytes", hakobu_runtime.rows.growing, "table_bytes"),
)
"""The stages, and where the code has them; one that has moved ends this with an AttributeError.

Laying out is to make the matrix that the model reads, which a scorer without any check has to do as well.
"""


class Clock:
    """The seconds that each stage took, over all threads, less those of the stages within it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = Lock()
        self._thread = local()

    def around(self, name: str, stage: Callable[..., Any]) -> Callable[..., Any]:
        """Return `stage` with its seconds counted under `name`."""

        def timed(*given: Any, **named: Any) -> Any:
            around = getattr(self._thread, "within", 0.0)
            self._thread.within, started = 0.0, thread_time()
            try:
                return stage(*given, **named)
            finally:
                took = thread_time() - started
                own, self._thread.within = took - self._thread.within, around + took
                with self._lock:
                    self.seconds[name] = self.seconds.get(name, 0.0) + own

        return timed


def measure(place: Place, source: Path) -> dict[str, float]:
    """Return the processor seconds of each stage and of the `whole` process, and the `wall` seconds of the scoring."""
    clock = Clock()
    for name, owner, attribute in STAGES:
        setattr(owner, attribute, clock.around(name, getattr(owner, attribute)))
    clock.seconds["imports"] = process_time()
    state = open_state(place.state)
    bundle = open_active(state, None)
    wall = perf_counter()
    with open_journal(state) as journal:
        score_file(bundle, journal, Order(source, place.output("stages")))
    return clock.seconds | {"whole": process_time(), "wall": perf_counter() - wall}


if __name__ == "__main__":
    print(json.dumps(measure(Place(Path(sys.argv[1]), sys.argv[2]), Path(sys.argv[3]))))

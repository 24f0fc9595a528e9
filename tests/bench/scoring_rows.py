"""One row at a time: a dict to a score and a verdict, in microseconds.

`python tests/bench/scoring_rows.py fast|slow FOLDER MODEL...` prints JSON: {model: {engine: [p50, p99]}}. The engines
take turns in short stretches, so that a busy second falls on all alike. The peers that take milliseconds have a process
of their own: the threads that they start and the modules that they load would be felt by the others.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from scoring_places import Place

STRETCHES = 40
WARM = 20
"""Rows at the beginning of each stretch that are not timed: the engine before has put its own into the caches."""
SLOW_CALLS = 20
"""How many of the rows of a stretch those engines get that take milliseconds."""

Row = dict[str, Any]
Engine = tuple[Callable[[Any], object], Sequence[object]]
"""What scores a row, and the rows in the shape that it takes."""


def fast_engines(place: Place, rows: Sequence[Row]) -> Iterator[tuple[str, Engine]]:
    """Yield the raw run, on matrices that are made already, and ours, from dicts, without counting and with it."""
    from hakobu_runtime import load

    yield "raw onnxruntime", _raw(place, rows)
    yield "ours", (load(place.bundle, trust=place.key).score_one, rows)
    yield "ours, counting", (load(place.bundle, trust=place.key, state=place.root / "state-rows").score_one, rows)


def _raw(place: Place, rows: Sequence[Row]) -> Engine:
    """Return a run of onnxruntime alone, on one thread; the outputs are those that ours asks for."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(place.onnx, options, providers=["CPUExecutionProvider"])
    outputs, execute = [found.name for found in session.get_outputs()], session.run
    feeds = []
    for row in rows:
        texts = [cell for cell in row.values() if isinstance(cell, str)]
        numbers = [cell for cell in row.values() if not isinstance(cell, str)]
        matrices = {"tensor(float)": np.array([numbers], np.float32), "tensor(string)": np.array([texts], object)}
        feeds.append({given.name: matrices[given.type] for given in session.get_inputs()})
    return lambda given: execute(outputs, given), feeds


def slow_engines(place: Place, rows: Sequence[Row]) -> Iterator[tuple[str, Engine]]:
    """Yield the peers, each from a dict through a DataFrame."""
    import joblib
    import pandas as pd

    pipeline = joblib.load(place.joblib)
    yield "scikit-learn", (lambda row: pipeline.predict_proba(pd.DataFrame([row])), rows[:SLOW_CALLS])
    if place.mlflow.exists():
        import mlflow.pyfunc

        wrapped = mlflow.pyfunc.load_model(str(place.mlflow))
        yield "mlflow", (lambda row: wrapped.predict(pd.DataFrame([row])), rows[:SLOW_CALLS])


def measure(engines: dict[str, Engine]) -> dict[str, list[float]]:
    """Return p50 and p99 of each engine, in microseconds."""
    times: dict[str, list[int]] = {name: [] for name in engines}
    for stretch in range(STRETCHES + 1):
        for name, (call, rows) in engines.items():
            found = _times(call, rows)
            if stretch:  # the first one warms up
                times[name] += found
    return {name: [_percentile(found, share) / 1e3 for share in (0.5, 0.99)] for name, found in times.items()}


def _times(call: Callable[[Any], object], rows: Sequence[object]) -> list[int]:
    found = []
    for row in rows[:WARM]:
        call(row)
    for row in rows:
        started = perf_counter_ns()
        call(row)
        found.append(perf_counter_ns() - started)
    return found


def _percentile(times: list[int], share: float) -> float:
    return sorted(times)[int(len(times) * share)]


def main(kind: str, folder: Path, models: Sequence[str]) -> None:
    """Measure the engines of one kind for each model."""
    found = {}
    for name in models:
        place = Place(folder, name)
        rows = json.loads(place.rows.read_text(encoding="utf-8"))
        found[name] = measure(dict((fast_engines if kind == "fast" else slow_engines)(place, rows)))
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])

"""How fast a file, and a row, is scored: ours with everything on, against peers that only read, predict and write.

`python tests/bench/scoring.py [--rows N] [--repeat N] [--models logistic,forest,boosting] [--folder DIR] [--long]
[--json]` makes what it needs (kept in the folder), runs all engines as whole processes in turns, and prints tables of
ratios of medians with the goals beside them. Linux or macOS; a busy core is tried on Linux alone. MLflow joins where it
is installed. Nothing is asserted: a shared machine proves no time.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scoring_places import MIXED, Place, table_path
from scoring_process import Median, busy_core, interleaved, median, run
from scoring_tables import Cold, File, One, Result, machine, print_result

HERE = Path(__file__).parent
PEERS = ["scikit-learn", "onnxruntime"]
FLOORS = ["floor-imports", "floor-read", "floor-infer", "floor-infer-one", "floor-write"]


def child(script: str, *words: object) -> list[str]:
    """Return the command of one of our scripts."""
    return [sys.executable, str(HERE / script), *map(str, words)]


def commands_for(place: Place, source: Path, engines: Sequence[str]) -> dict[str, list[str]]:
    """Return the command of each of `engines`; `ours` is the device's own, with everything on."""
    found = {}
    for engine in engines:
        target = place.output(engine)
        if engine == "ours":
            ours = ["-m", "hakobu_runtime", "--state", place.state, "score", source, "-o", target]
            found[engine] = [sys.executable, *map(str, ours)]
        else:
            found[engine] = child("scoring_peers.py", engine, place.root, source, target)
    return found


def score_files(place: Place, source: Path, repeat: int) -> File:
    """Run the file through all engines and floors, and the forest once more beside a busy core."""
    peers = [*PEERS, "mlflow"] if place.mlflow.exists() else PEERS
    runs = interleaved(commands_for(place, source, ["ours", *peers, *FLOORS]), repeat)
    floors = {name: _floor(runs[name][0].said, name, median(runs[name])) for name in FLOORS}
    for name in FLOORS[1:]:
        told = sorted(json.loads(found.said)["seconds"] for found in runs[name])
        floors[name] = told[len(told) // 2]
    stages = json.loads(run(child("scoring_stages.py", place.folder, place.name, source)).said)
    busy: dict[str, Median] = {}
    if place.name == "forest" and sys.platform == "linux":
        with busy_core():
            beside = interleaved(commands_for(place, source, ["ours", *PEERS]), repeat)
        busy = {name: median(found) for name, found in beside.items()}
    return File({name: median(runs[name]) for name in ["ours", *peers]}, floors, stages, busy)


def _floor(said: str, name: str, whole: Median) -> float:
    return whole.wall if name == "floor-imports" else float(json.loads(said)["seconds"])


def cold_starts(place: Place, source: Path, repeat: int) -> dict[str, Cold]:
    """Time processes that score one row."""
    engines = ["cold-ours", "cold-scikit-learn", *(["cold-mlflow"] if place.mlflow.exists() else [])]
    runs = interleaved(commands_for(place, source, engines), max(repeat, 5))
    return {
        name.removeprefix("cold-"): Cold(
            statistics.median(json.loads(one.said)["seconds"] for one in found), median(found)
        )
        for name, found in runs.items()
    }


def measure(folder: Path, rows: int, repeat: int, models: Sequence[str], *, long: bool) -> Result:
    """Make what is needed and take every measure."""
    source = table_path(folder, rows)
    subprocess.run(child("scoring_material.py", folder, rows, *models, MIXED), check=True)
    result = Result(machine(), rows, source.stat().st_size)
    for name in models:
        print(f"{name}:", file=sys.stderr)
        result.files[name] = score_files(Place(folder, name), source, repeat)
    print("one row:", file=sys.stderr)
    for kind in ("fast", "slow"):
        said = run(child("scoring_rows.py", kind, folder, *models, MIXED)).said
        for name, found in json.loads(said).items():
            result.one.setdefault(name, {}).update({engine: One(*pair) for engine, pair in found.items()})
    for name in models:
        result.cold[name] = cold_starts(Place(folder, name), source, repeat)
    if long:
        place, much = Place(folder, models[0]), table_path(folder, rows * 10)
        subprocess.run(child("scoring_material.py", folder, rows * 10, models[0]), check=True)
        result.long = median([run(commands_for(place, much, ["ours"])["ours"])])
    return result


def main() -> None:
    """Read the options and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--models", default="logistic,forest,boosting")
    parser.add_argument("--folder", type=Path, help="where the tables and models are kept; else a temporary folder")
    parser.add_argument("--long", action="store_true", help="the memory for ten times the rows, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.folder or Path(temporary)).absolute()
        result = measure(folder, asked.rows, asked.repeat, asked.models.split(","), long=asked.long)
    if asked.json:
        print(json.dumps(result.plain(), indent=2))
    else:
        print_result(result)


if __name__ == "__main__":
    main()

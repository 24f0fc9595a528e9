"""The tables of the benchmark of scoring, with the goals beside what was found."""

import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

from scoring_places import MIXED
from scoring_process import Median

PACKAGES = ("numpy", "pandas", "scikit-learn", "onnxruntime", "arro3-core", "arro3-io", "mlflow", "hakobu-runtime")
FILE_GOALS = {"logistic": 0.35, "forest": 0.55, "boosting": 0.50}
"""Our wall time over that of pandas and scikit-learn."""
FLOOR_GOALS = {"logistic": 1.1, "forest": 1.05}
WATCH_GOALS = {"logistic": 0.08, "forest": 0.02}
MEMORY_GOAL, BUSY_GOAL, COLD_GOAL = 0.15, 1.0, 0.25
ABOVE_RAW = {MIXED: 8.0}
ABOVE_RAW_NUMBERS = 3.0
"""Microseconds of one row above raw onnxruntime, with five columns of text and without."""
WATCHING = ("check", "count", "journal")


@dataclass(frozen=True, slots=True)
class File:
    """What scoring a file with one model took."""

    engines: dict[str, Median]
    floors: dict[str, float]
    """Seconds of each part of the work, done alone."""
    stages: dict[str, float]
    """Processor seconds of each stage of ours and of the `whole` process, and the `wall` seconds of the scoring."""
    busy: dict[str, Median]
    """The engines beside a busy core; empty where that was not tried."""

    @property
    def floor(self) -> float:
        """The floors added; of the two ways to infer, the faster one."""
        infer = min(self.floors["floor-infer"], self.floors["floor-infer-one"])
        return infer + sum(self.floors[f"floor-{name}"] for name in ("imports", "read", "write"))


@dataclass(frozen=True, slots=True)
class One:
    """Microseconds of one row."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Cold:
    """What one row took in a process of its own."""

    seconds: float
    """From the import to the score."""
    process: Median
    """With the interpreter's start and end."""


@dataclass(slots=True)
class Result:
    """All that was measured."""

    machine: dict[str, str]
    rows: int
    size: int
    files: dict[str, File] = field(default_factory=dict)
    one: dict[str, dict[str, One]] = field(default_factory=dict)
    cold: dict[str, dict[str, Cold]] = field(default_factory=dict)
    long: Median | None = None

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return {"schema": "hakobu.bench-scoring/1", **asdict(self)}


def machine() -> dict[str, str]:
    """Say what it was measured on, before the measuring begins."""
    try:
        about = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        processor = next(line.partition(": ")[2] for line in about.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor()
    installed = {found.metadata["Name"].lower() for found in metadata.distributions()}
    versions = [f"{name} {metadata.version(name)}" for name in PACKAGES if name in installed]
    return {
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "machine": f"{platform.system()} {platform.machine()}, {processor}",
        "cores": str(os.cpu_count()),
        "load": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
    }


def print_result(result: Result) -> None:
    """Print every table."""
    for name, value in result.machine.items():
        print(f"{name + ':':10}{value}")
    print(f"{'file:':10}{result.rows:,} rows x 20 numbers, {result.size / 1e6:.0f} MB of CSV\n")
    print_table(_files(result.files))
    print_table(_floors(result.files))
    print_table(_stages(result.files))
    print_table(_busy(result.files))
    print_table(_one(result.one))
    print_table(_cold(result.cold))
    if result.long is not None:
        peak = next(iter(result.files.values())).engines["ours"].peak
        print(f"{result.rows * 10:,} rows: {result.long.wall:.1f} s, peak {result.long.peak:.0f} MB (x0.1: {peak:.0f})")


def print_table(lines: Iterable[Sequence[str]]) -> None:
    """Print `lines`, the first of which is the head, as a table of Markdown; nothing when only the head is there."""
    rows = list(lines)
    if len(rows) < 2:
        return
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for place, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)) + " |")
        if place == 0:
            print("| " + " | ".join("-" * width for width in wide) + " |")
    print()


def _files(files: Mapping[str, File]) -> Iterable[Sequence[str]]:
    yield "file to file", "engine", "wall s", "ratio", "goal", "CPU s", "ratio", "peak MB", "ratio", "goal", "spread"
    for name, file in files.items():
        base = file.engines["scikit-learn"]
        for engine, found in file.engines.items():
            ours = engine == "ours"
            yield (
                name, engine, f"{found.wall:.2f}", f"{found.wall / base.wall:.2f}",
                f"<= {FILE_GOALS.get(name, 1):.2f}" if ours else "", f"{found.cpu:.2f}", f"{found.cpu / base.cpu:.2f}",
                f"{found.peak:.0f}", f"{found.peak / base.peak:.2f}", f"<= {MEMORY_GOAL}" if ours else "",
                f"{found.spread:.2f}",
            )  # fmt: skip


def _floors(files: Mapping[str, File]) -> Iterable[Sequence[str]]:
    yield "floors, s", "imports", "read", "infer", "infer, 1 thread", "write", "sum", "ours", "ratio", "goal"
    for name, file in files.items():
        wall = file.engines["ours"].wall
        goal = f"<= {FLOOR_GOALS[name]}" if name in FLOOR_GOALS else ""
        parts = [f"{seconds:.2f}" for seconds in file.floors.values()]
        yield name, *parts, f"{file.floor:.2f}", f"{wall:.2f}", f"{wall / file.floor:.2f}", goal


def _stages(files: Mapping[str, File]) -> Iterable[Sequence[str]]:
    names = ("imports", "read", "lay out", "check", "infer", "count", "journal", "columns", "bytes")
    yield "CPU s in a run", *names, "other", "whole", "check + count + journal", "goal"
    for name, file in files.items():
        spent = [file.stages.get(stage, 0.0) for stage in names]
        whole = file.stages["whole"]
        share = sum(file.stages.get(stage, 0.0) for stage in WATCHING) / whole
        goal = f"<= {WATCH_GOALS[name]:.0%}" if name in WATCH_GOALS else ""
        parts = [f"{seconds:.2f}" for seconds in (*spent, whole - sum(spent), whole)]
        yield name, *parts, f"{share:.1%}", goal


def _busy(files: Mapping[str, File]) -> Iterable[Sequence[str]]:
    yield "one core busy", "engine", "quiet s", "busy s", "busy over quiet", "ratio, busy", "goal"
    for name, file in files.items():
        for engine, found in file.busy.items():
            quiet, base = file.engines[engine].wall, file.busy["scikit-learn"].wall
            goal = f"<= {BUSY_GOAL}" if engine == "ours" else ""
            seconds = f"{quiet:.2f}", f"{found.wall:.2f}"
            yield name, engine, *seconds, f"{found.wall / quiet:.2f}", f"{found.wall / base:.2f}", goal


def _one(one: Mapping[str, Mapping[str, One]]) -> Iterable[Sequence[str]]:
    yield "one row", "engine", "p50 us", "above raw", "goal", "p99 us", "p99 / p50", "goal"
    for name, engines in one.items():
        raw = engines["raw onnxruntime"].p50
        for engine, found in engines.items():
            ours = engine.startswith("ours")
            goal = f"<= {ABOVE_RAW.get(name, ABOVE_RAW_NUMBERS):.0f}" if ours else ""
            figures = f"{found.p50:.1f}", f"{found.p50 - raw:+.1f}", goal, f"{found.p99:.1f}"
            yield name, engine, *figures, f"{found.p99 / found.p50:.1f}", "<= 3" if ours else ""


def _cold(cold: Mapping[str, Mapping[str, Cold]]) -> Iterable[Sequence[str]]:
    yield "cold start", "engine", "import to score, s", "ratio", "goal", "whole process, s", "peak MB"
    for name, engines in cold.items():
        base = engines["scikit-learn"].seconds
        for engine, found in engines.items():
            goal = f"<= {COLD_GOAL} s" if engine == "ours" else ""
            whole = f"{found.process.wall:.2f}", f"{found.process.peak:.0f}"
            yield name, engine, f"{found.seconds:.2f}", f"{found.seconds / base:.2f}", goal, *whole

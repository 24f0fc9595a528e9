"""The gates of budgets: how large the model is, and how long one row takes in the very runtime that devices use."""

from collections.abc import Iterator, Mapping
from statistics import median
from time import perf_counter
from typing import Any

from hakobu.gates.judge import judge
from hakobu.settings import GatesTable
from hakobu_runtime.format.golden import Golden
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.validation import Gate, Stage
from hakobu_runtime.scorer.scorer import Scorer

_ROWS = 300


def latencies(manifest: Manifest, model: bytes, golden: Golden) -> tuple[float, ...]:
    """Return the seconds that single rows took, one after the other, over the golden rows again and again."""
    scorer = Scorer(manifest, model)
    rows: list[Mapping[str, Any]] = [
        dict(zip(golden.columns, cells, strict=True)) for cells in zip(*golden.columns.values(), strict=True)
    ]
    for row in rows[:20]:
        scorer.score_one(row)
    found = []
    for turn in range(_ROWS):
        started = perf_counter()
        scorer.score_one(rows[turn % len(rows)])
        found.append(perf_counter() - started)
    return tuple(found)


def budget_gates(model: bytes, taken: tuple[float, ...], gates: GatesTable) -> Iterator[Gate]:
    """Judge size and speed. What goes into the box tells no time: the same build must give the same bytes."""
    size = len(model) / 1e6
    yield judge(
        Stage.EXPORT, "size", "size of the ONNX model in MB", size, f"<= {gates.size_mb:.4g}",
        passed=size <= gates.size_mb,
        remedy="take fewer or smaller trees, fewer words or categories, or raise [gates] size_mb",
    )  # fmt: skip
    middle = 1000 * median(taken)
    quick = middle <= gates.latency_ms
    yield judge(
        Stage.EXPORT, "latency", "time for one row, half being faster, in ms",
        "within" if quick else f"{middle:.3g}", f"<= {gates.latency_ms:.4g}", passed=quick,
        remedy="take fewer or smaller trees, or raise [gates] latency_ms",
    )  # fmt: skip

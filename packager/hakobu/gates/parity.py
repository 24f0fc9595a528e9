"""The gates of the export: the exported model is the trained one."""

from collections.abc import Iterator

from hakobu.gates.judge import judge
from hakobu.parity import SPREAD, Parity
from hakobu_runtime.format.golden import Tolerance
from hakobu_runtime.format.validation import Gate, Stage


def parity_gates(parity: Parity, tolerance: Tolerance, advice: str = "", rows: str = "hold-out rows") -> Iterator[Gate]:
    """Judge how far the exported model lies from the trained one; `rows` says which rows were compared.

    `advice` says what to do where they differ.
    """
    remedy = f"the exported model is not the trained one; {advice or 'use another estimator for the step that differs'}"
    name = "" if rows == "hold-out rows" else f", {rows}"
    if parity.labels_changed is not None:
        yield judge(
            Stage.EXPORT, f"parity: classes{name}", f"classes that changed, of {parity.rows} {rows}",
            parity.labels_changed, 0, passed=parity.labels_changed == 0, remedy=remedy,
        )  # fmt: skip
    if parity.compares_numbers:
        yield judge(
            Stage.EXPORT, f"parity: numbers{name}", f"largest difference, of {parity.rows} {rows}", parity.absolute,
            f"{tolerance.absolute:g} + {tolerance.relative:g} x value", passed=parity.beyond == 0, remedy=remedy,
        )  # fmt: skip
    if parity.compares_numbers and parity.labels_changed is None:
        yield judge(
            Stage.EXPORT, f"parity: spread{name}", "largest difference, in standard deviations of the predictions",
            parity.absolute / parity.spread if parity.spread else float(parity.absolute > 0), SPREAD,
            passed=parity.keeps_spread,
            remedy="float32 cannot tell such predictions apart: predict the difference from a fixed number instead, or "
            'set [model] dtype = "float64"',
        )  # fmt: skip

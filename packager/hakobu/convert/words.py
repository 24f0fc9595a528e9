"""The outcome of a conversion, as fields and in words."""

from pathlib import Path
from typing import Any

from hakobu.convert.outcome import Converted, Status
from hakobu_runtime.format.golden import Tolerance


def fields(outcome: Converted, tolerance: Tolerance) -> dict[str, Any]:
    """Return the fields of the JSON object."""
    proof, exported = outcome.proof, outcome.exported
    both = None if proof is None else proof.whole
    return {
        "status": outcome.status,
        "model": outcome.model,
        "dtype": outcome.dtype,
        "numbers": [wish.name for wish in outcome.inputs if not wish.reads_text],
        "strings": [wish.name for wish in outcome.inputs if wish.reads_text],
        "tensors": None if exported is None else exported.tensors,
        "classes": outcome.classes,
        "max_absolute": None if both is None else both.absolute,
        "max_relative": None if both is None else both.relative,
        "tolerance": {"absolute": tolerance.absolute, "relative": tolerance.relative},
        "labels_changed": None if both is None else both.labels_changed,
        "rows": 0 if proof is None else proof.rows.rows,
        "edge_rows": 0 if proof is None or proof.edge_rows is None else proof.edge_rows.rows,
        "repairs": [] if exported is None else exported.repairs,
        "not_scored": outcome.not_scored,
        "reason": outcome.reason or None,
        "remedy": outcome.remedy or None,
    }


def summary(outcome: Converted, model: Path, path: Path | None) -> str:
    """Return a few lines for a person."""
    head = f"{outcome.status}: {model} ({outcome.model})"
    if outcome.status is Status.REFUSED:
        return f"{head}\nreason: {outcome.reason}\nremedy: {outcome.remedy}\nNothing was written."
    lines = [head + (f" -> {path}" if path is not None else "")]
    if outcome.proof is None:
        lines.append("no source to compare with: tell the right outputs in a column of the sample, --expected COLUMN")
    else:
        lines += _proved(outcome)
    lines += [f"repaired: {repair}" for repair in (outcome.exported.repairs if outcome.exported else ())]
    if outcome.not_scored:
        lines.append(f"the source refuses {', '.join(outcome.not_scored)}: so must whoever runs the ONNX model")
    lines += _inputs(outcome)
    if path is None:
        lines.append("Nothing was written: give -o model.onnx for that.")
    return "\n".join(lines)


def _proved(outcome: Converted) -> list[str]:
    proof = outcome.proof
    if proof is None:
        return []
    edges = 0 if proof.edge_rows is None else proof.edge_rows.rows
    both = proof.whole
    lines = [f"compared: {proof.rows.rows:,} rows of the sample, {edges:,} rows made to be hard"]
    if both.labels_changed is not None:
        lines.append(f"classes: {both.labels_changed} changed")
    if both.compares_numbers:
        lines.append(f"numbers: differ by {both.absolute:.3g} at most")
    return lines


def _inputs(outcome: Converted) -> list[str]:
    lines = []
    for name, strings in (("numbers", False), ("strings", True)):
        columns = [wish.name for wish in outcome.inputs if wish.reads_text is strings]
        if columns:
            kind = "string" if strings else outcome.dtype.value
            lines.append(f'input "{name}", {kind} (n, {len(columns)}): {", ".join(columns)}')
    return lines

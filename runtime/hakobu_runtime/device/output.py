"""The rows that scoring writes: the input's id columns, what the model says, the verdict, and the reasons."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import BundleError, UsageError
from hakobu_runtime.format.best_before import STALE
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.manifest import Classification, ClassLabel, Manifest
from hakobu_runtime.limits.check import Checked
from hakobu_runtime.rows.write import Coded, Column
from hakobu_runtime.scorer.scores import VERDICTS, Scored


def output_columns(
    manifest: Manifest, scored: Scored, carried: Sequence[str] = (), stale: str = ""
) -> Mapping[str, Column]:
    """Return the columns to write for a block, in order; without id columns, rows are numbered from 1.

    `carried` names the columns of the block that are carried over, as they stand in the input; `stale` is what the
    output of an old model is marked with.
    """
    block, checked = scored.block, scored.checked
    columns = id_columns(manifest, block)
    if not columns:
        columns["row"] = np.arange(block.first + 1, block.first + 1 + block.size)
    columns |= {name: block.carried[name] for name in carried if name not in columns}
    columns |= _model_columns(manifest, scored)
    columns["verdict"] = Coded(checked.verdicts, VERDICTS)
    columns["reasons"] = _reasons(checked)
    if stale:
        columns[STALE] = Coded(np.zeros(block.size, dtype=np.int64), (stale,))
    return columns


def id_columns(manifest: Manifest, block: Block) -> dict[str, Column]:
    """Return the id columns that the block has."""
    return {name: _id_cells(block, name) for name in manifest.id_columns if _has(block, name)}


def check_carried(manifest: Manifest, carried: Sequence[str], stale: str = "") -> None:
    """Raise UsageError when a carried column would take the place of one that scoring writes."""
    outputs = manifest.outputs
    odds = [f"p_{class_text(label)}" for label in outputs.classes] if isinstance(outputs, Classification) else []
    taken = {"prediction", *odds, "verdict", "reasons", *([] if manifest.id_columns else ["row"])}
    taken |= {STALE} if stale else set()
    for name in carried:
        if name in taken.difference(manifest.id_columns):
            raise UsageError(f"--columns {name}: scoring writes a column of that name itself; rename it in the input")


def _model_columns(manifest: Manifest, scored: Scored) -> dict[str, Column]:
    """Return the prediction and the probabilities, empty where a row was rejected."""
    predicted, outputs = scored.predicted, manifest.outputs
    keep, rows = scored.checked.scorable, len(scored.checked)
    if not isinstance(outputs, Classification) or predicted.codes is None:
        return {"prediction": _spread(predicted.values, keep)}
    codes = np.full(rows, len(outputs.classes), dtype=np.int64)
    codes[keep] = predicted.codes
    columns: dict[str, Column] = {"prediction": Coded(codes, (*outputs.classes, None))}
    if predicted.probabilities is not None:
        for place, label in enumerate(outputs.classes):
            columns[f"p_{class_text(label)}"] = _spread(predicted.probabilities[:, place], keep)
    return columns


def _spread(found: NDArray[np.floating] | None, keep: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Return one number a row from `found`, one a kept row; NaN, which is written as nothing, for the others."""
    spread = np.full(len(keep), np.nan, dtype=np.float32 if found is None else found.dtype)
    spread[keep] = found
    return spread


def _reasons(checked: Checked) -> Coded:
    """Return the reasons of each row in one text; most rows have none, and many the same."""
    texts: dict[int, str] = {}
    for breach in checked.breaches:
        texts[breach.row] = f"{texts[breach.row]}; {breach.reason}" if breach.row in texts else breach.reason
    places = {"": 0}
    codes = np.zeros(len(checked), dtype=np.int64)
    for row, text in texts.items():
        codes[row] = places.setdefault(text, len(places))
    return Coded(codes, tuple(places))


def class_text(label: ClassLabel | float | None) -> str:
    """Return a class as it is written out."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _has(block: Block, name: str) -> bool:
    return name in block.texts or name in block.numbers


def _id_cells(block: Block, name: str) -> Column:
    if name in block.texts:
        return block.texts[name]
    numbers = block.numbers.get(name)
    if numbers is None:
        raise BundleError(f"the id column '{name}' was not read")
    return [int(value) if float(value).is_integer() else None if np.isnan(value) else value for value in numbers]

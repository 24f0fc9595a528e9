"""The rows that scoring writes: the input's id columns, what the model says, the verdict, and the reasons."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import BundleError
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.manifest import ClassLabel, Manifest
from hakobu_runtime.scorer.scores import Scored

Column = Sequence[object] | NDArray[np.generic]


def output_columns(manifest: Manifest, scored: Scored) -> Mapping[str, Column]:
    """Return the columns to write for a block, in order; without id columns, rows are numbered from 1."""
    block, scores = scored.block, scored.scores
    columns: dict[str, Column] = {name: _id_cells(block, name) for name in manifest.id_columns if _has(block, name)}
    if not columns:
        columns["row"] = np.arange(block.first + 1, block.first + 1 + block.size)
    columns["prediction"] = [class_text(found) if isinstance(found, bool) else found for found in scores.predictions]
    if scores.probabilities is not None:
        for place, label in enumerate(scores.classes):
            columns[f"p_{class_text(label)}"] = scores.probabilities[:, place]
    columns["verdict"] = scores.verdicts
    columns["reasons"] = ["; ".join(reasons) for reasons in scores.reasons]
    return columns


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

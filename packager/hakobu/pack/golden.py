"""Choosing golden rows: every category, both ends of every range, and missing values, on top of real rows."""

from collections.abc import Iterable, Sequence

import numpy as np

from hakobu.pack.prose import made_texts
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.feature import Feature, Kind, Missing
from hakobu_runtime.format.golden import Cell
from hakobu_runtime.format.manifest import Manifest

FEWEST = 32

UNKNOWN = "\u2047 unknown \u2047"
"""A category, or a text, that no training row holds."""

_COMMON = 5
"""A word in so many rows gives nobody away."""
_LONG = 2000
"""A text need not be longer than this to be tried."""


def golden_columns(block: Block, manifest: Manifest) -> dict[str, tuple[Cell, ...]]:
    """Return the cells of the golden rows by column, from rows of `block` and the limits of the manifest."""
    edges = {column: _edges([f for f in manifest.features if f.column == column]) for column in manifest.columns}
    rows = max(FEWEST, *(len(cells) + 4 for cells in edges.values()))
    chosen = np.linspace(0, block.size - 1, rows).astype(np.int64)
    columns: dict[str, tuple[Cell, ...]] = {}
    for place, (column, cells) in enumerate(edges.items()):
        filled = _cells(block, column, chosen)
        if any(feature.column == column and feature.kind is Kind.TEXT for feature in manifest.features):
            # What somebody once wrote stays at home, and a name that stands in a single row too.
            rng = np.random.default_rng(manifest.provenance.seed)
            filled = list(made_texts(block.texts[column], rows, rng, fewest=_COMMON))
        # Each column starts at another row, so that one row does not hold the low end of everything.
        for offset, cell in enumerate(cells):
            filled[(place * 5 + offset) % rows] = cell
        columns[column] = tuple(filled)
    return columns


def _cells(block: Block, column: str, rows: Iterable[int]) -> list[Cell]:
    if column in block.texts:
        return [str(block.texts[column][row]) or None for row in rows]
    found = (float(block.numbers[column][row]) for row in rows)
    return [None if np.isnan(cell) else cell for cell in found]


def _edges(features: Sequence[Feature]) -> list[Cell]:
    """Return the cells that a column must be tried with."""
    feature = features[0]
    cells: list[Cell] = [None]
    if feature.part is not None:
        return cells if feature.missing is not Missing.REFUSED else []
    if feature.categories is not None:
        cells += [*feature.categories.values, UNKNOWN]
    elif feature.kind is Kind.TEXT:
        ends = (int(feature.range.low), int(feature.range.high)) if feature.range else (1, 1)
        cells += [UNKNOWN, UNKNOWN.upper(), "x" * max(ends[0] - 1, 1), "x" * (min(ends[1], _LONG) + 1)]
    elif feature.kind is Kind.BOOLEAN:
        cells += ["true", "false"]
    elif feature.range is not None:
        low, high = feature.range.low, feature.range.high
        step = 1.0 if feature.kind is Kind.INTEGER else max(high - low, 1.0) / 8
        cells += [low, high, low - step, high + step]
    return cells

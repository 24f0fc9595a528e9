"""Hard rows: made to catch an exported model that differs from the trained one where no hold-out row happens to lie."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu.pack.golden import UNKNOWN
from hakobu.pack.prose import made_texts
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.feature import Feature, Kind, Missing, Policy
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.limits.derive import lengths_of

ROWS = 5000

_MIDDLE, _SPLIT, _END, _GAP = 0.2, 0.4, 0.46, 0.54
"""Up to these a cell lies between neighbours of training, on a split, at an end, is missing; else it is a real one."""

_FIRST_UNTOLD = 2.0**24 + 1
"""The first integer that float32 cannot tell from its neighbours."""


def hard_block(
    block: Block,
    features: Sequence[Feature],
    dtype: Dtype,
    splits: NDArray[np.floating],
    seed: int,
    *,
    bounded: bool,
) -> Block:
    """Return ROWS rows made from the training rows `block`, every column drawn by itself, in numbers of `dtype`.

    Numbers lie on the `splits` of a model's trees, half-way between neighbours of training, at the ends of the
    ranges, beyond them, and one step of `dtype` off each; categories are known, unknown or missing; free texts are made
    of the words of others. `bounded` says whether the outputs end somewhere, as probabilities do.
    """
    rng = np.random.default_rng(seed)
    # Probabilities end at 0 and 1 however far one goes; a value grows, and its rounding with it.
    reach = (1.0, 100.0) if bounded else (1.0,)
    numbers: dict[str, NDArray[np.float64]] = {}
    texts: dict[str, NDArray[np.object_]] = {}
    # Half of the rows are whole rows of training but for some cells; in the others every cell comes from another row.
    rows = rng.integers(0, block.size, ROWS)
    for column in dict.fromkeys(feature.column for feature in features):
        here = [feature for feature in features if feature.column == column]
        drawn = np.where(rng.random(ROWS) < 0.5, rows, rng.integers(0, block.size, ROWS))
        if column in block.numbers:
            seen = block.numbers[column].astype(dtype.value)
            numbers[column] = _numbers(seen, drawn, here[0], splits, reach, rng).astype(np.float64)
        else:
            texts[column] = _texts(block.texts[column], drawn, here, rng)
    return Block(0, ROWS, numbers, texts)


def _numbers(
    seen: NDArray[np.floating],
    drawn: NDArray[np.int64],
    feature: Feature,
    splits: NDArray[np.floating],
    reach: Sequence[float],
    rng: np.random.Generator,
) -> NDArray[np.floating]:
    """Return cells of a number column."""
    cells, dice = seen[drawn], rng.random(ROWS)
    known = np.unique(seen[np.isfinite(seen)])
    low, high = known[0], known[-1]
    far = [end for by in reach for end in (low - by * (high - low), high + by * (high - low))]
    ends = np.array([low, high, 0.0, _FIRST_UNTOLD, *far], dtype=seen.dtype)
    if feature.kind is Kind.INTEGER:
        # Half-way numbers would be no integers; the next ones on each side are.
        near, between = rng.integers(-1, 2, ROWS).astype(seen.dtype), known
        splits = np.floor(splits)
    else:
        near, between = np.zeros(ROWS, dtype=seen.dtype), (known[1:] / 2 + known[:-1] / 2).astype(seen.dtype)
    splits = splits[(splits >= low) & (splits <= high)]
    for first, last, pool in (
        (0.0, _MIDDLE, between if len(between) else known),
        (_MIDDLE, _SPLIT, splits if len(splits) else known),
        (_SPLIT, _END, np.floor(ends) if feature.kind is Kind.INTEGER else ends),
    ):
        chosen = (dice >= first) & (dice < last)
        cells[chosen] = _dealt(pool, int(chosen.sum()), rng) + near[chosen]
    if feature.kind is not Kind.INTEGER:
        step = rng.integers(-1, 2, ROWS)
        cells = np.where((step != 0) & (dice < _END), _beside(cells, step, rng), cells)
    gap = (dice >= _END) & (dice < _GAP)
    cells[gap | ~np.isfinite(cells)] = np.nan
    # Rows that the device rejects would prove nothing, and with many strict features none would be left.
    if feature.policy is Policy.REJECT and feature.range is not None:
        cells = np.clip(cells, *np.array([feature.range.low, feature.range.high], dtype=cells.dtype))
    if not _may_lack(feature):
        cells[np.isnan(cells)] = cells[np.isfinite(cells)][0]
    return cells


def _beside(cells: NDArray[np.floating], step: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.floating]:
    """Return the next number up from each of `cells` where `step` is above 0, else the next down.

    Of doubles, half are the next float32, which is as far as scikit-learn's own trees can tell numbers apart.
    """
    towards = np.where(step > 0, np.inf, -np.inf)
    moved: NDArray[np.floating] = np.nextafter(cells, towards.astype(cells.dtype))
    if cells.dtype == np.float32:
        return moved
    with np.errstate(over="ignore"):
        far = np.nextafter(cells.astype(np.float32), towards.astype(np.float32)).astype(cells.dtype)
    return np.where((rng.random(len(cells)) < 0.5) & np.isfinite(far), far, moved)


def _dealt(pool: NDArray[Any], count: int, rng: np.random.Generator) -> NDArray[Any]:
    """Return `count` of `pool`, each as often as the others: of a pool that fits, none is left out."""
    return np.resize(rng.permutation(pool), count)


def _may_lack(feature: Feature) -> bool:
    """Say whether a row without this feature is scored."""
    strict = feature.policy is Policy.REJECT and feature.missing is Missing.UNEXPECTED
    return feature.missing is not Missing.REFUSED and not strict


def _texts(
    seen: NDArray[np.object_], drawn: NDArray[np.int64], features: Sequence[Feature], rng: np.random.Generator
) -> NDArray[np.object_]:
    """Return cells of a text column, from which several features may take parts of a date."""
    cells, dice = seen[drawn], rng.random(ROWS)
    feature = features[0]
    if feature.kind is Kind.TEXT:
        made = made_texts(seen, ROWS, rng)
        # Rows that the device rejects would prove nothing.
        chosen = (dice < _END) & ((feature.policy is not Policy.REJECT) | _fit(made, feature))
        cells[chosen] = made[chosen]
    if feature.categories is not None:
        pool = np.array(feature.categories.values, dtype=object)
        chosen = dice < _SPLIT
        cells[chosen] = _dealt(pool, int(chosen.sum()), rng)
        if feature.categories.scores_unknown and feature.policy is not Policy.REJECT:
            cells[(dice >= _SPLIT) & (dice < _END)] = UNKNOWN
    if all(map(_may_lack, features)):
        cells[(dice >= _END) & (dice < _GAP)] = ""
    return cells


def _fit(texts: NDArray[np.object_], feature: Feature) -> NDArray[np.bool_]:
    """Say which of `texts` are as long as the feature allows."""
    lengths = lengths_of(texts)
    low, high = (feature.range.low, feature.range.high) if feature.range else (-np.inf, np.inf)
    return (lengths >= low) & (lengths <= high)

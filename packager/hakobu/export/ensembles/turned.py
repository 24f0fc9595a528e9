"""Turning questions round, so that the answer for a missing number is no."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hakobu.export.boosting.part import Part
from hakobu.export.ensembles.arrays import LEAF, LEQ, LT, Ints, Trees


@dataclass(frozen=True, slots=True)
class Columns:
    """The matrix that the trees read, made of that which they were given: its columns, then some again."""

    chosen: Ints | None
    """The columns taken; None for all."""
    turned: bool
    """Whether all follow once more, negated."""
    led: bool
    """Whether all follow once more, with the lowest number for a missing one."""

    def write(self, part: Part, given: str, dtype: np.dtype[Any]) -> str:
        """Write what makes the matrix of `given`."""
        if self.chosen is not None:
            given = part.node("Gather", given, part.constant(self.chosen), axis=1)
        blocks = [given]
        if self.turned:
            blocks.append(part.node("Neg", given))
        if self.led:
            lowest = part.constant(np.array([-np.inf], dtype=dtype))
            blocks.append(part.node("Where", part.node("IsNaN", given), lowest, given))
        return given if len(blocks) == 1 else part.node("Concat", *blocks, axis=1)


def turned_round(trees: Trees, width: int | None) -> tuple[Trees, Columns]:
    """Return the same trees with the questions turned round that send a missing number the way of yes."""
    plain = Columns(None, turned=False, led=False)
    asks = trees.modes != LEAF
    rules = np.unique(trees.modes[asks])
    if width is None or not trees.missing.any() or len(rules) != 1 or rules[0] not in (LEQ, LT):
        return trees, plain
    is_low = bool(rules[0] == LEQ)
    # No x <= t is -x <= the next number below -t. Of the smallest numbers that is not said: a processor may be set to
    # take them for 0.
    with np.errstate(over="ignore"):  # beyond the largest number lies infinity, as it should
        opposite = np.nextafter(-trees.values, trees.values.dtype.type(-np.inf if is_low else np.inf))
    small = (opposite != 0) & (np.abs(opposite) < np.finfo(opposite.dtype).tiny)
    led = trees.missing & (small | ~np.isfinite(trees.values))
    if not (trees.values[led] >= -np.inf if is_low else trees.values[led] > -np.inf).all():
        return trees, plain  # a question to which not even the lowest number is a yes
    turned = trees.missing & ~led
    used, features = np.unique(np.where(asks, trees.features, trees.features[asks][0]), return_inverse=True)
    columns = Columns(used if 2 * len(used) <= width else None, bool(turned.any()), bool(led.any()))
    if columns.chosen is None:
        features = np.where(asks, trees.features, 0)
    else:
        width = len(used)
    features = features + width * turned + width * (1 + columns.turned) * led
    yes, no = np.where(turned, trees.no, trees.yes), np.where(turned, trees.yes, trees.no)
    values = np.where(turned, opposite, trees.values)
    none = np.zeros_like(trees.missing)
    return replace(trees, features=features, values=values, yes=yes, no=no, missing=none), columns

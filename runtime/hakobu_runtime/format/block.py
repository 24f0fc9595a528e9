"""A block of rows as they were read: typed columns, and the few cells and rows that could not be read as typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
"""Shape (n,), NaN where the cell is missing or holds no number."""
Texts = NDArray[np.object_]
"""Shape (n,), of `str`, "" where the cell is missing."""


class Form(Enum):
    """How a column is wanted from a reader."""

    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The columns that a reader should deliver."""

    forms: Mapping[str, Form]
    required: frozenset[str]
    """Those whose absence is an error; the others are left out of the blocks when the table lacks them."""
    missing_values: frozenset[str] = frozenset()
    """Texts that mean "missing" beside the empty one, in columns of both forms."""
    carried: frozenset[str] = frozenset()
    """Columns whose cells are wanted as the texts that they are, too."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive rows of a table."""

    first: int
    """How many rows of the table stand before this block."""
    size: int
    numbers: Mapping[str, Numbers]
    texts: Mapping[str, Texts]
    wrong: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """For a number column, the cells that hold no number: row within the block -> the text (long ones shortened)."""
    broken: Mapping[int, str] = field(default_factory=dict)
    """Rows that cannot be read at all, within the block, with the reason in words; their cells are missing."""
    carried: Mapping[str, Texts] = field(default_factory=dict)
    """The carried columns, as they stand in the table."""

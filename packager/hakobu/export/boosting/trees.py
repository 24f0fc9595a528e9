"""Boosted trees as numbers: what every library's model comes down to."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

ZERO = float(np.float32(1e-35))
"""What is no further from zero is zero, to LightGBM."""


class Rule(StrEnum):
    """What sends a value to the left, in ONNX's words; a leaf asks nothing."""

    AT_MOST = "BRANCH_LEQ"
    BELOW = "BRANCH_LT"
    EQUAL = "BRANCH_EQ"
    LEAF = "LEAF"


@dataclass(frozen=True, slots=True)
class Node:
    """One question of a tree, or a leaf with what it adds to the raw scores."""

    rule: Rule
    feature: int = 0
    threshold: float = 0.0
    left: int = 0
    """Place in the tree of the node that follows a yes; never its own or an earlier one."""
    right: int = 0
    gap_left: bool = False
    """Whether a missing value goes left."""
    adds: tuple[tuple[int, float], ...] = ()
    """Of a leaf: the place of the raw score, and what is added to it."""


Tree = Sequence[Node]
"""The nodes of a tree; the first is the root."""


class Link(StrEnum):
    """The function between the raw scores and what the model predicts."""

    IDENTITY = "identity"
    EXP = "exp"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"
    SQUARE = "square"
    """The raw score times its absolute value."""
    SOFTPLUS = "softplus"


class Picks(StrEnum):
    """What a classifier compares when it picks a class."""

    RAW = "raw"
    ODDS = "odds"
    SINGLE = "single"
    """The probabilities, rounded to float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Boosted:
    """A sum of trees and a link: all that a booster computes, exactly as its library does."""

    trees: tuple[Tree, ...]
    base: NDArray[np.float64]
    """Shape (raw scores,): where each sum begins."""
    width: int
    """How many numbers a row has."""
    link: Link
    single: bool
    """Whether the library rounds each value to float32 before it compares."""
    picks: Picks = Picks.ODDS
    cut: float = 0.5
    """Of two classes: above this the second is picked."""
    steepness: float = 1.0
    """What a sigmoid multiplies the raw score by."""
    gap: float = float("nan")
    """The number that stands for a missing one."""
    zero_gaps: tuple[int, ...] = ()
    """Features whose zeros are missing ones."""
    categories: tuple[int, ...] = ()
    """Features that are cut to whole numbers before they are compared."""

    def __post_init__(self) -> None:
        if not self.trees:
            raise NotImplementedError("it has no trees; train it, and save it again")

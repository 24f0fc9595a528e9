"""Columns that know the answer: a copy of the target, or another spelling of it."""

import numpy as np
from numpy.typing import NDArray

from hakobu.scaffold.column import Column
from hakobu.scaffold.infer import Guess
from hakobu_runtime.limits.breach import quote

_FEWEST_ROWS = 10
_ROWS_A_VALUE = 20


def leak(column: Column, guess: Guess, target: Column, target_guess: Guess) -> str:
    """Return how `column` gives the target away; "" when it does not. Both hold the same rows."""
    both = column.there & target.there
    if both.sum() < _FEWEST_ROWS:
        return ""
    x, y = column.take(np.flatnonzero(both)), target.take(np.flatnonzero(both))
    goal = f"the target {quote(target.name)}"
    if x.codes.tolist() == y.codes.tolist() and x.texts == y.texts:
        return f"a copy of {goal}"
    if len(x.texts) == len(y.texts) == _pairs(x, y) and 2 * len(x.texts) <= len(x):
        return f"{goal} in other words: each value of the one stands with one value of the other"
    if guess.numbers and target_guess.numbers and not guess.bad and not target_guess.bad:
        place, answer = _ranks(x, guess.numbers), _ranks(y, target_guess.numbers)
        if answer.max() > 1 and (np.array_equal(place, answer) or np.array_equal(place.max() - place, answer)):
            return f"{goal} on another scale: it rises and falls with it in every row"
    return ""


def decides(column: Column, target: Column) -> bool:
    """Say whether every value of `column`, each of them common, stands with one value of the target alone."""
    both = np.flatnonzero(column.there & target.there)
    if len(both) < max(_FEWEST_ROWS, len(column.present) * _ROWS_A_VALUE):
        return False
    x, y = column.take(both), target.take(both)
    return len(y.texts) > 1 and len(x.texts) == _pairs(x, y)


def _pairs(x: Column, y: Column) -> int:
    """Return how many distinct pairs of values stand in the rows."""
    return len(np.unique(x.codes * len(y.texts) + y.codes))


def _ranks(column: Column, numbers: dict[str, float]) -> NDArray[np.int64]:
    values = np.array([numbers[text] for text in column.texts])[column.codes]
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)

"""A look at the trees of a TreeEnsemble: onnxruntime before 1.31 follows any number that it finds there, anywhere."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import FormatError

Ints = NDArray[np.int64]

ANSWERS = {"nodes_trueleafs": "nodes_truenodeids", "nodes_falseleafs": "nodes_falsenodeids"}
INTS = frozenset([*ANSWERS, *ANSWERS.values(), "nodes_featureids", "tree_roots", "leaf_targetids", "n_targets"])
"""The attributes of whole numbers that say where a row goes."""


def check_trees(numbers: Mapping[str, Ints]) -> None:
    """Raise FormatError unless each tree of the operator ends, and refers to nothing but what is there.

    `numbers` holds INTS. A question is the answer of one other at most, and a root of none: so there are no circles.
    """
    missing = sorted(INTS - numbers.keys())
    if missing:
        raise _wrong(missing[0], "is missing")
    roots, targets = numbers["tree_roots"], numbers["leaf_targetids"]
    size, leaves = len(numbers["nodes_featureids"]), len(targets)
    for flags, places in ANSWERS.items():
        if len(numbers[flags]) != size or len(numbers[places]) != size:
            raise _wrong(flags, f"has {len(numbers[flags])} numbers for {size} nodes")
        _hold(flags, numbers[flags], 2)
        _hold(places, numbers[places], np.where(numbers[flags] == 1, leaves, size))
    _hold("nodes_featureids", numbers["nodes_featureids"], 2**31)
    _hold("leaf_targetids", targets, int(numbers["n_targets"].max(initial=0)))
    _hold("tree_roots", roots, size)
    inner = [numbers[places][numbers[flags] == 0] for flags, places in ANSWERS.items()]
    if np.bincount(np.concatenate([roots, *inner]), minlength=1).max() > 1:
        raise _wrong("tree_roots", "and the answers lead to one node twice, so that a row might go in circles")


def _hold(name: str, found: Ints, end: int | Ints) -> None:
    """Raise FormatError unless all of `found` lie at 0 or above, and below `end`."""
    if ((found < 0) | (found >= end)).any():
        raise _wrong(name, "names something that is not there")


def _wrong(name: str, words: str) -> FormatError:
    return FormatError(f"operator 'TreeEnsemble': {name!r} {words}: the model is damaged; export it again")

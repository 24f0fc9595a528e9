"""RandomTreesEmbedding: which leaf of each tree a row comes to, one column a leaf."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.ensemble import RandomTreesEmbedding

from hakobu.export.converters.forests import wood_of
from hakobu.export.converters.groves import leaf_values
from hakobu.export.converters.single import step_only
from hakobu.export.converters.step import Step


def _convert(scope: Any, operator: Any, container: Any) -> None:
    step = Step(scope, operator, container)
    model = step.estimator
    woods = [wood_of(grown.tree_) for grown in model.estimators_]
    woods = [replace(wood, weights=wood.leaves.astype(np.float64)[:, None]) for wood in woods]
    leaves = leaf_values(step, woods, step.numbers(np.float32), narrow=True)
    parts = []
    for place, known in enumerate(model.one_hot_encoder_.categories_):
        own = step.add("Gather", leaves, np.array(place, dtype=np.int64), axis=1)
        parts.append(step.double(step.add("Equal", own, np.asarray(known, dtype=np.float64)[None, :])))
    step.give(step.side_by_side(parts))


def _leaves(model: Any) -> int:
    return sum(len(known) for known in model.one_hot_encoder_.categories_)


CONVERTERS = (step_only(RandomTreesEmbedding, _leaves, _convert, "dense leaves"),)

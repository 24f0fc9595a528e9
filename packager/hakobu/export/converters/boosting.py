"""Histogram gradient boosting: categories that split, links behind the trees, scores in double."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from hakobu.export.converters import responses
from hakobu.export.converters.categories import encoded
from hakobu.export.converters.classes import (
    OPTIONS,
    above,
    both,
    classifier_shape,
    give,
    give_classes,
    give_scores,
    largest,
    regressor_shape,
)
from hakobu.export.converters.groves import Wood, sums_of
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import matrix_of
from hakobu.export.converters.writer import Writer


def is_categorical(booster: Any) -> bool:
    """Say whether a fitted booster splits on categories."""
    return getattr(booster, "is_categorical_", None) is not None


def has_link(booster: Any) -> bool:
    """Say whether the trees of a fitted regressor add up the logarithm of what it predicts."""
    return booster.loss in ("poisson", "gamma")


def raw_scores(writer: Writer, booster: Any, given: Sequence[Any], *, exact: bool = True) -> str:
    """Return what the trees add up, doubles (n, 1), or (n, classes) where there are more than two.

    Not `exact`, the sum is rounded to float32 once.
    """
    matrix = encoded(writer, booster._preprocessor, given) if is_categorical(booster) else matrix_of(writer, given)
    stages, width = booster._predictors, booster.n_trees_per_iteration_
    trees = [_wood(tree) for stage in stages for tree in stage]
    total = sums_of(writer, trees, matrix, [np.array([place]) for _ in stages for place in range(width)], exact=exact)
    return writer.add("Add", total, booster._baseline_prediction.reshape(1, width).astype(np.float64))


def _wood(tree: Any) -> Wood:
    """Return one tree; a split on categories becomes a chain of nodes, one for each category that goes left."""
    nodes = tree.nodes
    leaf = nodes["is_leaf"] != 0
    fields = ("feature_idx", "num_threshold", "left", "right", "missing_go_to_left")
    columns: list[list[Any]] = [np.where(leaf, 0, nodes[field]).tolist() for field in fields]
    features, values, yes, no, missing = columns
    modes = np.where(leaf, "LEAF", "BRANCH_LEQ").tolist()
    for place in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf).tolist():
        left = _members(tree.raw_left_cat_bitsets[nodes["bitset_idx"][place]])
        # The chain begins where the split was, and goes on behind the other nodes.
        chain = [place, *range(len(modes), len(modes) + len(left) - 1)]
        modes += [""] * (len(left) - 1)
        for column in columns:
            column += [column[place]] * (len(left) - 1)
        for link, code, after in zip(chain, left, [*chain[1:], no[place]], strict=True):
            modes[link], values[link], no[link] = "BRANCH_EQ", code + 1.0, after
    return Wood(
        features=np.array(features, dtype=np.int64),
        modes=tuple(modes),
        values=np.array(values, dtype=np.float64),
        yes=np.array(yes, dtype=np.int64),
        no=np.array(no, dtype=np.int64),
        missing=np.array(missing, dtype=np.int64),
        leaves=np.flatnonzero(leaf),
        weights=nodes["value"][leaf].reshape(-1, 1),
    )


def _members(bitset: NDArray[np.uint32]) -> list[int]:
    """Return the numbers in a set of 256 bits."""
    return [code for code in range(256) if bitset[code // 32] >> (code % 32) & 1]


def _classifier(scope: Any, operator: Any, container: Any) -> None:
    writer, booster = Writer(scope, container), operator.raw_operator
    raw = raw_scores(writer, booster, operator.inputs, exact=False)
    give_boosted(writer, operator, raw, odds_of(writer, raw, binary=booster.n_trees_per_iteration_ == 1))


def give_boosted(writer: Writer, operator: Any, raw: str, odds: str, *, equal: bool = False) -> None:
    """Give out `odds`, and the class that the scores `raw` speak for: the second of two above 0 (or at it)."""
    binary = operator.raw_operator.n_trees_per_iteration_ == 1
    give_classes(writer, operator, above(writer, raw, 0.0, equal=equal) if binary else largest(writer, raw))
    give_scores(writer, operator, odds)


def _regressor(scope: Any, operator: Any, container: Any) -> None:
    writer = Writer(scope, container)
    give(writer, _value(writer, operator.raw_operator, operator.inputs, exact=False), operator.outputs[0])


def _value(writer: Writer, booster: Any, given: Sequence[Any], *, exact: bool = True) -> str:
    raw = raw_scores(writer, booster, given, exact=exact)
    return writer.add("Exp", raw) if has_link(booster) else raw


def odds_of(writer: Writer, raw: str, *, binary: bool) -> str:
    """Return the probabilities that boosted trees mean by what they add up."""
    return both(writer, writer.add("Sigmoid", raw)) if binary else writer.add("Softmax", raw, axis=1)


def _probabilities(writer: Writer, booster: Any, given: Sequence[Any]) -> str:
    return odds_of(writer, raw_scores(writer, booster, given), binary=booster.n_trees_per_iteration_ == 1)


responses.PROBABILITIES[HistGradientBoostingClassifier] = _probabilities
responses.DECISIONS[HistGradientBoostingClassifier] = raw_scores
responses.VALUES[HistGradientBoostingRegressor] = _value
for _kind in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
    responses.MEMBERS[_kind] = lambda booster: [booster._preprocessor] if is_categorical(booster) else []

CONVERTERS = (
    Converter(
        HistGradientBoostingClassifier,
        classifier_shape,
        _classifier,
        "splits on categories kept",
        applies=is_categorical,
        options={**OPTIONS, "raw_scores": [True, False]},
    ),
    Converter(
        HistGradientBoostingRegressor,
        regressor_shape,
        _regressor,
        "splits on categories and the exponential link kept",
        applies=lambda booster: is_categorical(booster) or has_link(booster),
    ),
)

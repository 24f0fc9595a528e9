"""LightGBM's models, read from the text that it writes."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hakobu.export.boosting.trees import ZERO, Boosted, Link, Node, Rule, Tree

_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_GAPS = {0: "none", 1: "zero", 2: "nan"}

_LINKS = {
    "binary": Link.SIGMOID,
    "multiclass": Link.SOFTMAX,
    "multiclassova": Link.SIGMOID,
    "cross_entropy": Link.SIGMOID,
    "cross_entropy_lambda": Link.SOFTPLUS,
    "poisson": Link.EXP,
    "gamma": Link.EXP,
    "tweedie": Link.EXP,
}
_PLAIN = (
    "regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "custom", "",
)  # fmt: skip
CLASSIFIERS = ("binary", "multiclass", "multiclassova")


def objective(booster: Any) -> str:
    """Return the name of what `booster` was trained for; "" when it is of the builder's own making."""
    return _header(_text(booster)).get("objective", "").partition(" ")[0]


def read_booster(booster: Any) -> Boosted:
    """Return what a `lightgbm.Booster` computes; raise NotImplementedError with the reason where it cannot be exact."""
    text = _text(booster)
    header, trees = _header(text), list(_trees(text))
    if "pandas_categorical:null" not in text and "pandas_categorical:[]" not in text and "pandas_categorical:" in text:
        raise NotImplementedError("it reads pandas categories; encode them as whole numbers before it")
    if any(int(tree.get("is_linear", "0")) for tree in trees):
        raise NotImplementedError("linear_tree=True has no counterpart in ONNX; train with linear_tree=False")
    name, *settings = header.get("objective", "").split() or [""]
    if name not in _LINKS and name not in _PLAIN:
        raise NotImplementedError(f"its objective {name!r} is not known; use one of {', '.join([*_LINKS, *_PLAIN])}")
    given = dict(setting.partition(":")[::2] for setting in settings)
    link = Link.SQUARE if "sqrt" in settings else _LINKS.get(name, Link.IDENTITY)
    scores = int(header["num_tree_per_iteration"])
    # A random forest's trees are averaged, not added.
    rounds = max(1, len(trees) // scores) if "average_output" in header else 1
    gaps = _gaps(trees)
    return Boosted(
        trees=tuple(_tree(tree, place % scores, rounds) for place, tree in enumerate(trees)),
        base=np.zeros(scores),
        width=int(header["max_feature_idx"]) + 1,
        link=link,
        single=False,
        steepness=float(given.get("sigmoid", "1")),
        zero_gaps=tuple(feature for feature, gap in sorted(gaps.items()) if gap == "zero"),
        categories=tuple(sorted(_categorical(trees))),
    )


def _text(booster: Any) -> str:
    return str(booster.model_to_string(importance_type="split"))


def _header(text: str) -> dict[str, str]:
    return _fields(text.partition("\nTree=")[0])


def _fields(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in text.splitlines()) if key}


def _trees(text: str) -> Iterator[dict[str, str]]:
    for block in text.partition("\nend of trees")[0].split("\nTree=")[1:]:
        yield _fields(block)


def _ints(tree: Mapping[str, str], key: str) -> list[int]:
    return [int(word) for word in tree.get(key, "").split()]


def _gaps(trees: list[dict[str, str]]) -> dict[int, str]:
    """Return what counts as missing in each feature that numbers are compared in."""
    found: dict[int, str] = {}
    for tree in trees:
        for feature, kind in zip(_ints(tree, "split_feature"), _ints(tree, "decision_type"), strict=True):
            gap = _GAPS.get(kind >> 2 & 3, "none")
            if not kind & _CATEGORICAL and found.setdefault(feature, gap) != gap:
                raise NotImplementedError(
                    f"feature {feature} takes {found[feature]} for missing in one tree and {gap} in another; "
                    "train it in one go, with one setting of use_missing and zero_as_missing"
                )
    return found


def _categorical(trees: list[dict[str, str]]) -> set[int]:
    return {
        feature
        for tree in trees
        for feature, kind in zip(_ints(tree, "split_feature"), _ints(tree, "decision_type"), strict=True)
        if kind & _CATEGORICAL
    }


def _tree(fields: Mapping[str, str], score: int, rounds: int) -> Tree:
    """Return the nodes of a tree: the splits first, in their order, then the leaves, then more for categories."""
    features, kinds = _ints(fields, "split_feature"), _ints(fields, "decision_type")
    thresholds = [float(word) for word in fields.get("threshold", "").split()]
    values = [float(word) / rounds for word in fields["leaf_value"].split()]
    sides = zip(_ints(fields, "left_child"), _ints(fields, "right_child"), strict=True)
    leaves = [Node(Rule.LEAF, adds=((score, value),)) for value in values]
    splits: list[Node] = []
    more: list[Node] = []
    for feature, kind, threshold, (left, right) in zip(features, kinds, thresholds, sides, strict=True):
        # A leaf is written as its place from the end of all numbers: -1 is leaf 0.
        yes, no = (side if side >= 0 else len(features) + ~side for side in (left, right))
        if kind & _CATEGORICAL:
            chosen = _set(fields, int(threshold))
            start = len(features) + len(leaves) + len(more)
            first, *others = [
                Node(Rule.EQUAL, feature, float(value), yes, start + place if place < len(chosen) - 1 else no)
                for place, value in enumerate(chosen)
            ]
            splits.append(first)
            more += others
        else:
            gap = _GAPS.get(kind >> 2 & 3, "none")
            left_gap = threshold >= 0 if gap == "none" else bool(kind & _DEFAULT_LEFT)
            splits.append(Node(Rule.AT_MOST, feature, _around_zero(threshold), yes, no, left_gap))
    return [*splits, *leaves, *more]


def _around_zero(threshold: float) -> float:
    """Return a threshold that sends what is as good as zero where LightGBM, which reads it as zero, sends zero."""
    if abs(threshold) > ZERO:
        return threshold
    return ZERO if threshold >= 0 else float(np.nextafter(-ZERO, -np.inf))


def _set(fields: Mapping[str, str], place: int) -> list[int]:
    """Return the categories that go left at the categorical split number `place`."""
    bounds, words = _ints(fields, "cat_boundaries"), _ints(fields, "cat_threshold")
    bits = words[bounds[place] : bounds[place + 1]]
    return [32 * index + bit for index, word in enumerate(bits) for bit in range(32) if word >> bit & 1]

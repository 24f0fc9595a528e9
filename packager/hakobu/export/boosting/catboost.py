"""CatBoost's models, read from the JSON that it writes."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hakobu.export.boosting.trees import Boosted, Link, Node, Picks, Rule, Tree

_LINKS = {
    "Logloss": Link.SIGMOID,
    "CrossEntropy": Link.SIGMOID,
    "MultiClass": Link.SOFTMAX,
    "MultiClassOneVsAll": Link.SIGMOID,
    "Poisson": Link.EXP,
    "Tweedie": Link.EXP,
}
_PLAIN = (
    "RMSE", "MAE", "Quantile", "LogLinQuantile", "MAPE", "Huber", "Expectile", "Lq", "LogCosh", "QueryRMSE",
    "YetiRank", "YetiRankPairwise", "PairLogit", "PairLogitPairwise", "StochasticRank",
)  # fmt: skip
CLASSIFIERS = ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll")

DEEPEST = 12
"""A tree of this depth has 4,096 leaves; each further level doubles the model."""


def content(model: Any) -> dict[str, Any]:
    """Return the JSON of a fitted CatBoost model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found


def objective(found: Mapping[str, Any]) -> str:
    """Return the name of the loss that the model in `found` was trained on."""
    params = found["model_info"].get("params", {})
    params = json.loads(params) if isinstance(params, str) else params
    return str(params.get("loss_function", {}).get("type", ""))


def read_model(model: Any) -> Boosted:
    """Return what a fitted CatBoost model computes; raise NotImplementedError with the reason where it cannot."""
    found = content(model)
    name = objective(found)
    if name not in _LINKS and name not in _PLAIN:
        raise NotImplementedError(f"its loss {name!r} is not known; use one of {', '.join([*_LINKS, *_PLAIN])}")
    _check_features(found["features_info"])
    scale, bias = found["scale_and_bias"]
    floats = found["features_info"]["float_features"]
    columns = {feature["feature_index"]: feature for feature in floats}
    if "oblivious_trees" in found:
        trees = tuple(_oblivious(tree, columns, scale, len(bias)) for tree in found["oblivious_trees"])
    else:
        trees = tuple(_uneven(tree, columns, scale) for tree in found["trees"])
    threshold = model.get_probability_threshold() if name in ("Logloss", "CrossEntropy") else 0.5
    return Boosted(
        trees=trees,
        base=np.array(bias, dtype=np.float64),
        width=len(floats),
        link=_LINKS.get(name, Link.IDENTITY),
        single=True,
        picks=Picks.RAW,
        cut=float(np.log(threshold / (1 - threshold))),
    )


def _check_features(info: Mapping[str, Any]) -> None:
    for kind in ("categorical_features", "text_features", "embedding_features"):
        if info.get(kind):
            raise NotImplementedError(f"it reads {kind.replace('_', ' ')}; encode them as numbers before it")


def _split(split: Mapping[str, Any], columns: Mapping[int, Mapping[str, Any]], left: int, right: int) -> Node:
    feature = columns[split["float_feature_index"]]
    # Above the border goes right; so does a missing value where it stands for the largest.
    gap_left = feature["nan_value_treatment"] != "AsTrue"
    border = float(np.float32(split["border"]))
    return Node(Rule.AT_MOST, feature["flat_feature_index"], border, left, right, gap_left)


def _oblivious(tree: Mapping[str, Any], columns: Mapping[int, Mapping[str, Any]], scale: float, scores: int) -> Tree:
    """Return a tree whose every level asks one question as an ordinary one, level by level."""
    splits: Sequence[Mapping[str, Any]] = tree.get("splits") or ()
    if len(splits) > DEEPEST:
        raise NotImplementedError(f"its trees are {len(splits)} deep; train with depth={DEEPEST} at most")
    nodes: list[Node] = []
    # The first split is the lowest bit of a leaf's number, so the last split is asked first.
    for level, split in enumerate(reversed(splits)):
        for place in range(2**level):
            child = 2 ** (level + 1) - 1 + 2 * place
            nodes.append(_split(split, columns, child, child + 1))
    values = tree["leaf_values"]
    for leaf in range(2 ** len(splits)):
        own = values[leaf * scores : (leaf + 1) * scores]
        nodes.append(Node(Rule.LEAF, adds=tuple((place, scale * value) for place, value in enumerate(own))))
    return nodes


def _uneven(tree: Mapping[str, Any], columns: Mapping[int, Mapping[str, Any]], scale: float) -> Tree:
    nodes: list[Node] = []
    waiting = [tree]
    # Breadth first, without recursion: such trees may be as deep as they have leaves.
    for found in waiting:
        if "split" in found:
            nodes.append(_split(found["split"], columns, len(waiting), len(waiting) + 1))
            waiting += [found["left"], found["right"]]
        else:
            own = found["value"] if isinstance(found["value"], list) else [found["value"]]
            nodes.append(Node(Rule.LEAF, adds=tuple((place, scale * value) for place, value in enumerate(own))))
    return nodes

"""XGBoost's models, read from the JSON that it writes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu.export.boosting.trees import Boosted, Link, Node, Picks, Rule, Tree

_LINKS = {
    "binary:logistic": Link.SIGMOID,
    "reg:logistic": Link.SIGMOID,
    "multi:softprob": Link.SOFTMAX,
    "multi:softmax": Link.SOFTMAX,
    "count:poisson": Link.EXP,
    "reg:gamma": Link.EXP,
    "reg:tweedie": Link.EXP,
}
_PLAIN = (
    "reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror",
    "rank:pairwise", "rank:ndcg", "rank:map",
)  # fmt: skip
CLASSIFIERS = ("binary:logistic", "multi:softprob", "multi:softmax")


def objective(booster: Any) -> str:
    """Return the name of what `booster` was trained for."""
    return str(json.loads(booster.save_config())["learner"]["objective"]["name"])


def read_booster(booster: Any, gap: float = float("nan")) -> Boosted:
    """Return what an `xgboost.Booster` computes, to which `gap` is a missing value.

    Raises NotImplementedError with the reason where it cannot be exact.
    """
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    name = learner["objective"]["name"]
    if name not in _LINKS and name not in _PLAIN:
        raise NotImplementedError(f"its objective {name!r} is not known; use one of {', '.join([*_LINKS, *_PLAIN])}")
    shape = learner["learner_model_param"]
    if int(shape.get("num_target", "1")) > 1:
        raise NotImplementedError("it predicts several targets; train one model for each")
    scores = max(1, int(shape["num_class"]))
    model, weights = _gradient_booster(learner["gradient_booster"])
    trees = zip(model["trees"], model["tree_info"], weights or [1.0] * len(model["trees"]), strict=True)
    return Boosted(
        trees=tuple(_tree(tree, score, weight) for tree, score, weight in trees),
        base=_base(shape["base_score"], _LINKS.get(name, Link.IDENTITY), scores),
        width=int(shape["num_feature"]),
        link=_LINKS.get(name, Link.IDENTITY),
        single=True,
        picks=Picks.SINGLE,
        gap=gap,
    )


def _gradient_booster(found: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[float]]:
    """Return the trees, and the weight of each where they have one."""
    if found["name"] == "gblinear":
        raise NotImplementedError("booster='gblinear' is no tree; use scikit-learn's linear models")
    if found["name"] == "dart":
        return found["gbtree"]["model"], found["weight_drop"]
    return found["model"], []


def _base(text: str, link: Link, scores: int) -> NDArray[np.float64]:
    """Return where the sums begin: the file tells it after the link, not before."""
    told = np.array(json.loads(text), dtype=np.float32).ravel()
    if link is Link.SIGMOID:
        told = -np.log(np.float32(1) / told - np.float32(1))
    elif link is Link.EXP:
        told = np.log(told)
    return np.broadcast_to(told.astype(np.float64), (scores,)).copy()


def _tree(found: Mapping[str, Any], score: int, weight: float) -> Tree:
    if any(found["split_type"]):
        raise NotImplementedError("it splits by category (enable_categorical); encode categories as numbers before it")
    if int(found["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise NotImplementedError("its leaves hold several values (multi_output_tree); use one_output_per_tree")
    return list(_nodes(found, score, np.float32(weight)))


def _nodes(found: Mapping[str, Any], score: int, weight: np.float32) -> Iterator[Node]:
    splits = np.array(found["split_conditions"], dtype=np.float32)
    columns = zip(
        found["split_indices"], splits, found["left_children"], found["right_children"], found["default_left"],
        strict=True,
    )  # fmt: skip
    for feature, number, left, right, gap_left in columns:
        if left < 0:
            yield Node(Rule.LEAF, adds=((score, float(weight * number)),))
        else:
            yield Node(Rule.BELOW, feature, float(number), left, right, bool(gap_left))

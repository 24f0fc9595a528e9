"""Whether the text of a LightGBM model is whole: the library ends the process over one that is not."""

from collections.abc import Mapping
from itertools import pairwise

_HEADER = ("num_class", "num_tree_per_iteration", "max_feature_idx", "feature_names", "feature_infos", "tree_sizes")
_SPLITS = {
    "split_feature": int,
    "split_gain": float,
    "threshold": float,
    "decision_type": int,
    "left_child": int,
    "right_child": int,
    "internal_value": float,
    "internal_weight": float,
    "internal_count": int,
}
_LEAVES = {"leaf_value": float, "leaf_weight": float, "leaf_count": int}


def check_whole(text: str) -> None:
    """Raise ValueError, saying what is wrong, unless `text` is a model as LightGBM writes one."""
    head, start, _ = text.partition("\nTree=0\n")
    if "\nend of trees" not in text or not start:
        raise ValueError("it has no trees, or its end is missing")
    fields = dict(line.partition("=")[::2] for line in head.splitlines())
    missing = [key for key in _HEADER if key not in fields]
    if missing:
        raise ValueError(f"its line {missing[0]!r} is missing")
    features = int(fields["max_feature_idx"]) + 1
    if len(fields["feature_names"].split()) != features or len(fields["feature_infos"].split()) != features:
        raise ValueError(f"it names other than {features} features")
    if not 1 <= int(fields["num_class"]) == int(fields["num_tree_per_iteration"]) or int(fields["num_class"]) > 100_000:
        raise ValueError("its number of classes is damaged")
    content = text.encode()
    place = len(head.encode()) + 1
    for number, size in enumerate(int(word) for word in fields["tree_sizes"].split()):
        block = content[place : place + size]
        place += size
        if size < 1 or not block.startswith(f"Tree={number}\n".encode()):
            raise ValueError(f"tree {number} is not where it should be")
        _check_tree(number, block.decode(), features)
    if not content[place:].startswith(b"end of trees"):
        raise ValueError("its trees are fewer, or more, than it says")


def _check_tree(number: int, block: str, features: int) -> None:
    fields = dict(line.partition("=")[::2] for line in block.splitlines())
    leaves = int(fields.get("num_leaves", "0"))
    if leaves < 1:
        raise ValueError(f"tree {number} has no leaves")
    float(fields.get("shrinkage", "1"))
    int(fields.get("is_linear", "0"))
    _check_numbers(number, fields, "leaf_value", float, leaves)
    if leaves == 1:
        return
    for key, kind in _SPLITS.items():
        if key in fields or key in ("split_feature", "threshold", "decision_type", "left_child", "right_child"):
            _check_numbers(number, fields, key, kind, leaves - 1)
    for key, kind in _LEAVES.items():
        if key in fields:
            _check_numbers(number, fields, key, kind, leaves)
    if not all(0 <= int(word) < features for word in fields["split_feature"].split()):
        raise ValueError(f"tree {number} asks for a feature that is not there")
    sides = [int(word) for key in ("left_child", "right_child") for word in fields[key].split()]
    if sorted(sides) != [*range(-leaves, 0), *range(1, leaves - 1)]:
        raise ValueError(f"tree {number} is no tree")
    _check_categories(number, fields)


def _check_numbers(number: int, fields: Mapping[str, str], key: str, kind: type, count: int) -> None:
    words = fields.get(key, "").split()
    if len(words) != count:
        raise ValueError(f"tree {number} has {len(words)} numbers in {key}, not {count}")
    for word in words:
        kind(word)


def _check_categories(number: int, fields: Mapping[str, str]) -> None:
    count = int(fields.get("num_cat", "0"))
    kinds = [int(word) & 1 for word in fields["decision_type"].split()]
    asked = [float(word) for word, kind in zip(fields["threshold"].split(), kinds, strict=True) if kind]
    bounds = [int(word) for word in fields.get("cat_boundaries", "0").split()]
    words = [int(word) for word in fields.get("cat_threshold", "").split()]
    if sorted(asked) != [float(place) for place in range(count)]:
        raise ValueError(f"tree {number} asks for other categories than it holds")
    rising = all(low < high for low, high in pairwise(bounds))
    if len(bounds) != count + 1 or bounds[0] != 0 or bounds[-1] != len(words) or not rising:
        raise ValueError(f"tree {number} has damaged categories")
    if not all(0 <= word < 2**32 for word in words):
        raise ValueError(f"tree {number} has damaged categories")

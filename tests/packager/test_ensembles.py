"""Trees written anew for the device give what they gave, for every number and for none."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from hakobu.export.convert import OPSETS, export
from hakobu.export.ensembles import arrays
from hakobu.export.ensembles.arrays import splits_of
from hakobu.export.ensembles.settle import settle_ensembles
from hakobu_runtime.format.feature import Input, Kind
from hakobu_runtime.format.onnx import check_model

WIDTH = 4
EDGES = (0.0, -0.0, 1e-45, -1e-45, 1e-38, -1e-38, 1.0, -1.5, 3.4028235e38, -3.4028235e38, np.inf, -np.inf)
"""Where comparing goes wrong, if it does."""


@dataclass(frozen=True)
class Shape:
    """What an ensemble is drawn from."""

    seed: int
    trees: int
    depth: int
    mode: str
    wide: bool
    """Whether it holds doubles."""
    targets: int
    many: bool
    """Whether a leaf has a number for each target."""
    gaps: float
    """How many questions send a missing number the way of yes."""


shapes = st.builds(
    Shape,
    seed=st.integers(0, 2**32 - 1),
    trees=st.integers(1, 6),
    depth=st.integers(0, 5),
    mode=st.sampled_from(["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_EQ", "mixed"]),
    wide=st.booleans(),
    targets=st.integers(1, 3),
    many=st.booleans(),
    gaps=st.sampled_from([0.0, 0.5, 1.0]),
)


def nodes_of(shape: Shape) -> dict[str, list[Any]]:
    """Draw the nodes of trees in the words of the older operators; weights are quarters, whose sums are exact."""
    rng = np.random.default_rng(shape.seed)
    keys = [
        "treeids",
        "nodeids",
        "featureids",
        "modes",
        "values",
        "truenodeids",
        "falsenodeids",
        "missing_value_tracks_true",
    ]
    nodes: dict[str, list[Any]] = {f"nodes_{key}": [] for key in keys}
    nodes |= {f"target_{key}": [] for key in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(shape.trees):
        waiting, count = [(0, 0)], 1
        while waiting:
            node, depth = waiting.pop()
            is_leaf = depth == shape.depth or (depth > 0 and rng.random() < 0.3)
            mode = rng.choice(["BRANCH_LEQ", "BRANCH_LT"]) if shape.mode == "mixed" else shape.mode
            value = rng.choice(EDGES) if rng.random() < 0.5 else rng.normal()
            yes, no = (0, 0) if is_leaf else (count, count + 1)
            found = (
                tree, node, int(rng.integers(WIDTH)), "LEAF" if is_leaf else str(mode), float(np.float32(value)),
                yes, no, int(not is_leaf and rng.random() < shape.gaps),
            )  # fmt: skip
            for key, one in zip(keys, found, strict=True):
                nodes[f"nodes_{key}"].append(one)
            if is_leaf:
                for target in range(shape.targets) if shape.many else [int(rng.integers(shape.targets))]:
                    nodes["target_treeids"].append(tree)
                    nodes["target_nodeids"].append(node)
                    nodes["target_ids"].append(target)
                    nodes["target_weights"].append(float(rng.integers(-8, 9)) / 4)
            else:
                waiting += [(count, depth + 1), (count + 1, depth + 1)]
                count += 2
    return nodes


def model_of(shape: Shape) -> ModelProto:
    """Write the drawn trees as a TreeEnsembleRegressor."""
    attributes, kind = nodes_of(shape), TensorProto.FLOAT
    if shape.wide:
        kind = TensorProto.DOUBLE
        for name in ("nodes_values", "target_weights"):
            attributes[f"{name}_as_tensor"] = numpy_helper.from_array(np.array(attributes.pop(name)), name)
    node = helper.make_node(
        "TreeEnsembleRegressor", ["numbers"], ["value"], domain="ai.onnx.ml", n_targets=shape.targets, **attributes
    )
    return whole(node, kind)


def whole(node: Any, kind: int, *outputs: Any) -> ModelProto:
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("numbers", kind, [None, WIDTH])],
        list(outputs) or [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, None])],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def told(model: ModelProto, rows: NDArray[np.floating]) -> list[NDArray[Any]]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[NDArray[Any]] = session.run(None, {"numbers": rows})
    return found


def rows_for(model: ModelProto, kind: type[np.floating]) -> NDArray[np.floating]:
    """Draw rows on every split, beside it, at the edges, and missing."""
    rng = np.random.default_rng(1)
    splits = splits_of(model).astype(kind)
    with np.errstate(over="ignore"):
        beside = [np.nextafter(splits, kind(end)) for end in (-np.inf, np.inf)]
    pool = np.concatenate([splits, *beside, np.array(EDGES, dtype=kind), np.full(20, np.nan, dtype=kind)])
    return rng.choice(pool, (1500, WIDTH))


def operators(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@given(shapes)
@settings(max_examples=150)
def test_trees_written_anew_give_the_same_sums(shape: Shape) -> None:
    model = model_of(shape)
    rows = rows_for(model, np.float64 if shape.wide else np.float32)
    (before,) = told(model, rows)
    settle_ensembles(model)
    onnx.checker.check_model(model)
    check_model(model.SerializeToString())
    (after,) = told(model, rows)
    np.testing.assert_array_equal(after, before)
    assert after.dtype == np.float32
    single = not shape.many or shape.targets == 1
    assert ("TreeEnsemble" in operators(model)) is single
    if shape.mode == "BRANCH_LEQ" or (shape.mode == "BRANCH_LT" and -np.inf not in rows):
        assert "nodes_missing_value_tracks_true" not in {a.name for node in model.graph.node for a in node.attribute}


@pytest.mark.parametrize("targets", [1, 2])
def test_many_nodes_are_spread_over_several_operators(monkeypatch: pytest.MonkeyPatch, targets: int) -> None:
    shape = Shape(5, 40, 5, "BRANCH_LEQ", wide=False, targets=targets, many=True, gaps=0.5)
    model, rows = model_of(shape), rows_for(model_of(shape), np.float32)
    (before,) = told(model, rows)
    monkeypatch.setattr(arrays, "MOST_NODES", 100)
    settle_ensembles(model)
    assert sum(name.startswith("TreeEnsemble") for name in operators(model)) > 3
    np.testing.assert_array_equal(told(model, rows)[0], before)


def test_of_many_columns_only_those_are_turned_round_that_are_asked_about() -> None:
    model = model_of(Shape(3, 1, 1, "BRANCH_LEQ", wide=False, targets=1, many=True, gaps=1.0))
    rows = rows_for(model, np.float32)
    (before,) = told(model, rows)
    settle_ensembles(model)
    assert operators(model)[0] == "Gather"
    np.testing.assert_array_equal(told(model, rows)[0], before)


@pytest.mark.parametrize(
    ("labels", "link"),
    [([0, 1], "NONE"), ([0, 1], "LOGISTIC"), ([3, 7], "LOGISTIC"), (["a", "b"], "NONE"), (["a", "b", "c"], "SOFTMAX"),
     ([0, 1, 2], "NONE"), ([5, 1, 2], "SOFTMAX")],
)  # fmt: skip
@pytest.mark.parametrize("base", [False, True])
def test_a_classifier_gives_the_same_odds_and_their_label(labels: list[Any], link: str, base: bool) -> None:
    many = len(labels) if len(labels) > 2 else 1
    shape = Shape(9, 5, 4, "BRANCH_LEQ", wide=False, targets=many, many=False, gaps=0.5)
    attributes = {name.replace("target", "class"): cells for name, cells in nodes_of(shape).items()}
    if link == "NONE":
        attributes["class_weights"] = [abs(weight) / 10 for weight in attributes["class_weights"]]
    if many == 1:
        attributes["class_ids"] = [0] * len(attributes["class_ids"])
    if base:
        attributes["base_values"] = [0.03125 * (place + 1) for place in range(many)]
    texts = isinstance(labels[0], str)
    attributes["classlabels_strings" if texts else "classlabels_int64s"] = labels
    node = helper.make_node(
        "TreeEnsembleClassifier", ["numbers"], ["label", "odds"], domain="ai.onnx.ml", post_transform=link, **attributes
    )
    model = whole(
        node,
        TensorProto.FLOAT,
        helper.make_tensor_value_info("label", TensorProto.STRING if texts else TensorProto.INT64, [None]),
        helper.make_tensor_value_info("odds", TensorProto.FLOAT, [None, None]),
    )
    rows = rows_for(model, np.float32)
    before = told(model, rows)
    settle_ensembles(model)
    onnx.checker.check_model(model)
    after = told(model, rows)
    assert "TreeEnsemble" in operators(model)
    np.testing.assert_allclose(after[1], before[1], atol=2e-7)
    clear = np.abs(np.diff(np.sort(before[1], axis=1)[:, -2:])[:, 0]) > 1e-5
    assert clear.mean() > 0.5
    # Not the label that it gave: of three classes, onnxruntime 1.31 gives another than that of the largest sum.
    best = np.array(labels, dtype=after[0].dtype)[before[1].argmax(axis=1)]
    np.testing.assert_array_equal(after[0][clear], best[clear])
    assert after[0].shape == before[0].shape
    assert after[0].dtype == before[0].dtype


def test_an_ensemble_of_another_kind_stays_as_it_is() -> None:
    attributes = nodes_of(Shape(1, 3, 3, "BRANCH_LEQ", wide=False, targets=1, many=True, gaps=0.5))
    node = helper.make_node(
        "TreeEnsembleRegressor", ["numbers"], ["value"], domain="ai.onnx.ml", n_targets=1, aggregate_function="MIN",
        **attributes,
    )  # fmt: skip
    model = whole(node, TensorProto.FLOAT)
    before = model.SerializeToString()
    settle_ensembles(model)
    assert model.SerializeToString() == before


def test_a_forest_and_a_booster_are_exported_small_and_without_questions_about_gaps() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2000, 5)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    wished = [Input(name=f"x{place}", column=f"x{place}", kind=Kind.NUMBER) for place in range(5)]
    answers = np.nansum(rows[:, :2], axis=1) > 0
    for model in (RandomForestClassifier(20, random_state=0), HistGradientBoostingClassifier(max_iter=20)):
        exported = export(model.fit(rows, answers), wished, True)
        graph = onnx.load_model_from_string(exported.model).graph
        assert "TreeEnsemble" in {node.op_type for node in graph.node}
        assert "nodes_missing_value_tracks_true" not in {a.name for node in graph.node for a in node.attribute}
        assert len(exported.splits) > 10

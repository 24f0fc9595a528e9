"""Models fitted on doubles: exported, they compute on doubles too, where each part of scikit-learn does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.tree import BaseDecisionTree, DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor
from threadpoolctl import threadpool_limits

from hakobu.baseline import edges_of
from hakobu.export.convert import Exported, export
from hakobu.export.doubles import check_doubles
from hakobu.export.inside import inside
from hakobu.export.trees import BOOSTERS, thresholds_of
from hakobu.pack.build import build
from hakobu.pack.hard import ROWS, hard_block
from hakobu.project import read_project
from hakobu.table import frame_of, matrices_of
from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.feature import Baseline, Feature, Input, Kind, Missing, Policy, Range
from hakobu_runtime.format.histogram import NumberBins
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.model import Model, Predicted
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.trust import Keyring, PrivateKey


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep small models from spending their time on threads."""
    with threadpool_limits(1):
        yield


START = 1.7e9
"""Epoch seconds of today: float32 tells only every 128th apart."""

CLASSES = (0, 1)


def rows(count: int, seed: int, gaps: float = 0.0) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Return seconds and a small number, and what follows from both: which second it is matters."""
    rng = np.random.default_rng(seed)
    seconds = START + rng.integers(0, 40_000, count)
    small = rng.normal(size=count)
    frame = pd.DataFrame({"t": seconds, "a": small})
    frame.loc[rng.random(count) < gaps, "a"] = np.nan
    return frame, (seconds // 50 % 2) + small + rng.normal(size=count) / 2


def inputs_of(frame: pd.DataFrame) -> list[Input]:
    kinds = {name: Kind.CATEGORY if frame[name].dtype == object else Kind.NUMBER for name in frame.columns}
    return [Input(name=str(name), column=str(name), kind=kind) for name, kind in kinds.items()]


def thresholds(model: Any) -> NDArray[np.float64]:
    """Return where the trees in `model` split the seconds."""
    found = [np.empty(0)]
    for booster in inside(model, BOOSTERS):
        for tree in (tree for stage in getattr(booster, "_predictors", ()) for tree in stage):
            found.append(thresholds_of(tree)[tree.nodes["feature_idx"] == 0])
    for tree in inside(model, (BaseDecisionTree,)):
        if hasattr(tree, "tree_"):
            found.append(tree.tree_.threshold[tree.tree_.feature == 0])
    splits = np.unique(np.concatenate(found))
    return splits[np.isfinite(splits) & (splits > 1e9)]


def hard_rows(model: Any, count: int = 6000, gaps: float = 0.0) -> pd.DataFrame:
    """Return fresh rows, half of them exactly on a threshold or on the next double or float32 beside it."""
    frame, _ = rows(count, 9, gaps)
    splits, rng = thresholds(model), np.random.default_rng(1)
    chosen = rng.choice(splits, count // 2) if len(splits) else frame["t"].to_numpy()[: count // 2]
    narrow = chosen.astype(np.float32)
    beside = np.stack(
        [
            chosen,
            chosen,
            np.nextafter(chosen, 0),
            np.nextafter(chosen, np.inf),
            narrow.astype(np.float64),
            np.nextafter(narrow, np.float32(0)).astype(np.float64),
        ]
    )
    frame.loc[: count // 2 - 1, "t"] = beside[rng.integers(0, len(beside), count // 2), np.arange(count // 2)]
    return frame


def exported_of(model: Any, frame: pd.DataFrame, *, classifier: bool) -> Exported:
    found = export(model, inputs_of(frame), classifier, Dtype.FLOAT64)
    check_model(found.model)
    return found


def predicted_by(exported: Exported, frame: pd.DataFrame, classes: tuple[Any, ...] = ()) -> Predicted:
    numbers, strings = matrices_of(frame, inputs_of(frame), Dtype.FLOAT64)
    return Model(exported.model, exported.tensors, classes).predict(numbers, strings)


boosted = HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=100, min_samples_leaf=1, random_state=0)
forest = RandomForestClassifier(12, random_state=0)
classifiers = [
    boosted,
    forest,
    ExtraTreesClassifier(10, random_state=0),
    GradientBoostingClassifier(n_estimators=20, max_depth=6, random_state=0),
    DecisionTreeClassifier(random_state=0),
    AdaBoostClassifier(DecisionTreeClassifier(max_depth=5), n_estimators=5, random_state=0),
    VotingClassifier([("a", boosted), ("b", forest)], voting="soft"),
    StackingClassifier([("a", forest), ("b", LogisticRegression())], cv=2),
    make_pipeline(StandardScaler(), boosted),
    make_pipeline(StandardScaler(), forest),
    make_pipeline(StandardScaler(), LogisticRegression()),
]
without_odds = make_pipeline(StandardScaler(), RidgeClassifier())


@pytest.mark.parametrize("model", [*classifiers, without_odds], ids=lambda model: str(model).replace("\n", "")[:60])
def test_rows_on_thresholds_keep_their_class(model: Any) -> None:
    frame, z = rows(3000, 0)
    model.fit(frame, (z > 0.5).astype(np.int64))
    made = hard_rows(model)
    found = predicted_by(exported_of(model, frame, classifier=True), made, CLASSES)
    assert found.codes is not None
    assert np.count_nonzero(found.codes != model.predict(made)) == 0
    assert (found.probabilities is not None) == hasattr(model, "predict_proba")
    if found.probabilities is not None:
        np.testing.assert_allclose(found.probabilities, model.predict_proba(made), atol=1e-6)


def test_lightgbm_keeps_its_classes_on_thresholds_too() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    frame, z = rows(3000, 0)
    model = lightgbm.LGBMClassifier(n_estimators=20, num_leaves=63, min_child_samples=1, n_jobs=1, verbosity=-1)
    model.fit(frame, (z > 0.5).astype(np.int64))
    splits = model.booster_.trees_to_dataframe().query("split_feature == 't'")["threshold"].to_numpy(np.float64)
    made = hard_rows(None)
    rng = np.random.default_rng(1)
    made.loc[:2999, "t"] = rng.choice(splits[splits > 1e9], 3000)
    made.loc[2000:2999, "t"] = np.nextafter(made.loc[2000:2999, "t"], np.inf)
    found = predicted_by(exported_of(model, frame, classifier=True), made, CLASSES)
    assert found.codes is not None
    assert np.array_equal(found.codes, model.predict(made))


@pytest.mark.parametrize("model", [boosted, forest, DecisionTreeClassifier(random_state=0)], ids=str)
def test_missing_numbers_go_the_way_that_each_tree_learned(model: Any) -> None:
    frame, z = rows(3000, 0, gaps=0.2)
    # Missing or not decides, which gives splits at infinity, where the standard exporter never ends.
    model.fit(frame, ((z > 0.5) ^ frame["a"].isna()).astype(np.int64))
    made = hard_rows(model, gaps=0.3)
    found = predicted_by(exported_of(model, frame, classifier=True), made, CLASSES)
    assert found.codes is not None
    assert np.array_equal(found.codes, model.predict(made))


def test_three_classes_with_names_come_out_by_name() -> None:
    frame, z = rows(2000, 0)
    names = np.array(["low", "mid", "高"], dtype=object)
    for model in (boosted, forest, make_pipeline(StandardScaler(), LogisticRegression())):
        model.fit(frame, names[np.digitize(z, [0.0, 1.0])])
        made = hard_rows(model)
        found = predicted_by(exported_of(model, frame, classifier=True), made, tuple(names.tolist()))
        assert found.codes is not None
        assert np.array_equal(names[found.codes], model.predict(made))


def test_thresholds_beyond_float32_are_kept() -> None:
    frame = pd.DataFrame({"a": np.linspace(1e300, 2e300, 400)})
    late = (frame["a"] > 1.5e300).to_numpy().astype(np.int64)
    model = HistGradientBoostingClassifier(max_iter=3).fit(frame, late)
    found = predicted_by(exported_of(model, frame, classifier=True), frame, CLASSES)
    assert found.codes is not None
    assert np.array_equal(found.codes, model.predict(frame))


def test_what_was_mended_is_told() -> None:
    frame, z = rows(500, 0)
    assert exported_of(forest.fit(frame, z > 0.5), frame, classifier=True).repairs[-1] == (
        "doubles rounded to float32 before the trees that do so"
    )
    assert "thresholds of boosted trees kept as doubles" in (
        exported_of(boosted.fit(frame, z > 0.5), frame, classifier=True).repairs
    )


def test_a_split_at_infinity_is_exported() -> None:
    frame = pd.DataFrame({"a": np.where(np.arange(400) % 2, np.nan, np.linspace(0, 1, 400))})
    model = DecisionTreeClassifier(random_state=0).fit(frame, np.arange(400) % 2)
    assert np.isinf(model.tree_.threshold).any()
    found = predicted_by(exported_of(model, frame, classifier=True), frame, CLASSES)
    assert found.codes is not None
    assert np.array_equal(found.codes, np.arange(400) % 2)


@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingRegressor(max_iter=30, random_state=0),
        HistGradientBoostingRegressor(max_iter=30, loss="poisson", random_state=0),
        RandomForestRegressor(10, random_state=0),
        GradientBoostingRegressor(n_estimators=20, random_state=0),
        GradientBoostingRegressor(n_estimators=20, loss="huber", init="zero", random_state=0),
        DecisionTreeRegressor(max_depth=9, random_state=0),
        ExtraTreeRegressor(max_depth=9, random_state=0),
        AdaBoostRegressor(n_estimators=5, random_state=0),
        BaggingRegressor(n_estimators=5, random_state=0),
        make_pipeline(StandardScaler(), LinearRegression()),
    ],
    ids=lambda model: str(model).replace("\n", "")[:60],
)
def test_values_that_float32_cannot_tell_apart_come_out_as_doubles(model: Any) -> None:
    frame, z = rows(2000, 0)
    start = 0.0 if getattr(model, "init", None) == "zero" else 1e9
    model.fit(frame, start + z.clip(0) * 10 + 1)
    made = hard_rows(model, 2000)
    found = predicted_by(exported_of(model, frame, classifier=False), made)
    assert found.values is not None
    assert found.values.dtype == np.float64
    np.testing.assert_allclose(found.values, model.predict(made), rtol=0, atol=1e-4)


def test_isolation_forests_are_exported() -> None:
    frame, _ = rows(1000, 0)
    model = IsolationForest(n_estimators=10, random_state=0).fit(frame)
    found = predicted_by(exported_of(model, frame, classifier=False), frame)
    assert found.values is not None
    assert np.array_equal(found.values, model.predict(frame))


def test_text_columns_stand_beside_doubles() -> None:
    frame, z = rows(2000, 0)
    texts = np.array(["x", "y", ""], dtype=object)[np.random.default_rng(2).integers(0, 3, len(frame))]
    frame["c"] = pd.Series(texts, dtype=object)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = ColumnTransformer([("c", codes, ["c"])], remainder="passthrough")
    for last in (boosted, make_pipeline(StandardScaler(), LogisticRegression())):
        model = make_pipeline(encode, last).fit(frame, ((z > 0.5) ^ (texts == "x")).astype(np.int64))
        found = predicted_by(exported_of(model, frame, classifier=True), frame, CLASSES)
        assert found.codes is not None
        assert np.array_equal(found.codes, model.predict(frame))


def test_the_bytes_are_the_same_twice() -> None:
    frame, z = rows(1000, 0)
    for model in (boosted, forest, HistGradientBoostingRegressor(max_iter=5), RandomForestRegressor(3, random_state=0)):
        model.fit(frame, z > 0.5)
        classifier = hasattr(model, "predict_proba")
        first, second = (exported_of(model, frame, classifier=classifier).model for _ in range(2))
        assert first == second


def test_exporting_leaves_the_trained_model_as_it_was() -> None:
    frame, z = rows(1000, 0)
    for model in (RandomForestRegressor(3, random_state=0), GradientBoostingRegressor(n_estimators=3, random_state=0)):
        before = model.fit(frame, z + 1e9).predict(frame)
        exported_of(model, frame, classifier=False)
        assert np.array_equal(model.predict(frame), before)


def test_float32_models_are_exported_as_before() -> None:
    frame, z = rows(1000, 0)
    narrow = frame.astype(np.float32)
    for model in (boosted, forest):
        model.fit(narrow, z > 0.5)
        found = export(model, inputs_of(narrow), True, Dtype.FLOAT32)
        assert found.model == export(model, inputs_of(narrow), True).model
        predicted = Model(found.model, found.tensors, CLASSES).predict(*matrices_of(narrow, inputs_of(narrow)))
        assert predicted.codes is not None
        assert np.array_equal(predicted.codes, model.predict(narrow))


def graph(operator: str, domain: str, kind: int, **attributes: Any) -> onnx.ModelProto:
    made = helper.make_graph(
        [helper.make_node(operator, ["numbers"], ["value"], domain=domain, **attributes)],
        "hand",
        [helper.make_tensor_value_info("numbers", kind, [None, 2])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 2])],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10)


def test_an_operator_that_rounds_doubles_is_refused_with_a_remedy() -> None:
    scaler: dict[str, Any] = {"domain": "ai.onnx.ml", "offset": [1.0, 2.0], "scale": [0.1, 0.2]}
    check_doubles(graph("Scaler", kind=TensorProto.FLOAT, **scaler), boosted)
    with pytest.raises(ProjectError, match=r"its Scaler computes in float32\nremedy: leave \[model\] dtype"):
        check_doubles(graph("Scaler", kind=TensorProto.DOUBLE, **scaler), boosted)


def test_a_graph_whose_types_do_not_fit_is_refused_with_a_remedy() -> None:
    check_doubles(graph("Identity", "", TensorProto.FLOAT), boosted)
    with pytest.raises(ProjectError, match=r"(?s)HistGradientBoostingClassifier cannot be exported.*\nremedy"):
        check_doubles(graph("Identity", "", TensorProto.DOUBLE), boosted)


def test_the_frame_of_a_project_on_doubles_holds_every_digit() -> None:
    block = Block(0, 2, {"t": np.array([START + 0.123456, np.nan])}, {})
    wish = Input(name="t", column="t", kind=Kind.NUMBER)
    assert frame_of(block, [wish], Dtype.FLOAT64)["t"].tolist()[0] == START + 0.123456
    assert frame_of(block, [wish], Dtype.FLOAT32)["t"].dtype == np.float32


PROJECT = """\
[model]
name = "seconds"
version = "1.0.0"
task = "{task}"
dtype = "{dtype}"

[data]
path = "data.csv"
target = "y"

[features.t]
kind = "integer"

[features.price]
kind = "number"
range = [0, 64.94]

[gates]
overfit_gap = 10
dummy_margin = -10
stump_margin = -10
dominance = 1
leakage = 1
"""

PIPELINE = """\
from sklearn.ensemble import HistGradientBoosting{kind} as Booster


def build():
    return Booster(max_iter=20, min_samples_leaf=5, random_state=0)
"""


def seconds(folder: Path, task: str, dtype: str) -> Path:
    """Write a project whose target turns with every 50th second."""
    rng = np.random.default_rng(4)
    t, price = (START + rng.integers(0, 400, 800)).astype(np.int64), rng.integers(0, 6494, 800) / 100
    y = 1e9 + t // 50 % 2 * 10 + price / 10 if task == "regression" else np.where(t // 50 % 2, "late", "soon")
    (folder / "hakobu.toml").write_text(PROJECT.format(task=task, dtype=dtype))
    kind = "Classifier" if task == "classification" else "Regressor"
    (folder / "pipeline.py").write_text(PIPELINE.format(kind=kind))
    pd.DataFrame({"t": t, "price": price, "y": y}).to_csv(folder / "data.csv", index=False)
    return folder


def test_a_project_on_doubles_tells_seconds_apart(tmp_path: Path, release_key: PrivateKey, keyring: Keyring) -> None:
    built = build(read_project(seconds(tmp_path, "classification", "float64")), release_key)
    assert built.path is not None, built.gates
    bundle = open_bundle(built.path, keyring)
    manifest = bundle.manifest
    assert manifest.dtype is Dtype.FLOAT64
    assert manifest.features[1].range is not None
    assert manifest.features[1].range.high == 64.94
    scorer = Scorer(manifest, bundle.model)
    assert scorer.replay(bundle.golden) == ()
    scores = scorer.score({"t": [START + 125, START + 175], "price": [1.0, 1.0]})
    assert scores.predictions == ("soon", "late")
    assert [scorer.score_one({"t": int(START) + at, "price": 1.0}).prediction for at in (125, 175)] == ["soon", "late"]
    assert scorer.score_one({"t": int(START) + 125, "price": 64.94}).verdict == "ok"
    assert scorer.score_one({"t": int(START) + 125, "price": 64.94000000000001}).verdict == "warned"
    narrow = build(read_project(seconds(tmp_path, "classification", "float32")), release_key)
    assert built.metrics["roc_auc"].holdout > 0.98 > 0.8 > narrow.metrics["roc_auc"].holdout


def test_large_values_that_are_alike_pass_on_doubles_alone(
    tmp_path: Path, release_key: PrivateKey, keyring: Keyring
) -> None:
    built = build(read_project(seconds(tmp_path, "regression", "float64")), release_key)
    assert built.path is not None, built.gates
    bundle = open_bundle(built.path, keyring)
    one = Scorer(bundle.manifest, bundle.model).score_one({"t": int(START) + 75, "price": 20.0}).prediction
    assert isinstance(one, float)
    assert one != float(np.float32(one))
    assert abs(one - (1e9 + 12)) < 5
    built = build(read_project(seconds(tmp_path, "regression", "float32")), release_key)
    assert [gate.name for gate in built.gates if gate.remedy][-1].startswith("parity: spread")


def test_an_unknown_dtype_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    folder = seconds(tmp_path, "classification", "float46")
    with pytest.raises(ProjectError, match="did you mean 'float64'"):
        read_project(folder)


def test_hard_rows_lie_on_double_thresholds_and_beside_them() -> None:
    frame, z = rows(3000, 0)
    model = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(frame, z > 0.5)
    exported = exported_of(model, frame, classifier=True)

    def feature(name: str) -> Feature:
        values = frame[name].to_numpy()
        bins = NumberBins(edges_of(values, whole=False))
        return Feature(
            name=name, column=name, kind=Kind.NUMBER, policy=Policy.WARN, missing=Missing.UNEXPECTED,
            baseline=Baseline(bins, tuple(bins.count(values).tolist())), range=Range(values.min(), values.max()),
        )  # fmt: skip

    block = Block(0, len(frame), {name: frame[name].to_numpy() for name in ("t", "a")}, {})
    made = hard_block(block, [feature("t"), feature("a")], Dtype.FLOAT64, exported.splits, 0, bounded=True)
    cells, splits = made.numbers["t"], thresholds(model)
    assert made.size == ROWS
    assert np.isin(splits, cells).mean() > 0.5
    assert np.isin(np.nextafter(splits, np.inf), cells).any()
    far = np.nextafter(splits.astype(np.float32), np.float32(np.inf)).astype(np.float64)
    assert np.isin(far, cells).any()

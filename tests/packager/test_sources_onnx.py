"""A bare ONNX model goes through the same fitting as every other one: two matrices in, known outputs out."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from hakobu.export.convert import export
from hakobu.settings import Task
from hakobu.sources.read import read_model
from hakobu_runtime.errors import InputError, ProjectError
from hakobu_runtime.format.feature import Input, Kind
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.model import Model, Predicted

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3)).astype(np.float32)
FRAME = pd.DataFrame(X, columns=list("abc"))
TWO, THREE = (X.sum(axis=1) > 0).astype(int), np.digitize(X.sum(axis=1), [-1, 1])
TEXTS = np.array(["low", "mid", "high"], dtype=object)[THREE]
NUMBERS = [Input(name=name, column=name, kind=Kind.NUMBER) for name in "abc"]


def saved(path: Path, model: Any) -> Path:
    onnx.save(model, str(path))
    return path


def predicted(source: Any, frame: pd.DataFrame, inputs: list[Input], dtype: Dtype = Dtype.FLOAT32) -> Predicted:
    classes = np.asarray(source.classes_).tolist() if hasattr(source, "classes_") else []
    exported = export(source, inputs, bool(classes), dtype)
    check_model(exported.model)
    assert exported == export(source, inputs, bool(classes), dtype)
    numbers = frame[[wish.name for wish in inputs if not wish.is_category]].to_numpy(dtype.value)
    strings = frame[[wish.name for wish in inputs if wish.is_category]].to_numpy(dtype=object)
    return Model(exported.model, exported.tensors, classes).predict(numbers, strings)


@pytest.mark.parametrize("dtype", Dtype)
@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("target", [TWO, THREE, TEXTS], ids=["two", "three", "texts"])
@pytest.mark.parametrize("model", [LogisticRegression(), RandomForestClassifier(5, random_state=0)], ids=str)
def test_a_classifier_is_found_by_its_outputs(
    model: Any, target: Any, zipmap: bool, dtype: Dtype, tmp_path: Path
) -> None:
    model.fit(X, target)
    source = read_model(saved(tmp_path / "model", to_onnx(model, X[:1], options={"zipmap": zipmap})))
    assert not source.proven
    assert source.width == 3
    assert source.classes_.tolist() == model.classes_.tolist()
    found = predicted(source, FRAME, NUMBERS, dtype)
    assert found.codes is not None
    assert np.array_equal(model.classes_[found.codes], model.predict(X))
    assert np.array_equal(source.predict(FRAME), model.predict(X))
    np.testing.assert_allclose(np.asarray(found.probabilities), model.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(source.predict_proba(FRAME), model.predict_proba(X), atol=1e-5)


def test_classes_that_the_model_knows_are_kept(tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, TEXTS)
    for zipmap in (True, False):
        made = to_onnx(model, X[:1], options={"zipmap": zipmap})
        if zipmap:
            del made.graph.output[0]  # only the ZipMap is left to tell the classes
        source = read_model(saved(tmp_path / "model", made), classes=[f"other {name}" for name in model.classes_])
        assert source.classes_.tolist() == model.classes_.tolist()


@pytest.mark.parametrize("given", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", Dtype)
def test_a_regression_is_found_by_its_output(given: Any, dtype: Dtype, tmp_path: Path) -> None:
    model = Ridge().fit(X, X.sum(axis=1))
    source = read_model(saved(tmp_path / "m.onnx", to_onnx(model, X[:1].astype(given))))
    assert not hasattr(source, "classes_")
    found = predicted(source, FRAME, NUMBERS, dtype)
    np.testing.assert_allclose(np.asarray(found.values), model.predict(X), atol=1e-5)
    np.testing.assert_allclose(source.predict(FRAME), model.predict(X), atol=1e-5)


def test_scores_that_are_no_probabilities_are_left_out(tmp_path: Path) -> None:
    model = LinearSVC().fit(X, THREE)
    source = read_model(saved(tmp_path / "m.onnx", to_onnx(model, X[:1])))
    assert not hasattr(source, "predict_proba")
    found = predicted(source, FRAME, NUMBERS)
    assert found.probabilities is None
    assert found.codes is not None
    assert np.array_equal(found.codes, model.predict(X))


def test_columns_of_texts_and_numbers_become_two_matrices(tmp_path: Path) -> None:
    frame = FRAME.assign(d=np.array(["x", "y"], dtype=object)[TWO], e=np.arange(200) % 7)[list("adbec")]
    columns = make_column_transformer((StandardScaler(), list("abce")), (OneHotEncoder(), ["d"]))
    model = make_pipeline(columns, LogisticRegression()).fit(frame, THREE)
    source = read_model(saved(tmp_path / "m.onnx", to_onnx(model, frame[:1])))
    kinds = {"d": Kind.CATEGORY, "e": Kind.INTEGER}
    inputs = [Input(name=name, column=name, kind=kinds.get(name, Kind.NUMBER)) for name in source.names or ()]
    assert [wish.name for wish in inputs] == list(frame.columns)
    assert np.array_equal(source.predict(frame), model.predict(frame))
    found = predicted(source, frame, inputs)
    assert found.codes is not None
    assert np.array_equal(found.codes, model.predict(frame))
    with pytest.raises(ValueError, match="takes whole numbers"):
        source.predict(frame.assign(e=np.nan))
    again = tmp_path / "again.onnx"
    again.write_bytes(export(source, inputs, True).model)
    apart = frame[list("abecd")]
    assert np.array_equal(read_model(again).predict(apart[["a", "b", "e", "c", "d"]]), model.predict(frame))


def network(count: int, last: str = "", rows: int | None = None) -> Any:
    """One layer with weights of its own, and perhaps a last operator."""
    weights = RNG.normal(size=(3, count)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], doc_string="/home/builder/train.py")]
    if last:
        nodes.append(helper.make_node(last, ["y"], ["z"]))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 3])],
        [helper.make_tensor_value_info("z" if last else "y", TensorProto.FLOAT, [rows, count])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(made, {"path": "/home/builder"})
    return made, weights


@pytest.mark.parametrize("last", ["", "Softmax", "LogSoftmax"])
def test_scores_of_many_classes_become_probabilities(last: str, tmp_path: Path) -> None:
    made, weights = network(3, last)
    source = read_model(saved(tmp_path / "m.onnx", made), classes=["a", "b", "c"])
    scores = X @ weights
    odds = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    found = predicted(source, FRAME, NUMBERS)
    assert found.codes is not None
    assert np.array_equal(found.codes, scores.argmax(axis=1))
    np.testing.assert_allclose(np.asarray(found.probabilities), odds, atol=1e-5)
    np.testing.assert_allclose(source.predict_proba(FRAME), odds, atol=1e-5)


@pytest.mark.parametrize("last", ["", "Sigmoid"])
def test_one_score_is_that_of_the_second_class(last: str, tmp_path: Path) -> None:
    made, weights = network(1, last)
    source = read_model(saved(tmp_path / "m.onnx", made), task=Task.CLASSIFICATION)
    second = 1 / (1 + np.exp(-(X @ weights)))
    found = predicted(source, FRAME, NUMBERS)
    np.testing.assert_allclose(np.asarray(found.probabilities), np.hstack([1 - second, second]), atol=1e-5)
    assert np.array_equal(source.predict(FRAME), (second[:, 0] > 0.5).astype(int))


def test_nothing_of_the_builder_is_left(tmp_path: Path) -> None:
    made, _ = network(3)
    content = export(read_model(saved(tmp_path / "m.onnx", made)), NUMBERS, True).model
    assert b"builder" not in content


def test_weights_beside_the_model_are_merged(tmp_path: Path) -> None:
    made, weights = network(1)
    onnx.save(made, str(tmp_path / "m.onnx"), save_as_external_data=True, location="m.data", size_threshold=0)
    assert (tmp_path / "m.data").exists()
    found = predicted(read_model(tmp_path / "m.onnx"), FRAME, NUMBERS)
    np.testing.assert_allclose(np.asarray(found.values), (X @ weights)[:, 0], atol=1e-5)
    (tmp_path / "m.data").unlink()
    with pytest.raises(InputError, match="a file that belongs to it cannot be read"):
        read_model(tmp_path / "m.onnx")


def test_what_a_device_would_not_run_is_refused(tmp_path: Path) -> None:
    made, _ = network(1, "RandomNormalLike")
    with pytest.raises(ProjectError, match="RandomNormalLike"):
        read_model(saved(tmp_path / "m.onnx", made))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (network(1, rows=1)[0], "reads 1 rows at a time"),
        (network(3)[0], "no other|one number a row"),
    ],
    ids=["fixed rows", "several values"],
)
def test_a_model_that_does_not_fit_is_refused(made: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=words) as refused:
        read_model(saved(tmp_path / "m.onnx", made), task=Task.REGRESSION)
    assert "\nremedy: " in str(refused.value)


def test_other_classes_than_it_gives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="gives 3 numbers a row, and 2 classes were named"):
        read_model(saved(tmp_path / "m.onnx", network(3)[0]), classes=["a", "b"])


@pytest.mark.parametrize("content", [b"\x08\x0a" + b"junk" * 30, b"\x08\x0a", None], ids=["junk", "start", "half"])
def test_a_damaged_model_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", to_onnx(Ridge().fit(X, TWO), X[:1]))
    path.write_bytes(path.read_bytes()[:120] if content is None else content)
    with pytest.raises(InputError, match="no ONNX model, or damaged"):
        read_model(path)

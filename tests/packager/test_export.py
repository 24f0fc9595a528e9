from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from hakobu.export.convert import export
from hakobu.export.trees import floor32
from hakobu.table import matrices_of
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.feature import Input, Kind
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.model import Model

NUMBERS, TEXTS = ["a", "b"], ["c", "d"]


def inputs_of(frame: pd.DataFrame) -> list[Input]:
    kinds = {name: Kind.CATEGORY if frame[name].dtype == object else Kind.NUMBER for name in frame.columns}
    return [Input(name=str(name), column=str(name), kind=kind) for name, kind in kinds.items()]


def rows(n: int = 600, gaps: bool = True) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(7)
    a = rng.normal(size=n).astype(np.float32)
    if gaps:
        a[::7] = np.nan
    c = np.array(["x", "y", "", "zé"], dtype=object)[rng.integers(0, 4, n)]
    d = np.array(["u", "v"], dtype=object)[rng.integers(0, 2, n)]
    b = rng.integers(0, 5, n).astype(np.float32)
    frame = pd.DataFrame({"a": a, "c": pd.Series(c, dtype=object), "b": b, "d": pd.Series(d, dtype=object)})
    return frame, ((b > 2) ^ (c == "x") ^ (rng.random(n) < 0.1)).astype(np.int64)


def predict(content: bytes, tensors: Any, frame: pd.DataFrame, inputs: Sequence[Input], classes: Sequence[Any]) -> Any:
    return Model(content, tensors, classes).predict(*matrices_of(frame, inputs))


ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
canaries = pytest.mark.parametrize(
    ("numbers", "texts", "estimator"),
    [
        ("passthrough", ordinal, HistGradientBoostingClassifier(max_iter=30, random_state=0)),
        (SimpleImputer(), ordinal, GradientBoostingClassifier(n_estimators=20, random_state=0)),
        (scaled, one_hot, LogisticRegression()),
        (scaled, one_hot, MLPClassifier(hidden_layer_sizes=(8,), max_iter=30, random_state=0)),
        ("passthrough", ordinal, HistGradientBoostingRegressor(max_iter=30, random_state=0)),
        (SimpleImputer(), one_hot, RandomForestRegressor(n_estimators=10, random_state=0)),
        (scaled, one_hot, LinearRegression()),
    ],
    ids=lambda part: type(part).__name__,
)


@canaries
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_each_family_of_estimators_exports_to_the_same_numbers(numbers: Any, texts: Any, estimator: Any) -> None:
    frame, y = rows()
    encode = ColumnTransformer([("numbers", numbers, NUMBERS), ("texts", texts, TEXTS)])
    pipeline = Pipeline([("encode", encode), ("model", estimator)]).fit(frame, y)
    inputs, classifier = inputs_of(frame), hasattr(estimator, "predict_proba")
    exported = export(pipeline, inputs, classifier)
    content, tensors = exported.model, exported.tensors
    frame.loc[:20, "c"] = "never seen"
    frame.loc[30:40, "a"] = np.nan
    found = predict(content, tensors, frame, inputs, [0, 1])
    if classifier:
        assert np.array_equal(found.codes, pipeline.predict(frame))
        np.testing.assert_allclose(found.probabilities, pipeline.predict_proba(frame), atol=1e-5)
    else:
        np.testing.assert_allclose(found.values, pipeline.predict(frame), rtol=1e-4, atol=1e-5)
    assert export(pipeline, inputs, classifier).model == content
    assert {entry.name for entry in check_model(content).inputs} == {"numbers", "strings"}


def test_text_classes_come_back_as_text() -> None:
    frame, y = rows(gaps=False)
    frame = frame[NUMBERS]
    named = np.array(["no", "yes"], dtype=object)[y]
    model = LogisticRegression().fit(frame, named)
    exported = export(model, inputs_of(frame), classifier=True)
    content, tensors = exported.model, exported.tensors
    found = predict(content, tensors, frame, inputs_of(frame), ["no", "yes"])
    assert [("no", "yes")[code] for code in found.codes] == model.predict(frame).tolist()


def test_rows_on_the_thresholds_of_boosted_trees_take_the_branch_that_training_took() -> None:
    # Epoch seconds as float32 lie 128 apart; halves between them round to a neighbour, up or down.
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"t": (1.4e9 + rng.integers(0, 2000, 4000) * 128).astype(np.float32)})
    y = (rng.random(4000) < (frame["t"].to_numpy() // 128) % 2).astype(np.int64)
    model = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=300, min_samples_leaf=1).fit(frame, y)
    exported = export(model, inputs_of(frame), classifier=True)
    content, tensors = exported.model, exported.tensors
    found = predict(content, tensors, frame, inputs_of(frame), [0, 1])
    assert np.array_equal(found.codes, model.predict(frame))
    np.testing.assert_allclose(found.probabilities, model.predict_proba(frame), atol=1e-5)


@given(arrays(np.float64, 20, elements=st.floats(-1e30, 1e30)))
def test_floor32_is_the_largest_float32_at_or_below(exact: Any) -> None:
    floor = floor32(exact)
    assert np.all(floor.astype(np.float64) <= exact)
    assert np.all(np.nextafter(floor, np.float32(np.inf)).astype(np.float64) > exact)


def test_nothing_of_the_builders_machine_is_in_the_model() -> None:
    frame, y = rows()
    model = HistGradientBoostingClassifier(max_iter=5).fit(frame[NUMBERS], y)
    exported = export(model, inputs_of(frame[NUMBERS]), classifier=True)
    content = exported.model
    graph = onnx.load_model_from_string(content)
    assert (graph.producer_name, graph.producer_version, graph.doc_string) == ("hakobu", "", "")
    assert not graph.metadata_props
    assert all(not node.doc_string and not node.metadata_props for node in graph.graph.node)


def test_an_estimator_without_a_converter_is_refused_with_a_remedy() -> None:
    class Ours(LogisticRegression):  # type: ignore[misc]
        pass

    frame, y = rows(gaps=False)
    model = Ours().fit(frame[NUMBERS], y)
    with pytest.raises(ProjectError, match=r"Ours cannot be exported to ONNX: there is no converter for Ours\nremedy"):
        export(model, inputs_of(frame[NUMBERS]), classifier=True)

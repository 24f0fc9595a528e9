import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes
from skl2onnx.operator_converters.linear_regressor import convert_sklearn_linear_regressor
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from hakobu.convert.convert import convert
from hakobu.convert.outcome import Converted, Status
from hakobu.convert.sample import read_sample
from hakobu.export.confined import Confines
from hakobu.table import frame_of, matrices_of
from hakobu_runtime.errors import InputError
from hakobu_runtime.format.feature import Kind
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.model import Model
from hakobu_runtime.rows.source import Layout


def table(rows: int = 400) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, rows).astype(float),
            "pay": rng.lognormal(10, 0.5, rows).round(2),
            "job": rng.choice(np.array(["cook", "nurse", "pilot"], dtype=object), rows),
        }
    )
    y = ((frame["age"] > 40) ^ (frame["job"] == "cook") ^ (rng.random(rows) < 0.1)).astype(int).to_numpy()
    frame.loc[::9, "age"] = np.nan
    return frame, y


def encoded(model: Any, **ignore: Any) -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return make_pipeline(
        ColumnTransformer([("n", numbers, ["age", "pay"]), ("t", OneHotEncoder(**ignore), ["job"])]), model
    )


PROVEN = (Status.EXACT, Status.MATCH)

Travels = Callable[..., Converted]


@pytest.fixture
def travels(tmp_path: Path) -> Travels:
    """Fit a model on the table, and convert it with the table as the sample."""

    def go(estimator: Any, frame: pd.DataFrame | None = None, y: Any = None, **confines: Any) -> Converted:
        known, truth = table()
        frame, y = (known if frame is None else frame), (truth if y is None else y)
        path = tmp_path / "sample.csv"
        frame.to_csv(path, index=False)
        estimator.fit(frame, y)
        sample = read_sample(path, estimator, layout=Layout())
        return convert(estimator, sample, confines=Confines(**confines))

    return go


def test_a_pipeline_travels_and_its_proof_tells_of_hard_rows(travels: Travels) -> None:
    found = travels(encoded(LogisticRegression(), handle_unknown="ignore"))
    assert found.status in PROVEN, found.reason
    assert found.proof is not None
    assert found.proof.rows.rows == 400
    assert found.proof.edge_rows is not None
    assert found.proof.edge_rows.rows == 5000
    assert found.proof.whole.labels_changed == 0
    assert found.not_scored == ()
    assert found.exported is not None


def test_cells_that_the_source_refuses_are_told(travels: Travels) -> None:
    found = travels(encoded(LogisticRegression(), handle_unknown="error"))
    assert found.status in PROVEN, found.reason
    assert found.not_scored == ("a missing job", "an unknown job")


def test_a_model_fitted_on_doubles_gets_double_input(travels: Travels, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # Whole seconds since 1970: float32 tells only every 128th apart.
    frame = pd.DataFrame({"t": 1.4e9 + rng.integers(0, 2000, 3000)})
    y = (rng.random(3000) < (frame["t"].to_numpy() // 50) % 2).astype(int)
    model = HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=3)
    found = travels(model, frame, y)
    assert found.status in PROVEN, found.reason
    assert found.dtype is Dtype.FLOAT64
    assert found.exported is not None
    sample = read_sample(tmp_path / "sample.csv", model, layout=Layout())
    given = frame_of(sample.block, sample.inputs, Dtype.FLOAT64)
    exported = found.exported
    predicted = Model(exported.model, exported.tensors, (0, 1)).predict(
        *matrices_of(given, sample.inputs, Dtype.FLOAT64)
    )
    assert predicted.codes is not None
    assert np.array_equal(predicted.codes, model.predict(frame))


def test_a_model_that_differs_is_refused_with_a_reason_and_a_remedy(travels: Travels) -> None:
    class Louder(LinearRegression):  # type: ignore[misc]
        def predict(self, X: Any) -> Any:
            return super().predict(X) * 1.001

    update_registered_converter(
        Louder, "Louder", calculate_linear_regressor_output_shapes, convert_sklearn_linear_regressor
    )
    frame, y = table()
    found = travels(Louder(), frame[["pay"]], y * 10.0)
    assert found.status is Status.REFUSED
    assert found.exported is None
    assert "numbers in 400 rows of the sample differ by more than" in found.reason
    assert found.remedy


def test_a_model_that_predicts_nothing_is_refused(travels: Travels) -> None:
    frame, _ = table()
    found = travels(DBSCAN(), frame[["pay"]].head(60))
    assert found.status is Status.REFUSED
    assert "has no predict()" in found.reason
    assert found.remedy


@pytest.mark.parametrize(
    "model",
    [
        IsolationForest(n_estimators=10, random_state=0),
        KMeans(3, random_state=0),
        make_pipeline(StandardScaler(), KMeans(3, random_state=0)),
        GaussianMixture(3, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_outliers_and_clusters_travel_as_classes(travels: Travels, model: Any) -> None:
    frame, _ = table()
    found = travels(model, frame[["pay"]])
    assert found.status in PROVEN, found.reason
    assert found.classes in ((-1, 1), (0, 1, 2))


def test_clusters_as_a_step_travel_as_what_training_made_of_them_or_not_at_all(travels: Travels) -> None:
    frame, _ = table()
    found = travels(make_pipeline(KMeans(3, random_state=0), LinearRegression()), frame[["pay"]], np.log(frame["pay"]))
    assert found.status in (*PROVEN, Status.REFUSED)
    assert found.status is not Status.REFUSED or found.remedy


def test_a_conversion_without_end_is_refused(travels: Travels) -> None:
    began = time.monotonic()
    frame, y = table()
    forest = RandomForestClassifier(300, max_depth=12, random_state=0)
    found = travels(forest, frame[["age", "pay"]], y, seconds=0.05)
    assert found.status is Status.REFUSED
    assert "took longer than 0.05 seconds" in found.reason
    assert time.monotonic() - began < 60


def test_codes_that_look_like_numbers_stay_texts_where_the_encoder_learned_texts(tmp_path: Path) -> None:
    frame = pd.DataFrame({"zip": ["01", "02", "10"] * 20, "x": np.arange(60.0)})
    encode = ColumnTransformer([("z", OneHotEncoder(handle_unknown="ignore"), ["zip"])], remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(frame, [0, 1, 1] * 20)
    frame.to_csv(tmp_path / "s.csv", index=False)
    sample = read_sample(tmp_path / "s.csv", model, layout=Layout())
    assert [wish.kind for wish in sample.inputs] == [Kind.CATEGORY, Kind.NUMBER]
    found = convert(model, sample)
    assert found.status in PROVEN, found.reason


def test_a_missing_text_that_was_nan_in_training_is_the_empty_text_in_the_model(travels: Travels) -> None:
    frame, y = table()
    frame.loc[::5, "job"] = np.nan
    found = travels(encoded(LogisticRegression(), handle_unknown="ignore"), frame, y)
    assert found.status in PROVEN, found.reason
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = ColumnTransformer([("t", ordinal, ["job"])], remainder="passthrough")
    found = travels(make_pipeline(encode, HistGradientBoostingClassifier(max_iter=5)), frame, y)
    assert found.status in PROVEN, found.reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pay,job\n1,cook\n", "lacks the column 'age', which the model reads"),
        ("age,pay,job\n", "no rows"),
        ("age,pay,job\n1,2,cook\n", "holds 1 rows; bring 20 or more"),
        ("age,pay,job\n" + ",2,cook\n" * 30, "the column 'age' is empty in every row"),
        ("age,pay,job\n" + "1,2,cook\n" * 30 + "1,2\n", "row 31"),
        ("age,pay,job\n" + "1,2,cook\n" * 30 + "1e400,2,cook\n", "row 31, column 'age': '1e400' is not finite; mend"),
        ("age,pay,job\n" + "1,-inf,cook\n" * 30, "row 1, column 'pay': '-inf' is not finite, and 29 more like it"),
        ("age,pay,job\n" + "1,2,cook\n" * 30 + "1,2O,cook\n", "column 'pay': '2O' is not a number; .* say --text pay"),
        ("age;pay;job\n" + "1;2;cook\n" * 30, "say --delimiter ';'"),
    ],
)
def test_a_sample_that_cannot_serve_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    frame, y = table()
    model = encoded(LogisticRegression()).fit(frame, y)
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as refused:
        read_sample(path, model, layout=Layout())
    assert str(path) in str(refused.value)


def test_text_columns_are_known_by_their_vectorizer(tmp_path: Path) -> None:
    frame = pd.DataFrame({"note": ["10", "20", "30"] * 20, "x": np.arange(60.0)})
    encode = ColumnTransformer([("n", CountVectorizer(lowercase=False), "note")], remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(frame, [0, 1, 1] * 20)
    frame.to_csv(tmp_path / "s.csv", index=False)
    assert read_sample(tmp_path / "s.csv", model, layout=Layout()).inputs[0].kind is not Kind.NUMBER


def test_codes_stay_texts_where_the_model_begins_with_the_encoder_that_learned_them(tmp_path: Path) -> None:
    frame = pd.DataFrame({"zip": ["01", "02", "10"] * 20, "size": ["1", "2"] * 30})
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, [0, 1, 1] * 20)
    frame.to_csv(tmp_path / "s.csv", index=False)
    sample = read_sample(tmp_path / "s.csv", model, layout=Layout())
    assert [wish.kind for wish in sample.inputs] == [Kind.CATEGORY, Kind.CATEGORY]


def test_a_row_of_the_sample_that_the_model_refuses_is_named(travels: Travels, tmp_path: Path) -> None:
    frame, y = table()
    model = encoded(LogisticRegression()).fit(frame, y)
    frame.loc[[277, 301], "job"] = "baker"
    frame.to_csv(tmp_path / "s.csv", index=False)
    found = convert(model, read_sample(tmp_path / "s.csv", model, layout=Layout()))
    assert found.status is Status.REFUSED
    assert found.reason.startswith("the model refuses row 278 of the sample: Found unknown categories ['baker']")


def test_texts_before_an_estimator_of_numbers_are_refused_in_words(tmp_path: Path) -> None:
    frame, y = table()
    model = RandomForestClassifier(3, random_state=0).fit(frame[["age", "pay"]], y)
    frame.assign(age=frame["job"]).to_csv(tmp_path / "s.csv", index=False)
    found = convert(model, read_sample(tmp_path / "s.csv", model, layout=Layout()))
    assert found.status is Status.REFUSED
    assert found.reason == "RandomForestClassifier reads one matrix of numbers, and 'age' holds texts"

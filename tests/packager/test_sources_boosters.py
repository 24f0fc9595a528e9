"""Boosted trees of LightGBM, XGBoost and CatBoost give in ONNX what their libraries give, wherever a row lies."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, StackingRegressor, VotingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from hakobu.export.convert import Exported, export
from hakobu.export.foreign import is_foreign
from hakobu.settings import Task
from hakobu.sources.read import read_model
from hakobu_runtime.errors import InputError, ProjectError
from hakobu_runtime.format.feature import Input, Kind
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.model import Model

lightgbm = pytest.importorskip("lightgbm", reason="needs hakobu[boost]")
xgboost = pytest.importorskip("xgboost", reason="needs hakobu[boost]")
catboost = pytest.importorskip("catboost", reason="needs hakobu[catboost]")

NAMES = list("abcd")
INPUTS = [Input(name=name, column=name, kind=Kind.NUMBER) for name in NAMES]
LIGHT: dict[str, Any] = {"n_estimators": 15, "verbose": -1, "n_jobs": 1}
EXTREME: dict[str, Any] = {"n_estimators": 15, "n_jobs": 1}
CAT: dict[str, Any] = {"iterations": 15, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
ODD = [0.0, -1.0, -0.5, 0.5, 1e-36, -1e-36, 1e-30, 2.5, 31.0, 32.0, 33.0, 64.0, 3e9, 1e30, -1e30]


def rows(gaps: float = 0.1) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Numbers, whole numbers, seconds that float32 cannot tell apart, and a few values; and what they lead to."""
    rng, n = np.random.default_rng(0), 1200
    matrix = np.stack(
        [
            rng.normal(size=n),
            rng.integers(0, 40, n).astype(float),
            1.4e9 + rng.integers(0, 3000, n) * 40.0,
            np.abs(np.round(rng.normal(size=n))),
        ],
        axis=1,
    )
    z = matrix[:, 0] + np.sin(matrix[:, 1]) * 2 + (matrix[:, 2] - 1.4e9) / 60000 + matrix[:, 3] - 1
    matrix[rng.random(matrix.shape) < gaps] = np.nan
    return pd.DataFrame(matrix, columns=NAMES), z + rng.normal(size=n) / 3


FRAME, Z = rows()
TWO, THREE, POSITIVE = (Z > 1).astype(int), np.digitize(Z, [0, 2]), np.exp(Z / 3)
SHARES = 1 / (1 + np.exp(-Z))


def hard(frame: pd.DataFrame, splits: NDArray[np.floating], dtype: Dtype) -> pd.DataFrame:
    """Rows on the `splits` of the trees, one step beside them, missing, and odd."""
    rng, kind = np.random.default_rng(1), np.dtype(dtype.value).type
    thresholds = np.union1d(splits, [0.0])
    made = frame.sample(2500, replace=True, random_state=2).to_numpy(dtype=np.float64).copy()
    for column in made.T:
        low, high = np.nanmin(column), np.nanmax(column)
        inside = thresholds[(thresholds >= low) & (thresholds <= high)]
        pool = rng.choice(inside if len(inside) else thresholds, len(column)).astype(kind)
        side = rng.integers(-1, 2, len(column))
        moved = np.where(side == 0, pool, np.nextafter(pool, np.where(side > 0, np.inf, -np.inf).astype(kind)))
        dice = rng.random(len(column))
        column[dice < 0.5] = moved[dice < 0.5]
        column[(dice >= 0.5) & (dice < 0.6)] = rng.choice(ODD, int(((dice >= 0.5) & (dice < 0.6)).sum()))
        column[dice >= 0.93] = np.nan
    return pd.DataFrame(made.astype(kind).astype(np.float64), columns=frame.columns)


def assert_agrees(source: Any, frame: pd.DataFrame, dtype: Dtype) -> Exported:
    """Hold the exported model against its source on hard rows: classes equal, numbers within the tolerance."""
    classes = source.classes_ if hasattr(source, "predict_proba") else None
    exported = export(source, INPUTS, classes is not None, dtype)
    check_model(exported.model)
    assert exported == export(source, INPUTS, classes is not None, dtype)
    given = hard(frame, exported.splits, dtype)
    labels = [] if classes is None else np.asarray(classes).tolist()
    nothing = np.empty((len(given), 0), dtype=object)
    found = Model(exported.model, exported.tensors, labels).predict(given.to_numpy(dtype.value), nothing)
    if classes is None:
        assert found.values is not None
        np.testing.assert_allclose(np.asarray(found.values), np.ravel(source.predict(given)), rtol=1e-4, atol=1e-5)
        return exported
    assert found.codes is not None
    assert found.probabilities is not None
    assert [labels[code] for code in found.codes] == np.ravel(source.predict(given)).tolist()
    np.testing.assert_allclose(np.asarray(found.probabilities), source.predict_proba(given), atol=1e-5)
    return exported


def light(kind: str = "LGBMClassifier", **settings: Any) -> Any:
    return getattr(lightgbm, kind)(**LIGHT, **settings)


def extreme(kind: str = "XGBClassifier", **settings: Any) -> Any:
    return getattr(xgboost, kind)(**EXTREME, **settings)


def cat(kind: str = "CatBoostClassifier", **settings: Any) -> Any:
    return getattr(catboost, kind)(**CAT, **settings)


BAGS: dict[str, Any] = {"subsample": 0.5, "subsample_freq": 1}
MODELS: dict[str, tuple[Callable[[], Any], NDArray[Any]]] = {
    "light two": (light, TWO),
    "light three": (light, THREE),
    "light texts": (light, np.array(["low", "high"], dtype=object)[TWO]),
    "light booleans": (light, TWO.astype(bool)),
    "light one against all": (lambda: light(objective="multiclassova"), THREE),
    "light dart": (lambda: light(boosting_type="dart"), TWO),
    "light forest": (lambda: light(boosting_type="rf", **BAGS), THREE),
    "light zeros missing": (lambda: light(zero_as_missing=True), TWO),
    "light nothing missing": (lambda: light(use_missing=False), THREE),
    "light value": (lambda: light("LGBMRegressor"), Z),
    "light forest value": (lambda: light("LGBMRegressor", boosting_type="rf", **BAGS), Z),
    "light far from zero": (lambda: light("LGBMRegressor"), Z / 100 + 1e6),
    "light leaf": (lambda: light("LGBMRegressor", min_child_samples=5000), Z),
    "light root": (lambda: light("LGBMRegressor", reg_sqrt=True), Z),
    "light poisson": (lambda: light("LGBMRegressor", objective="poisson"), POSITIVE),
    "light gamma": (lambda: light("LGBMRegressor", objective="gamma"), POSITIVE),
    "light tweedie": (lambda: light("LGBMRegressor", objective="tweedie"), POSITIVE),
    "light quantile": (lambda: light("LGBMRegressor", objective="quantile"), Z),
    "light cross entropy": (lambda: light("LGBMRegressor", objective="cross_entropy"), SHARES),
    "light other cross entropy": (lambda: light("LGBMRegressor", objective="cross_entropy_lambda"), SHARES),
    "extreme two": (extreme, TWO),
    "extreme three": (extreme, THREE),
    "extreme dart": (lambda: extreme(booster="dart", rate_drop=0.3, one_drop=1), TWO),
    "extreme base score": (lambda: extreme(base_score=0.2), TWO),
    "extreme forest": (lambda: extreme("XGBRFClassifier"), THREE),
    "extreme exact": (lambda: extreme(tree_method="exact"), TWO),
    "extreme gap at zero": (lambda: extreme(missing=0.0), TWO),
    "extreme value": (lambda: extreme("XGBRegressor"), Z),
    "extreme far from zero": (lambda: extreme("XGBRegressor"), Z * 1e4 + 1e6),
    "extreme poisson": (lambda: extreme("XGBRegressor", objective="count:poisson"), POSITIVE),
    "extreme gamma": (lambda: extreme("XGBRegressor", objective="reg:gamma"), POSITIVE),
    "extreme logistic": (lambda: extreme("XGBRegressor", objective="reg:logistic"), SHARES),
    "extreme absolute": (lambda: extreme("XGBRegressor", objective="reg:absoluteerror"), Z),
    "cat two": (cat, TWO),
    "cat three": (cat, THREE),
    "cat texts": (cat, np.array(["low", "high"], dtype=object)[TWO]),
    "cat one against all": (lambda: cat(loss_function="MultiClassOneVsAll"), THREE),
    "cat gaps at the end": (lambda: cat(nan_mode="Max"), TWO),
    "cat uneven": (lambda: cat(grow_policy="Lossguide"), THREE),
    "cat value": (lambda: cat("CatBoostRegressor"), Z),
    "cat poisson": (lambda: cat("CatBoostRegressor", loss_function="Poisson"), POSITIVE),
    "cat quantile": (lambda: cat("CatBoostRegressor", loss_function="Quantile:alpha=0.7"), Z),
}


@pytest.mark.parametrize("dtype", Dtype)
@pytest.mark.parametrize("name", MODELS)
def test_boosters_give_in_onnx_what_their_library_gives(name: str, dtype: Dtype) -> None:
    make, target = MODELS[name]
    assert_agrees(make().fit(FRAME, target), FRAME, dtype)


@pytest.mark.parametrize("kind", ["LGBMClassifier", "LGBMRegressor"])
def test_categories_of_lightgbm_go_the_way_that_it_learned(kind: str) -> None:
    frame = FRAME.fillna({"d": 0})
    settings: Any = {"min_child_samples": 5, "cat_smooth": 1, "max_cat_to_onehot": 1}
    target = TWO if kind == "LGBMClassifier" else Z
    model = light(kind, **settings).fit(frame, target, categorical_feature=["b", "d"])
    assert_agrees(model, frame, Dtype.FLOAT64)


def test_catboost_applies_its_threshold() -> None:
    model = cat().fit(FRAME, TWO)
    usual = model.predict(FRAME)
    model.set_probability_threshold(0.2)
    assert not np.array_equal(usual, model.predict(FRAME))
    assert_agrees(model, FRAME, Dtype.FLOAT32)


def test_trees_after_the_best_round_are_left_out() -> None:
    early = extreme(learning_rate=1.0, early_stopping_rounds=2)
    early.fit(FRAME[:800], TWO[:800], eval_set=[(FRAME[800:], TWO[800:])], verbose=0)
    assert early.best_iteration < EXTREME["n_estimators"] - 1
    assert_agrees(early, FRAME, Dtype.FLOAT32)


@pytest.mark.parametrize("make", [light, extreme, cat], ids=["light", "extreme", "cat"])
def test_boosters_travel_within_scikit_learns_estimators(make: Callable[[], Any]) -> None:
    forest = RandomForestClassifier(5, random_state=0)
    filled = FRAME.fillna(0)
    for estimator in (
        make_pipeline(StandardScaler(), make()),
        VotingClassifier([("made", make()), ("forest", forest)], voting="soft"),
        CalibratedClassifierCV(make(), cv=2),
    ):
        exported = export(estimator.fit(filled, TWO), INPUTS, True, Dtype.FLOAT64)
        found = Model(exported.model, exported.tensors, [0, 1]).predict(
            filled.to_numpy(), np.empty((len(filled), 0), dtype=object)
        )
        assert found.codes is not None
        assert np.array_equal(found.codes, np.ravel(estimator.predict(filled)))
        np.testing.assert_allclose(np.asarray(found.probabilities), estimator.predict_proba(filled), atol=1e-5)


@pytest.mark.parametrize("encoder", [OneHotEncoder(sparse_output=False), OrdinalEncoder()], ids=str)
@pytest.mark.parametrize("make", [light, extreme, cat], ids=["light", "extreme", "cat"])
def test_boosters_read_texts_through_an_encoder(make: Callable[[], Any], encoder: Any) -> None:
    frame = FRAME.assign(e=np.array(["x", "y", "z"], dtype=object)[THREE])
    columns = make_column_transformer((encoder, ["e"]), ("passthrough", NAMES))
    estimator = make_pipeline(columns, make()).fit(frame, TWO)
    inputs = [*INPUTS, Input(name="e", column="e", kind=Kind.CATEGORY)]
    exported = export(estimator, inputs, True, Dtype.FLOAT64)
    found = Model(exported.model, exported.tensors, [0, 1]).predict(
        frame[NAMES].to_numpy(), frame[["e"]].to_numpy(dtype=object)
    )
    assert found.codes is not None
    assert np.array_equal(found.codes, np.ravel(estimator.predict(frame)))


def test_a_stack_of_boosters_travels() -> None:
    stack = StackingRegressor(
        [("light", light("LGBMRegressor")), ("extreme", extreme("XGBRegressor")), ("cat", cat("CatBoostRegressor"))],
        cv=2,
    )
    filled = FRAME.fillna(0)
    exported = export(stack.fit(filled, Z), INPUTS, False, Dtype.FLOAT64)
    nothing = np.empty((len(filled), 0), dtype=object)
    found = Model(exported.model, exported.tensors, ()).predict(filled.to_numpy(), nothing)
    np.testing.assert_allclose(np.asarray(found.values), stack.predict(filled), rtol=1e-4, atol=1e-5)


def saved(path: Path, model: Any) -> Path:
    """Save the booster of `model` in its library's own form."""
    getattr(model, "booster_", model).save_model(str(path))
    return path


@pytest.mark.parametrize("dtype", Dtype)
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("light two", "model.txt"),
        ("light three", "model.txt"),
        ("light poisson", "model.txt"),
        ("extreme two", "model.json"),
        ("extreme three", "model.ubj"),
        ("extreme poisson", "model.json"),
        ("cat two", "model.cbm"),
        ("cat three", "model.cbm"),
        ("cat poisson", "model.cbm"),
    ],
)
def test_a_file_is_the_model_that_was_saved(name: str, file: str, dtype: Dtype, tmp_path: Path) -> None:
    make, target = MODELS[name]
    model = make().fit(FRAME, target)
    source: Any = read_model(saved(tmp_path / file, model))
    assert is_foreign(source)
    assert source.names == tuple(NAMES)
    assert source.width == len(NAMES)
    assert hasattr(source, "predict_proba") == hasattr(model, "predict_proba")
    given = hard(FRAME, assert_agrees(source, FRAME, dtype).splits, dtype)
    assert np.array_equal(source.predict(given), np.ravel(model.predict(given)))
    if hasattr(model, "predict_proba"):
        np.testing.assert_allclose(source.predict_proba(given), model.predict_proba(given), atol=1e-7)


def test_a_file_says_nothing_of_the_builder(tmp_path: Path) -> None:
    source = read_model(saved(tmp_path / "model.cbm", cat().fit(FRAME, TWO)))
    again = read_model(saved(tmp_path / "again.cbm", cat().fit(FRAME, TWO)))
    content = export(source, INPUTS, True).model
    assert content == export(again, INPUTS, True).model
    assert b"guid" not in content
    assert str(tmp_path).encode() not in content


@pytest.mark.parametrize(
    ("name", "file"), [("light three", "m.txt"), ("extreme three", "m.json"), ("cat three", "m.cbm")]
)
def test_classes_can_be_named(name: str, file: str, tmp_path: Path) -> None:
    make, target = MODELS[name]
    path = saved(tmp_path / file, make().fit(FRAME, target))
    source = read_model(path, classes=["low", "mid", "high"])
    assert set(source.predict(FRAME)) == {"low", "mid", "high"}
    assert_agrees(source, FRAME, Dtype.FLOAT32)
    with pytest.raises(ProjectError, match="knows 3 classes, and 2 were named\nremedy"):
        read_model(path, classes=["low", "high"])


def test_a_model_that_knows_the_names_of_its_classes_keeps_them(tmp_path: Path) -> None:
    make, target = MODELS["cat texts"]
    path = saved(tmp_path / "model.cbm", make().fit(FRAME, target))
    for named in (None, ["low", "high"], ["high", "low"]):
        assert read_model(path, classes=named).classes_.tolist() == ["high", "low"]


def test_another_task_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.txt", light().fit(FRAME, TWO))
    with pytest.raises(ProjectError, match="trained for a classification, not for a regression"):
        read_model(path, task=Task.REGRESSION)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    source = read_model(saved(tmp_path / "model.txt", light().fit(FRAME, TWO)))
    with pytest.raises(ProjectError, match="reads 4 columns, and 3 are declared"):
        export(source, INPUTS[:3], True)
    texts = [*INPUTS[:3], Input(name="d", column="d", kind=Kind.CATEGORY)]
    with pytest.raises(ProjectError, match="'d' holds texts"):
        export(source, texts, True)


@pytest.mark.parametrize(
    ("make", "target", "reason"),
    [
        (lambda: light("LGBMRegressor", linear_tree=True), Z, "linear_tree"),
        (lambda: extreme("XGBRegressor", booster="gblinear"), Z, "no tree"),
        (lambda: extreme("XGBRegressor", objective="survival:cox"), POSITIVE, "not known"),
        (lambda: extreme(objective="binary:hinge"), TWO, "not known|no probabilities"),
        (lambda: cat("CatBoostRegressor", loss_function="RMSEWithUncertainty"), Z, "not known"),
        (lambda: cat(cat_features=["e"]), TWO, "categorical features"),
        (lambda: light(), TWO, "pandas categories"),
    ],
    ids=["linear trees", "gblinear", "cox", "hinge", "uncertainty", "catboost categories", "pandas categories"],
)
def test_what_cannot_be_exact_is_refused_with_a_remedy(make: Any, target: Any, reason: str) -> None:
    frame, inputs = FRAME, INPUTS
    model = make()
    if reason.endswith(("features", "categories")):
        texts = np.array(["x", "y", "z"], dtype=object)[THREE]
        frame = FRAME.assign(e=pd.Categorical(texts) if reason.startswith("pandas") else texts)
        inputs = [*INPUTS, Input(name="e", column="e", kind=Kind.NUMBER)]
    with pytest.raises(ProjectError, match=reason) as refused:
        export(model.fit(frame, target), inputs, hasattr(model, "predict_proba"))
    assert "\nremedy: " in str(refused.value)


@pytest.mark.parametrize(
    ("name", "file"),
    [("light two", "m.txt"), ("extreme two", "m.json"), ("extreme two", "m.ubj"), ("cat two", "m.cbm")],
)
def test_half_a_file_is_refused(name: str, file: str, tmp_path: Path) -> None:
    make, target = MODELS[name]
    path = saved(tmp_path / file, make().fit(FRAME, target))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="is damaged"):
        read_model(path)


def test_a_damaged_byte_ends_in_words_not_in_the_process(tmp_path: Path) -> None:
    for name, file, tries in (("light two", "m.txt", 40), ("extreme two", "m.ubj", 3)):
        make, target = MODELS[name]
        content = saved(tmp_path / file, make().fit(FRAME, target)).read_bytes()
        for place in range(60, len(content), len(content) // tries):
            (tmp_path / file).write_bytes(content[:place] + b"\x11" + content[place + 1 :])
            with contextlib.suppress(InputError, ProjectError):
                read_model(tmp_path / file)

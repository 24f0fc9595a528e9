"""A model on disk is read for what it is, or refused in words: never loaded unasked, never with a traceback."""

import pickle
import warnings
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from hakobu.sources.kinds import Kind, kind_of
from hakobu.sources.library import library
from hakobu.sources.read import read_model
from hakobu_runtime.errors import HakobuError, InputError, ProjectError, ToolError

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X.sum(axis=1) > 0).astype(int)
MODEL = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def own(values: Any) -> Any:
    return values


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_read_when_it_is_trusted(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(MODEL, protocol))
    assert np.array_equal(read_model(path, trust_pickle=True).predict(X), MODEL.predict(X))


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)], ids=str)
@pytest.mark.parametrize("name", ["model.joblib", "model"])
def test_a_joblib_file_is_told_by_its_content(compress: Any, name: str, tmp_path: Path) -> None:
    joblib.dump(MODEL, tmp_path / name, compress=compress)
    assert np.array_equal(read_model(tmp_path / name, trust_pickle=True).predict(X), MODEL.predict(X))


def test_a_pickle_is_not_loaded_unasked(tmp_path: Path) -> None:
    path, mark = tmp_path / "model.pkl", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(InputError, match=r"can run any program on this PC.*skops.*--trust-pickle"):
        read_model(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"model": MODEL}, "holds a dict, which is no fitted model"),
        ([MODEL], "holds a list"),
        (None, "holds a NoneType"),
        (Ridge, "is no fitted model"),
        (Ridge(), "holds a Ridge that was never fitted"),
    ],
    ids=["dict", "list", "nothing", "class", "unfitted"],
)
def test_a_pickle_of_something_else_is_refused(content: Any, words: str, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(ProjectError, match=words) as refused:
        read_model(tmp_path / "m.pkl", trust_pickle=True)
    assert "\nremedy: " in str(refused.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"cnowhere_at_all\nModel\n.", "needs the module 'nowhere_at_all'"),
        (b"csklearn.linear_model\nNoSuchModel\n.", "a class or function that is not here"),
        (pickle.dumps(MODEL)[:-20], "cannot be loaded"),
        (b"\x80\x04\x95\xff\xff", "cannot be loaded"),
    ],
    ids=["module", "class", "half", "start"],
)
def test_a_pickle_that_cannot_be_loaded_says_why(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(content)
    with pytest.raises(HakobuError, match=words):
        read_model(tmp_path / "m.pkl", trust_pickle=True)


def test_a_pickle_of_another_scikit_learn_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = Ridge().fit(X, Y).__getstate__()
    old = Ridge()
    old.__dict__.update(state | {"_sklearn_version": "0.24.2"})
    content = pickle.dumps(old).replace(b"1.9.1", b"1.0.0")
    (tmp_path / "m.pkl").write_bytes(content)
    with pytest.raises(ProjectError, match="was saved by scikit-learn"):
        read_model(tmp_path / "m.pkl", trust_pickle=True)


skops = pytest.importorskip("skops.io", reason="needs hakobu[skops]")


@pytest.mark.parametrize(
    "model",
    [MODEL, HistGradientBoostingClassifier(max_iter=3).fit(X, Y), RandomForestClassifier(3).fit(X, Y)],
    ids=lambda model: type(model).__name__,
)
def test_a_skops_file_of_scikit_learns_own_is_read(model: Any, tmp_path: Path) -> None:
    skops.dump(model, tmp_path / "model")
    assert np.array_equal(read_model(tmp_path / "model").predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("package", "name"),
    [("lightgbm", "LGBMClassifier"), ("xgboost", "XGBClassifier"), ("catboost", "CatBoostClassifier")],
)
def test_a_skops_file_may_hold_a_booster(package: str, name: str, tmp_path: Path) -> None:
    module = pytest.importorskip(package, reason="needs hakobu[boost,catboost]")
    settings = {"catboost": {"iterations": 3, "verbose": 0, "allow_writing_files": False}}
    model = getattr(module, name)(**settings.get(package, {"n_estimators": 3})).fit(X, Y)
    skops.dump(model, tmp_path / "m.skops")
    frame = pd.DataFrame(X)
    assert np.allclose(read_model(tmp_path / "m.skops").predict_proba(frame), model.predict_proba(frame))


def test_a_tuned_threshold_with_its_metric_is_read_from_skops(tmp_path: Path) -> None:
    model = TunedThresholdClassifierCV(MODEL, scoring="balanced_accuracy", cv=2).fit(X, Y)
    skops.dump(model, tmp_path / "m.skops")
    assert read_model(tmp_path / "m.skops").best_threshold_ == model.best_threshold_


def test_a_partial_of_a_strange_function_is_refused(tmp_path: Path) -> None:
    model = FunctionTransformer(partial(own)).fit(X)
    skops.dump(model, tmp_path / "m.skops")
    with pytest.raises(InputError, match="own"):
        read_model(tmp_path / "m.skops")


def test_a_skops_file_with_strange_types_is_refused(tmp_path: Path) -> None:
    skops.dump(make_pipeline(FunctionTransformer(own), LogisticRegression()).fit(X, Y), tmp_path / "m.skops")
    with pytest.raises(InputError, match=r"types that are not scikit-learn's.*own"):
        read_model(tmp_path / "m.skops")


def archive(path: Path, *names: str) -> bytes:
    with zipfile.ZipFile(path, "w") as made:
        for name in names:
            made.writestr(name, "{}")
    return path.read_bytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x00" * 50, "holds no model that is known"),
        (b"a,b,c\n1,2,3\n" * 20, "holds no model that is known"),
        (b'{"a": 1}', "holds no model that is known"),
        (b'{"oblivious_trees": []}', "save the model as .cbm"),
        (b'{"name":"tree","version":"v4","num_tree_per_iteration":1}', "booster.save_model"),
        (b'{"learner": {}}', "is damaged, or no whole XGBoost model"),
        (b"CBM1" + b"\x00" * 40, "is damaged, or no whole CatBoost model"),
        (b"tree\nversion=v4\nend of trees\n", "is damaged, or no whole LightGBM model"),
        (b"binf" + b"\x00" * 40, "old form"),
        (b"<?xml version='1.0'?><PMML/>", "PMML"),
        (b"\x1c\x00\x00\x00TFL3", "TensorFlow Lite"),
        (b"PK\x03\x04" + b"\x00" * 50, "damaged archive"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_no_model_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_model(tmp_path / "model.bin", trust_pickle=True)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("schema.json",), Kind.SKOPS),
        (("config.json", "metadata.json", "model.weights.h5"), Kind.KERAS),
        (("m/data.pkl", "m/constants.pkl", "m/code/a.py"), Kind.TORCHSCRIPT),
        (("m/data.pkl", "m/version"), Kind.PICKLED_TORCH),
        (("m/archive_format", "m/models/model.json"), Kind.EXPORTED_TORCH),
    ],
)
def test_an_archive_is_told_by_what_is_in_it(names: tuple[str, ...], kind: Kind, tmp_path: Path) -> None:
    archive(tmp_path / "model", *names)
    assert kind_of(tmp_path / "model") is kind


@pytest.mark.parametrize("names", [("m/data.pkl",), ("m/data.pkl", "constants.pkl"), ("m/archive_format",)])
def test_a_file_of_pytorch_is_not_loaded_unasked(names: tuple[str, ...], tmp_path: Path) -> None:
    archive(tmp_path / "model.pt", *names)
    with pytest.raises(InputError, match=r"can run any program on this PC.*\.onnx.*--trust-pickle"):
        read_model(tmp_path / "model.pt")


def test_a_mojo_and_an_archive_of_anything_are_refused(tmp_path: Path) -> None:
    archive(tmp_path / "a.zip", "model.ini")
    with pytest.raises(InputError, match="H2O"):
        read_model(tmp_path / "a.zip")
    archive(tmp_path / "b.zip", "readme.txt")
    with pytest.raises(InputError, match="no model that is known"):
        read_model(tmp_path / "b.zip")


def test_folders_and_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"without saved_model\.pb"):
        read_model(tmp_path)
    (tmp_path / "MLmodel").touch()
    with pytest.raises(InputError, match="MLflow"):
        read_model(tmp_path)
    with pytest.raises(InputError, match="not found"):
        read_model(tmp_path / "nothing.pkl")
    (tmp_path / "saved_model.pb").touch()
    assert kind_of(tmp_path) is Kind.SAVED_MODEL


def test_a_missing_library_says_how_to_get_it() -> None:
    with pytest.raises(ToolError, match=r"pip install 'hakobu\[torch\]'") as missing:
        library("no_such_library.at_all", "torch")
    assert missing.value.exit_code == 10

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from hakobu.export.convert import export
from hakobu.pack.build import Built, build
from hakobu.project import read_project
from hakobu.report.contents import contents
from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.errors import InputError, ProjectError
from hakobu_runtime.format.feature import Input, Kind
from hakobu_runtime.format.validation import Outcome
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.trust import Keyring, Pin, PrivateKey

TOML = """
[model]
name = "brought"
version = "1.0.0"
task = "classification"
from = "MODEL"
trust_pickle = true
[data]
path = "data.csv"
target = "y"
[features.a]
kind = "number"
[features.c]
kind = "category"
[gates]
overfit_gap = 1
"""


def table(rows: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    a = rng.normal(size=rows).round(2)
    c = rng.choice(np.array(["x", "y", "z"], dtype=object), rows)
    return pd.DataFrame({"a": a, "c": c, "y": np.where((a > 0) ^ (c == "x"), "yes", "no")})


def fitted(final: Any, columns: list[str]) -> Any:
    encode = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["c"])], remainder="passthrough")
    frame = table()
    return make_pipeline(encode, final).fit(frame[columns], frame["y"])


def built(folder: Path, model: bytes, key: PrivateKey, name: str = "model.pkl", toml: str = TOML) -> Built:
    (folder / name).write_bytes(model)
    table().to_csv(folder / "data.csv", index=False)
    (folder / "hakobu.toml").write_text(toml.replace("MODEL", name))
    return build(read_project(folder), key)


def test_a_fitted_model_is_packed_as_it_is_and_proven(tmp_path: Path, release_key: PrivateKey) -> None:
    model = fitted(RandomForestClassifier(20, random_state=0), ["a", "c"])
    found = built(tmp_path, pickle.dumps(model), release_key)
    assert found.path is not None, [gate for gate in found.gates if gate.remedy]
    assert any(gate.name == "parity: classes, hard rows" and gate.outcome is Outcome.PASSED for gate in found.gates)
    bundle = open_bundle(found.path, Keyring((Pin(release_key.public),)))
    assert bundle.manifest.provenance.proven
    rows = table()
    scores = Scorer(bundle.manifest, bundle.model).score({"a": rows["a"].tolist(), "c": rows["c"].tolist()})
    assert list(scores.predictions) == model.predict(rows[["a", "c"]].astype({"a": np.float32})).tolist()
    assert "PROVEN" not in contents(bundle)


def test_the_columns_must_stand_in_the_models_order(tmp_path: Path, release_key: PrivateKey) -> None:
    model = fitted(LogisticRegression(), ["c", "a"])
    with pytest.raises(ProjectError, match=r"reads the columns c, a, in this order; \[features\] has a, c"):
        built(tmp_path, pickle.dumps(model), release_key)


def test_the_classes_must_be_those_of_the_data(tmp_path: Path, release_key: PrivateKey) -> None:
    frame = table()
    model = LinearRegression().fit(frame[["a"]], frame["a"])
    toml = TOML.replace('[features.c]\nkind = "category"\n', "")
    with pytest.raises(ProjectError, match="predicts a number, but the target 'y' holds the classes no, yes"):
        built(tmp_path, pickle.dumps(model), release_key, toml=toml)


def test_a_pickle_is_not_loaded_without_trust(tmp_path: Path, release_key: PrivateKey) -> None:
    with pytest.raises(InputError, match=r"set \[model\] trust_pickle = true"):
        built(tmp_path, b"\x80\x04cos\nsystem\n.", release_key, toml=TOML.replace("trust_pickle = true\n", ""))


def test_a_model_brought_as_onnx_is_marked_as_not_proven(tmp_path: Path, release_key: PrivateKey) -> None:
    frame = table()
    model = LogisticRegression().fit(frame[["a"]], frame["y"])
    inputs = [Input(name="a", column="a", kind=Kind.NUMBER)]
    content = export(model, inputs, classifier=True).model
    onnx.checker.check_model(content)
    toml = TOML.replace('[features.c]\nkind = "category"\n', "").replace("trust_pickle = true\n", "")
    found = built(tmp_path, content, release_key, name="model.onnx", toml=toml)
    assert found.path is not None, [gate for gate in found.gates if gate.remedy]
    bundle = open_bundle(found.path, Keyring((Pin(release_key.public),)))
    assert not bundle.manifest.provenance.proven
    assert any(gate.name == "parity" and gate.outcome is Outcome.NOT_JUDGED for gate in found.gates)
    assert "NOT PROVEN" in contents(bundle)


def test_a_project_takes_a_pipeline_or_a_file_and_not_both(tmp_path: Path) -> None:
    (tmp_path / "hakobu.toml").write_text(TOML.replace("[data]", 'pipeline = "other:build"\n[data]'))
    with pytest.raises(ProjectError, match="keep one of"):
        read_project(tmp_path)

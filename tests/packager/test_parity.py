"""The device gives what the trained model gives, on rows that no hold-out held."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from hakobu.export.advice import advice
from hakobu.export.convert import export
from hakobu.export.inside import inside
from hakobu.pack.build import build
from hakobu.pack.hard import ROWS, hard_block
from hakobu.project import read_project
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.errors import InputError, ProjectError
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.feature import Input, Kind
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.format.validation import Outcome
from hakobu_runtime.model import Model
from hakobu_runtime.trust import PrivateKey

INPUTS = [Input(name=name, column=name, kind=Kind.NUMBER) for name in "abt"]


def rows(n: int, seed: int, gaps: float) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 2)).round(2), columns=["a", "b"])
    frame["t"] = 1.4e9 + rng.integers(0, 3000, n) * 40
    z = frame["a"] + frame["b"] ** 2 + (frame["t"] - 1.4e9) / 60000 + rng.normal(size=n) / 3
    frame = frame.astype(np.float32)
    for name in "ab":
        frame.loc[rng.random(n) < gaps, name] = np.nan
    return frame, z.to_numpy()


def hard(frame: pd.DataFrame) -> pd.DataFrame:
    """Fresh rows, half of the cells half-way between two of training, some missing."""
    fresh, _ = rows(4000, 9, 0.2)
    rng = np.random.default_rng(1)
    for name in frame:
        known = np.unique(frame[name].dropna().to_numpy())
        pick = rng.random(len(fresh)) < 0.5
        fresh.loc[pick, name] = rng.choice((known[1:] / 2 + known[:-1] / 2).astype(np.float32), int(pick.sum()))
    return fresh


forest = RandomForestClassifier(20, random_state=0)
boosted = HistGradientBoostingClassifier(max_iter=20, random_state=0)
scaled = make_pipeline(SimpleImputer(), StandardScaler())


@pytest.mark.parametrize(
    ("estimator", "gaps"),
    [
        (forest, 0.2),
        (forest, 0.0),
        (DecisionTreeClassifier(max_depth=6, random_state=0), 0.01),
        (BaggingClassifier(DecisionTreeClassifier(max_depth=5), n_estimators=6, random_state=0), 0.2),
        (make_pipeline(SimpleImputer(), StandardScaler(), forest), 0.2),
        (CalibratedClassifierCV(boosted, cv=3), 0.2),
        (CalibratedClassifierCV(forest, cv=3), 0.2),
        (VotingClassifier([("a", boosted), ("b", forest)], voting="soft", weights=[1, 3]), 0.2),
        (make_pipeline(scaled, VotingClassifier([("a", forest), ("b", LogisticRegression())], voting="soft")), 0.2),
        (make_pipeline(scaled, RidgeClassifier()), 0.2),
        (make_pipeline(scaled, SVC()), 0.2),
    ],
    ids=str,
)
@pytest.mark.parametrize("classes", [np.array([0, 1]), np.array(["low", "mid", "高"], dtype=object)], ids=["2", "3"])
def test_classifiers_give_on_the_device_what_training_gives(estimator: Any, gaps: float, classes: Any) -> None:
    frame, z = rows(1200, 0, gaps)
    y = classes[np.digitize(z, [0.5, 2.0][: len(classes) - 1])]
    exported = export(estimator.fit(frame, y), INPUTS, classifier=True)
    content, tensors = exported.model, exported.tensors
    fresh = hard(frame)
    found = Model(content, tensors, classes.tolist()).predict(fresh.to_numpy(), np.empty((len(fresh), 0), dtype=object))
    assert found.codes is not None
    assert np.array_equal(classes[found.codes], estimator.predict(fresh))
    assert (found.probabilities is not None) == hasattr(estimator, "predict_proba")
    if found.probabilities is not None:
        np.testing.assert_allclose(found.probabilities, estimator.predict_proba(fresh), atol=1e-5)


@pytest.mark.parametrize(
    "estimator",
    [
        ExtraTreesRegressor(20, random_state=0),
        HistGradientBoostingRegressor(max_iter=20, loss="poisson"),
        HistGradientBoostingRegressor(max_iter=20, loss="gamma"),
    ],
    ids=str,
)
def test_regressions_give_on_the_device_what_training_gives(estimator: Any) -> None:
    frame, z = rows(1200, 0, 0.2)
    estimator = Pipeline([("model", estimator)]).fit(frame, np.exp(z / 2))
    exported = export(estimator, INPUTS, classifier=False)
    content, tensors = exported.model, exported.tensors
    fresh = hard(frame)
    found = Model(content, tensors, ()).predict(fresh.to_numpy(), np.empty((len(fresh), 0), dtype=object))
    assert found.values is not None
    np.testing.assert_allclose(found.values, estimator.predict(fresh), rtol=1e-5)


def test_an_estimator_is_found_however_it_is_nested() -> None:
    frame, z = rows(300, 0, 0.0)
    nested = Pipeline([("model", CalibratedClassifierCV(boosted, cv=3))]).fit(frame, z > 1)
    fitted = [part for part in inside(nested, (HistGradientBoostingClassifier,)) if hasattr(part, "_predictors")]
    assert len(fitted) == 3


def test_hard_rows_lie_on_every_split_and_hold_what_a_hold_out_may_lack(machines: Bundle) -> None:
    rng = np.random.default_rng(0)
    block = Block(
        0,
        50,
        {"load": rng.normal(50, 10, 50).round(2), "shifts": rng.integers(0, 4, 50).astype(np.float64)},
        {
            "hot": rng.choice(np.array(["true", "false"], dtype=object), 50),
            "line": rng.choice(np.array(["A", "B", "C"], dtype=object), 50),
            "maker": rng.choice(np.array(["maker 1", ""], dtype=object), 50),
            "when": np.full(50, "2026-01-01T05:00", dtype=object),
        },
    )
    features = machines.manifest.features
    splits = rng.uniform(20, 80, 30).astype(np.float32)
    made = hard_block(block, features, Dtype.FLOAT32, splits, seed=0, bounded=True)
    assert made.size == ROWS
    load, shifts = made.numbers["load"], made.numbers["shifts"]
    low, high = block.numbers["load"].min(), block.numbers["load"].max()
    assert np.nanmin(load) < low
    assert np.nanmax(load) > high
    assert np.isnan(load).any()
    assert np.isfinite(shifts[~np.isnan(shifts)]).all()
    assert np.array_equal(shifts[~np.isnan(shifts)] % 1, np.zeros((~np.isnan(shifts)).sum()))
    assert {"maker 1", "maker 3", "", "\u2047 unknown \u2047"} <= set(made.texts["maker"])
    inner = {split for split in splits.tolist() if low < split < high}
    assert len(inner) > 10
    assert inner <= set(load.tolist())
    again = hard_block(block, features, Dtype.FLOAT32, splits, seed=0, bounded=True)
    np.testing.assert_array_equal(again.numbers["load"], load)


def test_strict_features_leave_hard_rows_to_score(project: Path, tmp_path: Path, release_key: PrivateKey) -> None:
    folder = shutil.copytree(project, tmp_path / "strict", ignore=shutil.ignore_patterns("dist", "__pycache__"))
    toml = folder / "hakobu.toml"
    strict = toml.read_text().replace('policy = "clip"\n', "")
    strict = strict.replace('policy = "reject"\n', "").replace("[data]\n", '[data]\nmissing = ["n.a."]\n')
    for name in ("load", "shifts", "hot", "line", "maker", "when"):
        strict = strict.replace(f"[features.{name}]\n", f'[features.{name}]\npolicy = "reject"\n')
    toml.write_text(strict)
    built = build(read_project(folder), release_key)
    rule = next(gate.rule for gate in built.gates if gate.name == "parity: classes, hard rows")
    assert int(rule.split()[4]) > 0.9 * ROWS, rule


@pytest.fixture
def plain(project: Path, tmp_path: Path) -> Path:
    """The project without its time column, so that rows are held out at random."""
    folder = shutil.copytree(project, tmp_path / "plain", ignore=shutil.ignore_patterns("dist", "__pycache__"))
    toml = folder / "hakobu.toml"
    text = toml.read_text().replace('time = "when"\n', "")
    # In some of these tests one feature tells everything, so that every split is on it.
    toml.write_text(text.replace("[features.load]", "[gates]\ndominance = 1\n\n[features.load]"))
    return folder


def failed(folder: Path, key: PrivateKey) -> dict[str, str]:
    return {gate.name: gate.remedy for gate in build(read_project(folder), key).gates if gate.outcome is Outcome.FAILED}


@pytest.mark.parametrize("repair", ["lower_thresholds", "lead_missing"])
def test_hard_rows_find_a_repair_that_was_forgotten(
    plain: Path, release_key: PrivateKey, monkeypatch: pytest.MonkeyPatch, repair: str
) -> None:
    rng = np.random.default_rng(0)
    table = pd.read_csv(plain / "data.csv", dtype={"id": str})
    # Splits half-way between stamps that float32 just tells apart; and no gap that the hold-out could show.
    table["load"] = 1.4e9 + rng.integers(0, 200, len(table)) * 128
    table["broke"] = np.where(table["load"] + rng.normal(size=len(table)) * 4e3 > 1.4e9 + 12800, "yes", "no")
    table["maker"] = table["maker"].fillna("maker 1")
    table.to_csv(plain / "data.csv", index=False)
    if repair == "lead_missing":
        source = (plain / "pipeline.py").read_text()
        source = source.replace("HistGradientBoostingClassifier", "RandomForestClassifier")
        source = source.replace("max_iter=20, max_leaf_nodes=7, min_samples_leaf=20", "n_estimators=10, max_depth=5")
        (plain / "pipeline.py").write_text(source)
    assert failed(plain, release_key) == {}
    monkeypatch.setattr(f"hakobu.export.convert.{repair}", lambda model, estimator: 0)
    assert {"parity: numbers, hard rows", "parity: numbers"} & failed(plain, release_key).keys()


def test_a_class_that_no_training_row_holds_is_told(project: Path, tmp_path: Path, release_key: PrivateKey) -> None:
    folder = shutil.copytree(project, tmp_path / "late", ignore=shutil.ignore_patterns("dist", "__pycache__"))
    lines = (folder / "data.csv").read_text().splitlines()
    late = [line.rpartition(",")[0] + ",perhaps" for line in lines[-40:]]
    (folder / "data.csv").write_text("\n".join([*lines[:-40], *late]) + "\n")
    assert "could never predict perhaps" in failed(folder, release_key)["split: classes"]


def test_a_split_that_leaves_a_handful_to_learn_from_is_told(
    project: Path, tmp_path: Path, release_key: PrivateKey
) -> None:
    folder = shutil.copytree(project, tmp_path / "late", ignore=shutil.ignore_patterns("dist", "__pycache__"))
    table = pd.read_csv(folder / "data.csv", dtype={"id": str})
    table.loc[20:, "when"] = "2027-01-01T00:00"
    table.to_csv(folder / "data.csv", index=False)
    assert "one side" in failed(folder, release_key)["split: rows"]


REGRESSION = """\
from sklearn.ensemble import HistGradientBoostingRegressor
def build():
    return HistGradientBoostingRegressor(max_iter=20)
"""


@pytest.fixture
def regression(tmp_path: Path) -> Path:
    frame, z = rows(600, 0, 0.0)
    frame.assign(y=z).to_csv(tmp_path / "data.csv", index=False)
    (tmp_path / "pipeline.py").write_text(REGRESSION)
    (tmp_path / "hakobu.toml").write_text(
        '[model]\nname = "y"\nversion = "1.0.0"\ntask = "regression"\n[data]\npath = "data.csv"\ntarget = "y"\n'
        "[gates]\noverfit_gap = 1\n" + "".join(f'[features.{name}]\nkind = "number"\n' for name in "abt")
    )
    return tmp_path


def test_values_that_float32_cannot_tell_apart_are_refused(regression: Path, release_key: PrivateKey) -> None:
    assert failed(regression, release_key) == {}
    table = pd.read_csv(regression / "data.csv")
    table["y"] += 1e9  # float32 tells only every 64th number apart here, well within 1e-4 of the value
    table.to_csv(regression / "data.csv", index=False)
    assert "from a fixed number" in failed(regression, release_key)["parity: spread"]


def test_an_infinite_target_is_not_taken_for_a_missing_one(regression: Path, release_key: PrivateKey) -> None:
    table = pd.read_csv(regression / "data.csv")
    table.loc[4, "y"] = np.inf
    table.to_csv(regression / "data.csv", index=False)
    with pytest.raises(InputError, match="row 5: the target 'y' is infinite"):
        build(read_project(regression), release_key)


def test_a_classifier_is_no_model_for_a_regression(regression: Path, release_key: PrivateKey) -> None:
    source = REGRESSION.replace("BoostingRegressor", "BoostingClassifier")
    (regression / "pipeline.py").write_text(source)
    table = pd.read_csv(regression / "data.csv")
    table.assign(y=table["y"].round().clip(0, 2)).to_csv(regression / "data.csv", index=False)
    with pytest.raises(ProjectError, match=r"HistGradientBoostingClassifier is no model for .* 'regression'"):
        build(read_project(regression), release_key)


def test_what_cannot_be_exported_rightly_is_named_with_a_way_out() -> None:
    frame, z = rows(300, 0, 0.0)
    y = np.digitize(z, [0.5, 2.0])
    doubled = make_pipeline(FunctionTransformer(lambda known: known * 2), LogisticRegression()).fit(frame, y)
    assert advice(doubled).startswith("FunctionTransformer: its function is none of numpy's")
    assert advice(SVC(kernel=lambda one, other: one @ other.T)).startswith("SVC: its kernel")
    assert advice(make_pipeline(StandardScaler(), boosted).fit(frame, y)).endswith("take it out")
    assert advice(forest.fit(frame, y)) == ""

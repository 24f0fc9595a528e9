"""The ratchet and the gates of fairness: a champion to beat, and groups to treat alike."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hakobu.gates.answers import Answers
from hakobu.gates.fairness import fairness_gates
from hakobu.pack.build import Built, build
from hakobu.pack.champion import open_champion
from hakobu.project import read_project
from hakobu.settings import FairnessTable
from hakobu_runtime.errors import HakobuError, InputError, ProjectError
from hakobu_runtime.format.validation import Gate, Outcome
from hakobu_runtime.trust import Keyring, Pin, PrivateKey

TOML = """\
[model]
name = "{name}"
version = "{version}"
task = "{task}"

[data]
path = "data.csv"
target = "{target}"

{gates}

[features]
a = {{ kind = "number", unit = "bar" }}
b = {{ kind = "number" }}
site = {{ kind = "category" }}
{more}
"""

PIPELINE = """\
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


def build():
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encode = ColumnTransformer([("text", texts, make_column_selector(dtype_include=object))], remainder="passthrough")
    return make_pipeline(encode, {last})
"""

Make = Callable[..., Built]


def table(rows: int = 2000, noise: float = 0.7) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(size=rows).round(4), "b": rng.normal(size=rows).round(4)})
    frame["site"] = rng.choice(["north", "south"], rows)
    frame["who"] = rng.choice(["x", "y"], rows)
    drive = frame["a"] + frame["b"] + 0.4 * (frame["site"] == "north") + rng.normal(0, noise, rows)
    frame["y"] = np.where(drive > 0, "bad", "good")
    frame["amount"] = drive.round(4)
    return frame


@pytest.fixture
def make(tmp_path: Path, release_key: PrivateKey) -> Make:
    def made(
        frame: pd.DataFrame,
        *,
        champion: Path | None = None,
        last: str = "LogisticRegression()",
        gates: str = "",
        version: str = "1.0.0",
        **other: str,
    ) -> Built:
        asked = {"name": "pumps", "task": "classification", "target": "y", "more": ""} | other
        (tmp_path / "hakobu.toml").write_text(TOML.format(version=version, gates=gates, **asked))
        (tmp_path / "pipeline.py").write_text(PIPELINE.replace("{last}", last))
        frame.to_csv(tmp_path / "data.csv", index=False)
        project = read_project(tmp_path)
        keyring = Keyring((Pin(release_key.public),))
        rival = open_champion(champion, keyring, project) if champion else None
        return build(project, release_key, champion=rival)

    return made


def failed(built: Built) -> set[str]:
    return {gate.name for gate in built.gates if gate.outcome is Outcome.FAILED}


def gate(built: Built, name: str) -> Gate:
    return next(one for one in built.gates if one.name == name)


WEAK = "LogisticRegression(C=1e-4)"


@pytest.fixture
def champion(make: Make) -> Path:
    path = make(table()).path
    assert path is not None
    return path


def test_a_model_that_holds_its_ground_passes(make: Make, champion: Path) -> None:
    built = make(table(), champion=champion, version="1.1.0")
    assert failed(built) == set()
    assert gate(built, "ratchet").value.startswith("0 (0 to 0)")
    assert built.evidence.rival is not None
    assert built.evidence.rival.changes == ()


def test_a_worse_model_is_stopped(make: Make, champion: Path) -> None:
    last = "RandomForestClassifier(3, max_depth=1, random_state=0)"
    built = make(table(), champion=champion, version="1.1.0", last=last, gates="[gates]\nstump_margin = -1")
    assert "ratchet" in failed(built)
    assert "the champion says" in gate(built, "ratchet").remedy


def test_a_gain_that_is_asked_for_must_be_there_and_sure(make: Make, champion: Path) -> None:
    gates = "[gates.ratchet]\nmin_gain = 0.01"
    assert "ratchet" in failed(make(table(), champion=champion, version="1.1.0", gates=gates))
    path = make(table(), last="RandomForestClassifier(3, max_depth=1, random_state=0)").path
    assert failed(make(table(), champion=path, version="1.1.0", gates=gates)) == set()


def test_a_regression_is_compared_too(make: Make) -> None:
    asked = {"task": "regression", "target": "amount", "last": "LinearRegression()"}
    path = make(table(), **asked).path
    assert failed(make(table(), champion=path, version="1.1.0", **asked)) == set()


def test_a_changed_unit_is_seen_against_the_champion(make: Make, champion: Path) -> None:
    frame = table()
    frame["a"] = 100 * frame["a"] + 5000
    built = make(frame, champion=champion, version="1.1.0", gates="[gates.ratchet]\nmax_loss = 1")
    assert "ratchet: outliers" in failed(built)
    assert gate(built, "ratchet: outliers").remedy.startswith("a: has the unit changed")


def test_the_ranges_that_changed_are_listed(make: Make, champion: Path) -> None:
    frame = table()
    frame.loc[frame.index[:40], "a"] = 9.5
    frame.loc[frame.index[40:60], "site"] = "east"
    built = make(frame, champion=champion, version="1.1.0")
    assert built.evidence.rival is not None
    changes = {change.feature: change for change in built.evidence.rival.changes}
    assert set(changes) == {"a", "site"}
    assert "bar" in changes["a"].before
    assert "9.5" in changes["a"].after
    assert 0 < changes["site"].share < 0.03


@pytest.mark.parametrize(
    ("other", "kind", "words"),
    [
        ({"name": "fans"}, ProjectError, "is a bundle of 'pumps', and this project builds 'fans'"),
        ({"task": "regression", "target": "amount", "last": "LinearRegression()"}, ProjectError, "cannot be compared"),
    ],
)
def test_a_champion_of_something_else_is_refused(
    make: Make, champion: Path, other: dict[str, str], kind: type[HakobuError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        make(table(), champion=champion, version="1.1.0", **other)


def test_a_champion_that_reads_a_column_that_is_gone_is_refused(make: Make) -> None:
    frame = table()
    path = make(frame.assign(c=frame["b"] * 2 + frame["a"]), more='c = { kind = "number" }').path
    with pytest.raises(InputError, match=r"champion pumps 1\.0\.0 cannot be scored on this data: .*'c'"):
        make(frame, champion=path, version="1.1.0")


def test_a_champion_of_other_classes_is_not_judged(make: Make, champion: Path) -> None:
    frame = table()
    frame.loc[frame["amount"] > 1.5, "y"] = "worst"
    built = make(frame, champion=champion, version="1.1.0")
    assert gate(built, "ratchet").outcome is Outcome.NOT_JUDGED


FAIR = '[gates.fairness]\ngroups = ["who"]'


def unfair() -> pd.DataFrame:
    frame = table()
    frame["site"] = np.where(frame["who"] == "x", "north", "south")  # stands for who
    rng = np.random.default_rng(2)
    frame["y"] = np.where(frame["a"] + 2 * (frame["who"] == "x") + rng.normal(0, 0.5, len(frame)) > 1, "bad", "good")
    return frame


def test_groups_that_are_treated_alike_pass(make: Make) -> None:
    built = make(table(), gates=FAIR)
    assert failed(built) == set()
    assert gate(built, "fair: who, demographic parity").outcome is Outcome.PASSED
    assert {one.group for one in built.evidence.groups} == {"x", "y"}


def test_an_unfair_model_is_stopped_by_the_default_limits(make: Make) -> None:
    built = make(unfair(), gates=FAIR)
    assert "fair: who, demographic parity" in failed(built)
    loose = make(unfair(), gates=f"{FAIR}\ndemographic_parity = 1\nequalized_odds = 1\nworst_group = 1")
    assert failed(loose) == set()


def test_a_group_of_three_rows_is_not_judged(make: Make) -> None:
    frame = table()
    frame["who"] = "x"
    frame.loc[frame.index[:3], "who"] = "y"
    assert gate(make(frame, gates=FAIR), "fair: who").outcome is Outcome.NOT_JUDGED


def test_an_unknown_group_column_is_named(make: Make) -> None:
    with pytest.raises(InputError, match="'whom'"):
        make(table(), gates='[gates.fairness]\ngroups = ["whom"]')
    with pytest.raises(ProjectError, match="'a' cannot be a number feature and a group of"):
        make(table(), gates='[gates.fairness]\ngroups = ["a"]')


def test_a_group_that_lacks_a_class_is_not_judged_by_a_metric_that_needs_both() -> None:
    y = np.array([0, 1] * 40 + [1] * 40)
    odds = np.linspace(0.1, 0.9, len(y))
    answers = Answers({"predict": (odds > 0.5).astype(int), "predict_proba": np.c_[1 - odds, odds]}, np.array([0, 1]))
    groups = {"who": np.array(["x"] * 80 + ["y"] * 40, dtype=object)}
    gates = {one.name: one for one in fairness_gates(groups, answers, y, "roc_auc", FairnessTable(("who",)))}
    assert gates["fair: who, worst group"].outcome is Outcome.NOT_JUDGED


def test_each_class_of_several_is_held_against_the_rest() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 300)
    who = np.array(["x", "y"], dtype=object)[np.arange(300) % 2]
    said = np.where((who == "y") & (y == 2), 0, y)
    answers = Answers({"predict": said}, np.array([0, 1, 2]))
    gates = {one.name: one for one in fairness_gates({"who": who}, answers, y, "accuracy", FairnessTable(("who",)))}
    assert gates["fair: who, equalized odds"].outcome is Outcome.FAILED
    assert gates["fair: who, equalized odds"].rule.endswith("class 2")

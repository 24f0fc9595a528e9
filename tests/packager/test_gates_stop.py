"""Models that must not be shipped are stopped by the default settings; their sound siblings are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupShuffleSplit

from hakobu.pack.build import Built, build
from hakobu.project import read_project
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.validation import Gate, Outcome
from hakobu_runtime.trust import PrivateKey

ROWS = 1500

TOML = """\
[model]
name = "pumps"
version = "1.0.0"
task = "{task}"

[data]
path = "data.csv"
target = "y"
{data}

{gates}

[features]
a = {{ kind = "number" }}
b = {{ kind = "number" }}
c = {{ kind = "number" }}
kind = {{ kind = "category" }}
{more}
"""

PIPELINE = """\
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def build():
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    numbers = StandardScaler()
    encode = ColumnTransformer(
        [("text", texts, make_column_selector(dtype_include=object)),
         ("number", numbers, make_column_selector(dtype_exclude=object))]
    )
    return make_pipeline(encode, {last})
"""


def sound(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """A table whose target follows two numbers and a kind, with noise."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.normal(size=rows).round(4) for name in "abc"})
    table["kind"] = rng.choice(["north", "south", "east"], rows)
    drive = table["a"] + table["b"] + (table["kind"] == "north") + rng.normal(0, 0.8, rows)
    table["y"] = np.where(drive > 0.3, "bad", "good")
    table["amount"] = drive.round(4)
    return table


Make = Callable[..., Built]


@pytest.fixture
def make(tmp_path: Path, release_key: PrivateKey) -> Make:
    def made(
        table: pd.DataFrame,
        *,
        task: str = "classification",
        last: str = "LogisticRegression()",
        data: str = "",
        gates: str = "",
        more: str = "",
    ) -> Built:
        toml = TOML.format(task=task, data=data, gates=gates, more=more)
        (tmp_path / "hakobu.toml").write_text(toml)
        (tmp_path / "pipeline.py").write_text(PIPELINE.replace("{last}", last))
        table.to_csv(tmp_path / "data.csv", index=False)
        return build(read_project(tmp_path), release_key)

    return made


def failed(built: Built) -> set[str]:
    return {gate.name for gate in built.gates if gate.outcome is Outcome.FAILED}


def gate(built: Built, name: str) -> Gate:
    return next(one for one in built.gates if one.name == name)


def amounts(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(y=table["amount"])


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_sound_model_passes_every_gate(make: Make, task: str) -> None:
    regression = task == "regression"
    table = amounts(sound()) if regression else sound()
    built = make(table, task=task, last="LinearRegression()" if regression else "LogisticRegression()")
    assert failed(built) == set()
    assert built.path is not None


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_leaky_table_is_stopped(make: Make, task: str) -> None:
    table, regression = sound(), task == "regression"
    table = amounts(table) if regression else table
    table["settled"] = table["amount"] if regression else np.where(table["y"] == "bad", 3.0, 7.0)
    last = "LinearRegression()" if regression else "LogisticRegression()"
    built = make(table, task=task, last=last, more='settled = { kind = "number" }')
    assert "leak" in failed(built)
    assert "settled alone all but tells the target" in gate(built, "leak").remedy


def test_a_leak_through_what_is_missing_is_seen(make: Make) -> None:
    table = sound()
    table["repaired"] = np.where(table["y"] == "bad", 1.5, np.nan)
    table.loc[0, "repaired"] = 2.5
    last = "LogisticRegression()"
    table["repaired_kind"] = np.where(table["y"] == "bad", "yes", "")
    table.loc[5, "repaired_kind"] = "maybe"
    built = make(table, last=last, more='repaired_kind = { kind = "category" }')
    assert "leak" in failed(built)


def test_shuffled_labels_are_stopped(make: Make) -> None:
    table = sound()
    table["y"] = np.random.default_rng(5).permutation(table["y"])
    assert "beats a guess" in failed(make(table))


def test_a_model_of_one_feature_is_stopped(make: Make) -> None:
    table = sound()
    table["y"] = np.where(table["a"] + np.random.default_rng(6).normal(0, 0.5, len(table)) > 0, "bad", "good")
    assert {"beats one feature", "rests on several"} & failed(make(table))
    assert "the model is 'a' in other words" in gate(make(table), "rests on several").remedy
    assert "rests on several" not in failed(make(table, gates="[gates]\ndominance = 1"))


def test_a_constant_model_says_nothing(make: Make) -> None:
    built = make(sound(), last="DummyClassifier(strategy='prior')")
    assert {"says something", "beats a guess"} <= failed(built)
    built = make(amounts(sound()), task="regression", last="DummyRegressor()")
    assert {"says something", "beats a guess"} <= failed(built)


def test_repeated_rows_are_stopped_unless_an_id_tells_them_apart(make: Make) -> None:
    table = sound(400)
    table = pd.concat([table, table, table], ignore_index=True)
    built = make(table)
    assert failed(built) == {"repeated rows"}
    assert gate(built, "repeated rows").value == "0.6667"
    table["id"] = np.arange(len(table))
    assert "repeated rows" not in failed(make(table, data='id = ["id"]'))


def test_a_column_that_is_there_twice_is_stopped(make: Make) -> None:
    table = sound()
    built = make(table.assign(a2=table["a"]), more='a2 = { kind = "number" }')
    assert failed(built) == {"repeated columns"}
    assert gate(built, "repeated columns").value == "a2 is a"
    assert failed(make(table.assign(a2=table["a"] + 1), more='a2 = { kind = "number" }')) == set()


def test_a_hold_out_of_another_kind_is_stopped_unless_it_comes_later(make: Make) -> None:
    table = sound()
    table["group"] = [f"g{row % 12}" for row in range(len(table))]
    _, held_out = next(GroupShuffleSplit(1, test_size=0.2, random_state=0).split(table, groups=table["group"]))
    table.loc[held_out, "c"] += 3
    built = make(table, data='group = "group"')
    assert "shift" in failed(built)
    assert "c" in gate(built, "shift").remedy
    assert gate(make(sound()), "shift").outcome is Outcome.PASSED
    late = sound()
    late["when"] = pd.date_range("2026-01-01", periods=len(late), freq="h").strftime("%Y-%m-%dT%H:%M")
    late.loc[late.index[1200:], "c"] += 3
    assert gate(make(late, data='time = "when"'), "shift").outcome is Outcome.NOT_JUDGED
    assert "shift" in failed(make(late, data='time = "when"', gates="[gates]\nshift = 0.2"))


def test_one_group_as_the_whole_hold_out_is_stopped(make: Make) -> None:
    table = sound()
    table["group"] = np.where(np.arange(len(table)) % 10 < 4, "one", "other")
    assert "split: groups" in failed(make(table, data='group = "group"'))


def test_a_metric_is_not_passed_by_luck(make: Make) -> None:
    table = sound(200)
    point = make(table, gates='[gates]\nby = "value"\n[gates.metrics]\naccuracy = ">= 0.7"')
    assert point.metrics["accuracy"].holdout >= 0.7
    assert "accuracy" not in failed(point)
    luck = gate(make(table, gates='[gates.metrics]\naccuracy = ">= 0.7"'), "accuracy")
    assert luck.outcome is Outcome.FAILED
    assert "is what these rows can tell" in luck.remedy


def test_a_metric_that_must_be_small_is_judged_by_the_upper_end(make: Make) -> None:
    built = make(sound(), gates='[gates.metrics]\nneg_log_loss = "<= -0.01"')
    assert "neg_log_loss" not in failed(built)
    built = make(sound(), gates='[gates.metrics]\nneg_log_loss = "<= -0.5"')
    assert "neg_log_loss" in failed(built)


def test_folds_are_judged_by_the_same_rule(make: Make) -> None:
    built = make(sound(600), gates='[gates]\nfolds = 4\n[gates.metrics]\nroc_auc = ">= 0.8"')
    assert failed(built) == set()
    assert gate(built, "roc_auc, 4 folds").outcome is Outcome.PASSED
    assert len(built.evidence.folds["roc_auc"]) == 4
    built = make(sound(600), gates='[gates]\nby = "value"\nfolds = 4\n[gates.metrics]\nroc_auc = ">= 0.999"')
    assert "roc_auc, 4 folds" in failed(built)


def test_folds_keep_time_and_groups_apart(make: Make) -> None:
    table = sound(600)
    table["when"] = pd.date_range("2026-01-01", periods=600, freq="h").strftime("%Y-%m-%dT%H:%M")
    table["group"] = [f"g{row // 20}" for row in range(600)]
    for data in ('time = "when"', 'group = "group"'):
        built = make(table, data=data, gates='[gates]\nfolds = 3\n[gates.metrics]\nroc_auc = ">= 0.7"')
        assert failed(built) == set()
    with pytest.raises(ProjectError, match="ask for fewer folds"):
        make(table, data='group = "group"', gates="[gates]\nfolds = 50")


def test_calibration_is_judged_where_a_limit_is_set(make: Make) -> None:
    assert "calibration" not in {one.name for one in make(sound()).gates}
    assert failed(make(sound(), gates="[gates]\ncalibration = 0.1")) == set()
    crooked = make(sound(), last="LogisticRegression(class_weight={'bad': 30})", gates="[gates]\ncalibration = 0.1")
    assert "calibration" in failed(crooked)


def test_budgets_of_size_and_time_are_held(make: Make) -> None:
    assert "size" in failed(make(sound(), gates="[gates]\nsize_mb = 0.0001"))
    assert "latency" in failed(make(sound(), gates="[gates]\nlatency_ms = 0.000001"))


@pytest.mark.parametrize(
    "line",
    ["folds = 1", "folds = 51", "missing_rate = 1.5", "leakage = -1", "dominance = 2", "size_mb = 0", 'by = "x"'],
)
def test_a_gate_that_makes_no_sense_is_refused(make: Make, line: str) -> None:
    with pytest.raises(ProjectError, match=line.split(" = ", maxsplit=1)[0]):
        make(sound(200), gates=f"[gates]\n{line}")


def test_a_hold_out_of_one_class_is_never_a_pass(make: Make) -> None:
    table = sound()
    table["when"] = pd.date_range("2026-01-01", periods=len(table), freq="h").strftime("%Y-%m-%dT%H:%M")
    table.loc[table.index[1200:], "y"] = "good"
    built = make(table, data='time = "when"', gates='[gates.metrics]\nroc_auc = ">= 0.6"')
    assert "roc_auc" in failed(built)
    assert built.path is None

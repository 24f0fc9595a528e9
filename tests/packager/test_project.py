from pathlib import Path

import pytest

from hakobu.project import Project, read_project
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.feature import Kind, Part
from hakobu_runtime.format.manifest import WindowBy

GOOD = """
[model]
name = "late-flights"
version = "1.0.0"
task = "classification"

[data]
path = "data.csv"
target = "late"
time = "when"

[features.temp]
kind = "number"
range = [0, 110]

[features.when]
kind = "date"
parts = ["month", "hour"]
"""


def read(folder: Path, text: str) -> Project:
    (folder / "hakobu.toml").write_text(text)
    return read_project(folder)


def test_a_date_gives_an_input_for_each_part(tmp_path: Path) -> None:
    project = read(tmp_path, GOOD)
    assert [(wish.name, wish.column, wish.part) for wish in project.inputs] == [
        ("temp", "temp", None),
        ("when.month", "when", Part.MONTH),
        ("when.hour", "when", Part.HOUR),
    ]
    assert project.inputs[1].kind is Kind.INTEGER


def test_rows_are_counted_by_their_own_time_where_the_data_names_one(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD).monitor.window_by is WindowBy.ROW
    assert read(tmp_path, GOOD.replace('time = "when"', "")).monitor.window_by is WindowBy.ARRIVAL


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("target =", "tarjet =", r"unknown key 'data.tarjet'; did you mean 'target'\?"),
        ("[model]", "[modell]", r"unknown key 'modell'; did you mean 'model'\?"),
        ('kind = "number"', 'kind = "number"\npolcy = "warn"', r"'features.temp.polcy'; did you mean 'policy'\?"),
        ('kind = "number"', 'kind = "numbr"', "features.temp.kind = 'numbr' is not known; did you mean 'number'"),
        ('kind = "number"', 'kind = "number"\npolicy = "ignore"', "'ignore' is not known; choose one of reject, clip"),
        ("range = [0, 110]", "range = [110, 0]", "range .* is empty"),
        ("range = [0, 110]", 'range = "wide"', r"\[features.temp.range\]: Expected `array.*, got `str`"),
        ('name = "late-flights"', 'name = "Late Flights!"', "must be 1 to 64 of a-z"),
        ('version = "1.0.0"', 'version = "v1"', r"must be written like 1\.2\.3"),
        ('task = "classification"', 'task = "guess"', "'guess' is not known; choose one of classification, regression"),
        ('target = "late"', "", "lacks the key `target`"),
        ('target = "late"', 'target = "temp"', "the target 'temp' cannot be a feature as well"),
        ('parts = ["month", "hour"]', "", "a date needs parts"),
        ('target = "late"', 'target = "late"\nholdout = 0.9', "holdout 0.9 must lie between"),
        ("[model]", '[monitor]\nspan = "month"\n\n[model]', "counts by hour or by day"),
        ("[model]", "[model", "is not valid TOML: .*line 2"),
        ('task = "classification"', 'task = "classification"\npipeline = "nope"', "'module:function'"),
    ],
)
def test_a_mistake_names_the_key_and_the_rule(tmp_path: Path, before: str, after: str, words: str) -> None:
    assert before in GOOD
    with pytest.raises(ProjectError, match=words) as caught:
        read(tmp_path, GOOD.replace(before, after, 1))
    assert str(caught.value).startswith(str(tmp_path / "hakobu.toml"))
    assert caught.value.exit_code == 9


def test_a_folder_without_a_project_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="hakobu new DIR"):
        read_project(tmp_path)


def test_a_project_without_features_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"\[features\] is empty"):
        read(tmp_path, GOOD[: GOOD.index("[features.temp]")] + "[features]\n")

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hakobu.pack.build import Built, build
from hakobu.project import read_project
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.errors import HakobuError, InputError, ProjectError
from hakobu_runtime.format.feature import Kind, Missing
from hakobu_runtime.format.manifest import Classification
from hakobu_runtime.format.validation import Outcome
from hakobu_runtime.format.window import Span
from hakobu_runtime.trust import PrivateKey


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    """The project in a folder of its own, without anything built."""
    return shutil.copytree(project, tmp_path / "copy", ignore=shutil.ignore_patterns("dist", "__pycache__"))


def edit(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text()
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)


def failed(built: Built) -> dict[str, str]:
    assert built.path is None
    assert not (built.project.root / "dist").exists()
    return {gate.name: gate.remedy for gate in built.gates if gate.outcome is Outcome.FAILED}


def test_every_gate_is_in_the_box_and_passed(machines: Bundle) -> None:
    names = [gate.name for gate in machines.validation.gates]
    assert {"rows", "beats a guess", "over-fitting", "parity: classes", "parity: golden rows"} <= set(names)
    assert not machines.validation.failed


def test_the_manifest_says_what_training_saw(machines: Bundle) -> None:
    features = {feature.name: feature for feature in machines.manifest.features}
    assert features["load"].missing is Missing.EXPECTED
    assert features["shifts"].missing is Missing.UNEXPECTED
    assert features["shifts"].range is not None
    assert (features["shifts"].range.low, features["shifts"].range.high) == (0, 3)
    assert features["line"].categories is not None
    assert features["line"].categories.values == ("A", "B", "C")
    assert features["when.hour"].kind is Kind.INTEGER
    assert isinstance(machines.manifest.outputs, Classification)
    assert machines.manifest.outputs.classes == ("no", "yes")
    assert sum(features["load"].baseline.counts) == machines.manifest.provenance.training_rows == 960


def test_windows_of_training_say_how_much_days_differ_without_drift(machines: Bundle) -> None:
    usual = machines.manifest.features[0].baseline.usual
    assert usual[Span.WEEK].windows >= 5
    assert Span.DAY not in usual, "24 rows are too few to say how much days differ"


def test_golden_rows_hold_every_category_both_ends_and_gaps(machines: Bundle) -> None:
    columns = machines.golden.columns
    assert len(machines.golden) >= 32
    assert {"A", "B", "C", None} <= set(columns["line"])
    assert {0.0, 3.0, None} <= set(columns["shifts"])
    assert {"rejected", "clipped", "warned", "ok"} == set(machines.golden.verdicts)


def test_the_same_project_gives_the_same_bytes_elsewhere(
    machines_box: Path, copy: Path, release_key: PrivateKey
) -> None:
    key = copy / "key.pem"
    key.write_bytes(release_key.to_pem(None))
    script = (
        "import sys; from pathlib import Path; from hakobu.pack.build import build\n"
        "from hakobu.project import read_project; from hakobu.keys import read_private_key\n"
        "root = Path(sys.argv[1]); build(read_project(root), read_private_key(root / 'key.pem', None))"
    )
    changed = {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    subprocess.run([sys.executable, "-c", script, str(copy)], check=True, env=os.environ | changed)
    assert (copy / "dist" / machines_box.name).read_bytes() == machines_box.read_bytes()


def test_a_metric_below_its_gate_stops_the_build(copy: Path, release_key: PrivateKey) -> None:
    edit(copy / "hakobu.toml", ("[features.load]", '[gates.metrics]\nroc_auc = ">= 0.999"\n\n[features.load]'))
    assert "roc_auc" in failed(build(read_project(copy), release_key))


def test_a_model_that_guesses_is_stopped(copy: Path, release_key: PrivateKey) -> None:
    lines = (copy / "data.csv").read_text().splitlines()
    coin = random.Random(1)
    coins = [line.rpartition(",")[0] + coin.choice((",yes", ",no")) for line in lines[1:]]
    (copy / "data.csv").write_text("\n".join([lines[0], *coins]) + "\n")
    assert "beats a guess" in failed(build(read_project(copy), release_key))


def test_a_model_that_learned_its_rows_by_heart_is_stopped(copy: Path, release_key: PrivateKey) -> None:
    edit(
        copy / "pipeline.py",
        ("max_iter=20, max_leaf_nodes=7, min_samples_leaf=20", "max_iter=300, max_leaf_nodes=60, min_samples_leaf=1"),
    )
    assert "over-fitting" in failed(build(read_project(copy), release_key))


def test_a_target_of_one_class_is_told(copy: Path, release_key: PrivateKey) -> None:
    edit(copy / "data.csv", (",yes\n", ",no\n"))
    assert "the target 'broke' is 'no' in every row" in failed(build(read_project(copy), release_key))["classes"]


def test_a_column_that_is_empty_or_constant_is_told(copy: Path, release_key: PrivateKey) -> None:
    lines = [line.split(",") for line in (copy / "data.csv").read_text().splitlines()]
    for cells in lines[1:]:
        cells[2], cells[3] = "", "4"
    (copy / "data.csv").write_text("\n".join(",".join(cells) for cells in lines) + "\n")
    gates = failed(build(read_project(copy), release_key))
    assert "leave load, shifts out of [features]" in gates["constant"]
    assert "'load'" in gates["missing"]


def test_a_cell_that_is_no_number_is_named(copy: Path, release_key: PrivateKey) -> None:
    lines = (copy / "data.csv").read_text().splitlines()
    lines[17] = lines[17].replace(lines[17].split(",")[2], "n.a.", 1)
    (copy / "data.csv").write_text("\n".join(lines) + "\n")
    words = failed(build(read_project(copy), release_key))["readable"]
    assert words.startswith("row 17: load = 'n.a.' is not a number")
    edit(copy / "hakobu.toml", ('target = "broke"', 'target = "broke"\nmissing = ["n.a."]'))
    assert build(read_project(copy), release_key).passed


@pytest.mark.parametrize(
    ("file", "before", "after", "kind", "words"),
    [
        ("hakobu.toml", 'target = "broke"', 'target = "brok"', InputError, "brok"),
        ("hakobu.toml", 'path = "data.csv"', 'path = "dat.csv"', InputError, "dat.csv"),
        ("hakobu.toml", 'path = "data.csv"', 'path = "."', InputError, "folder"),
        ("hakobu.toml", "[features.load]", "[features.lod]", InputError, "lod"),
        ("hakobu.toml", "[features.load]", '[gates.metrics]\nroc = ">= 1"\n[features.load]', ProjectError, "'roc'"),
        ("hakobu.toml", "[features.load]", '[gates.metrics]\nroc_auc = "> 1"\n[features.load]', ProjectError, "> 1"),
        ("hakobu.toml", 'task = "classification"', 'task = "regression"', InputError, "not a number"),
        ("pipeline.py", "def build()", "def make()", ProjectError, "has no function 'build'"),
        ("pipeline.py", "return make_pipeline(encode, trees)", "return 5", ProjectError, "returned int"),
        ("pipeline.py", "return make_pipeline(encode, trees)", "return 1 / 0", ProjectError, "pipeline.py, line 11"),
        ("pipeline.py", "import OrdinalEncoder", "import OrdinalEncodr", ProjectError, "OrdinalEncodr"),
        ("pipeline.py", "def build():", "def build(:", ProjectError, "SyntaxError"),
        ("pipeline.py", "max_iter=20", "max_iter=-20", ProjectError, "cannot be fitted.*max_iter"),
    ],
)
def test_a_mistake_in_a_project_is_told_in_one_line(
    copy: Path, release_key: PrivateKey, file: str, before: str, after: str, kind: type[HakobuError], words: str
) -> None:
    edit(copy / file, (before, after))
    with pytest.raises(kind, match=words):
        build(read_project(copy), release_key)
    assert not (copy / "dist").exists()

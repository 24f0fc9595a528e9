"""Every build is remembered: beside the project, and in MLflow."""

import json
import shutil
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from hakobu.cli.main import main
from hakobu.runs.compare import differences
from hakobu.runs.run import Ending
from hakobu.runs.store import FILE, Store
from hakobu_runtime import load
from hakobu_runtime.errors import StateError, UsageError
from hakobu_runtime.trust import PrivateKey


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def built(project: Path, release_key: PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after three builds: one that passed, one that a gate stopped, one that an error broke."""
    folder = tmp_path_factory.mktemp("runs") / "machines"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("dist", "__pycache__"))
    (folder / "keys").mkdir()
    (folder / "keys" / "release.pem").write_bytes(release_key.to_pem(None))
    (folder / "keys" / "release.pub").write_bytes(release_key.public.pem)
    toml, pipeline = folder / "hakobu.toml", folder / "pipeline.py"
    text = toml.read_text()
    toml.write_text(f'{text}\n[runs]\ntracking = "{(folder / "mlruns").as_uri()}"\nexperiment = "tried"\n')
    assert run("build", folder).exit_code == 0
    pipeline.write_text(pipeline.read_text().replace("max_iter=20", "max_iter=3"))
    toml.write_text(
        toml.read_text().replace("[features.load]", '[gates.metrics]\nroc_auc = ">= 0.99"\n[features.load]')
    )
    assert run("build", folder).exit_code == 3
    pipeline.write_text("def build():\n    return None\n")
    assert run("build", folder).exit_code == 9
    return folder


def test_failed_builds_are_remembered_too(built: Path) -> None:
    runs = Store(built).all()
    assert [found.ending for found in runs.values()] == [Ending.BUILT, Ending.STOPPED, Ending.BROKEN]
    assert runs[1].bundle == "dist/machines-1.2.3.hako"
    assert runs[1].parameters["histgradientboostingclassifier__max_iter"] == "20"
    assert runs[1].metrics["roc_auc"].holdout > 0.7
    assert [gate.name for gate in runs[2].gates if gate.outcome == "failed"] == ["roc_auc"]
    assert runs[2].bundle == ""
    assert "has no fit()" in runs[3].error


def test_the_list_shows_every_build(built: Path) -> None:
    told = run("runs", "--project", built)
    assert told.exit_code == 0
    for words in ("built", "stopped", "broken", "roc_auc 0.", "has no fit()"):
        assert words in told.stdout
    found = json.loads(run("runs", "--project", built, "--last", "2", "--json").stdout)
    assert [one["run"] for one in found["runs"]] == [2, 3]


def test_two_runs_are_compared_in_what_went_in_and_what_came_out(built: Path, tmp_path: Path) -> None:
    picture = tmp_path / "runs.png"
    told = run("runs", "compare", "1", "2", "--project", built, "--plot", picture)
    assert told.exit_code == 0, told.output
    assert "max_iter" in told.stdout
    assert "hakobu.toml" in told.stdout
    assert "ending" in told.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    runs = Store(built).all()
    assert all(one.kind == "metric" for one in differences(runs[1], runs[1]))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("compare", "1", "9"), 2, "there is no run 9"),
        (("--plot", "runs.pdf"), 2, "ends in .png or .svg"),
        (("--plot", "/nowhere/runs.png"), 6, "cannot be written"),
    ],
)
def test_what_cannot_be_shown_is_told(built: Path, words: tuple[str, ...], code: int, told: str) -> None:
    found = (
        run("runs", *words, "--project", built) if words[0] == "compare" else run("runs", "--project", built, *words)
    )
    assert (found.exit_code, told in found.stderr) == (code, True)


def test_nothing_built_is_nothing_listed(tmp_path: Path) -> None:
    assert "nothing was built here yet" in run("runs", "--project", tmp_path).stdout
    assert not (tmp_path / FILE).exists(), "asking makes no file"
    with pytest.raises(UsageError, match="nothing was built here yet"):
        Store(tmp_path).get(1)


def test_a_damaged_store_is_named_and_costs_no_build(built: Path, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database, but long enough to be looked at" * 100)
    with pytest.raises(StateError, match=r"runs\.sqlite"):
        Store(tmp_path).all()


def test_mlflow_has_the_parameters_metrics_gates_and_artefacts(built: Path) -> None:
    client = mlflow.MlflowClient(tracking_uri=(built / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("tried")
    assert experiment is not None
    runs = sorted(client.search_runs([experiment.experiment_id]), key=lambda found: found.info.start_time)
    assert [found.info.status for found in runs] == ["FINISHED", "FAILED", "FAILED"]
    first = runs[0]
    assert first.data.metrics["roc_auc.holdout"] == pytest.approx(Store(built).get(1).metrics["roc_auc"].holdout)
    assert first.data.params["histgradientboostingclassifier__max_iter"] == "20"
    assert first.data.tags["gate.beats a guess"] == "passed"
    assert runs[1].data.tags["hakobu.failed"] == "roc_auc"
    names = {found.path for found in client.list_artifacts(first.info.run_id)}
    assert {"machines-1.2.3.hako", "machines-1.2.3.html", "run.json"} <= names


def test_a_tracking_server_that_is_gone_costs_no_build(
    built: Path, project: Path, tmp_path: Path, release_key: PrivateKey
) -> None:
    folder = shutil.copytree(project, tmp_path / "copy", ignore=shutil.ignore_patterns("dist", "__pycache__"))
    shutil.copytree(built / "keys", folder / "keys")
    toml = folder / "hakobu.toml"
    toml.write_text(f'{toml.read_text()}\n[runs]\ntracking = "nosuch://server"\n')
    told = run("build", folder)
    assert told.exit_code == 0
    assert "this build is not remembered: MLflow at nosuch://server does not take the run" in told.stderr
    assert (folder / "dist" / "machines-1.2.3.hako").exists()


def test_an_mlflow_model_scores_the_same_numbers(built: Path, tmp_path: Path) -> None:
    bundle, folder = built / "dist" / "machines-1.2.3.hako", tmp_path / "made"
    told = run("mlflow-model", bundle, "-o", folder)
    assert told.exit_code == 0, told.output
    frame = pd.read_csv(built / "data.csv", dtype={"hot": str, "line": str, "maker": str, "when": str}).head(200)
    columns = ["load", "shifts", "hot", "line", "maker", "when"]
    found = mlflow.pyfunc.load_model(str(folder)).predict(frame[columns])
    scorer = load(bundle, built / "keys" / "release.pub")
    cells = {name: [None if pd.isna(cell) else cell for cell in frame[name]] for name in columns}
    expected = scorer.score(cells)
    assert found["prediction"].tolist() == list(expected.predictions)
    assert expected.probabilities is not None
    assert found["p_yes"].tolist() == expected.probabilities[:, 1].tolist()
    assert found["verdict"].tolist() == list(expected.verdicts)
    again = run("mlflow-model", bundle, "-o", folder)
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)

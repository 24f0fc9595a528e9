"""The story of the README: the demo runs, and the commands that it prints do the same by hand."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arro3.io import read_parquet
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score

from hakobu_runtime.format.outcome import SCORE_EDGES

ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that the demo was run in, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        ["hakobu", "demo"], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder, done.stdout


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def test_the_demo_shows_gates_verdicts_reasons_drift_and_a_picture(told: tuple[Path, str]) -> None:
    folder, text = told
    assert text.count("passed") >= 12
    assert "28,698 flights scored offline" in text
    assert "is not one of the 95 categories seen in training (policy: reject)" in text
    assert "the highest seen in training (policy: warn)" in text
    assert "temp has drifted" in text
    assert (folder / "hakobu-demo" / "drift.png").read_bytes().startswith(b"\x89PNG")


def test_the_commands_by_hand_do_the_same(told: tuple[Path, str]) -> None:
    folder, text = told
    commands = [line.strip() for line in text.partition("in an empty folder:")[2].splitlines() if line.strip()]
    assert commands[-1] == "hakobu-run drift"
    script = "set -e\n" + "\n".join(commands[:-1]) + "\nhakobu-run drift || test $? = 3\n"
    done = run(folder, "bash", "-c", script)
    assert done.returncode == 0, done.stderr
    assert "temp has drifted" in done.stdout
    for month in ("04", "05", "06", "07"):
        ours, theirs = (
            folder / name / "scored" / f"2013-{month}.csv" for name in ("hakobu-demo", "hakobu-demo-by-hand")
        )
        assert ours.read_bytes() == theirs.read_bytes()


def test_every_json_says_which_object_it_is(told: tuple[Path, str]) -> None:
    root = told[0] / "hakobu-demo"
    box = "dist/late-flights-1.0.0.hako"
    device = ("hakobu-run", "--state", "device")
    for command, schema in (
        (("hakobu", "inspect", box, "--json"), "hakobu.inspect/1"),
        ((*device, "verify", box, "--json"), "hakobu.verify/1"),
        ((*device, "status", "--json"), "hakobu.status/1"),
        ((*device, "trust", "list", "--json"), "hakobu.trust-list/1"),
        ((*device, "drift", "--json"), "hakobu.drift/1"),
        ((*device, "score", "live/2013-04.parquet", "-o", "again.csv", "--json"), "hakobu.score/1"),
    ):
        done = run(root, *command)
        assert json.loads(done.stdout)["schema"] == schema, done.stderr
        assert done.returncode == (3 if "drift" in command else 0)


def test_counts_lie_in_the_windows_of_the_flights_not_of_today(told: tuple[Path, str]) -> None:
    root = told[0] / "hakobu-demo"
    found = json.loads(run(root, "hakobu-run", "--state", "device", "status", "--json").stdout)
    assert (found["counted"][0]["first"], found["counted"][0]["last"]) == ("2013-04-01", "2013-07-31")


def test_labels_that_come_late_say_of_april_what_scikit_learn_says(told: tuple[Path, str], tmp_path: Path) -> None:
    root, state = told[0] / "hakobu-demo", tmp_path / "state"
    device = ("hakobu-run", "--state", str(state))
    for command in (
        (*device, "trust", "add", "keys/release.pub"),
        (*device, "install", "dist/late-flights-1.0.0.hako"),
        (*device, "keep", "--days", "90"),
        (*device, "score", "live/2013-04.parquet", "-o", str(tmp_path / "scored.csv")),
    ):
        assert run(root, *command).returncode == 0
    join = (*device, "outcomes", "answers/2013-04.parquet", "--id", "flight", "--json")
    done = run(root, *join)
    assert (done.returncode, done.stderr) == (0, "")
    told_of = json.loads(done.stdout)
    truths = read_parquet(root / "answers" / "2013-04.parquet").read_all()
    late = dict(zip(plain(truths["flight"]), plain(truths["late15"]), strict=True))
    with (tmp_path / "scored.csv").open(newline="") as file:
        scored = [row for row in csv.DictReader(file) if row["prediction"] and late[int(row["flight"])] is not None]
    came = [late[int(row["flight"])] for row in scored]
    odds = np.array([row["p_true"] for row in scored], dtype=np.float32)
    joined, (april,) = told_of["joined"], told_of["periods"]
    assert (joined["joined"], joined["labels"], april["start"]) == (len(scored), len(late), "2013-04")
    found = april["measures"]
    assert found["accuracy"]["value"] == accuracy_score(came, [row["prediction"] == "true" for row in scored])
    binned = np.digitize(odds, np.array(SCORE_EDGES, dtype=np.float32))
    assert found["roc_auc"]["value"] == pytest.approx(roc_auc_score(came, binned), abs=1e-12)
    assert found["roc_auc"]["value"] == pytest.approx(roc_auc_score(came, odds), abs=1e-3)
    assert found["brier"] == pytest.approx(brier_score_loss(came, odds), abs=1e-6)
    # April is worse than the hold-out of March by its rows, and by no more than days differ.
    assert [one["judgement"] for one in april["standings"]] == ["warn", "warn"]
    again = json.loads(run(root, *join).stdout)
    assert again["joined"]["unchanged"] == len(scored)
    assert again["periods"] == told_of["periods"]
    drift = run(root, *device, "drift")
    assert drift.returncode == 3
    assert "ROC AUC (95 %), hold-out 0.7" in drift.stdout


def plain(column: Any) -> list[Any]:
    """Return the cells of a column as Python's own values."""
    return [cell.as_py() for cell in column]

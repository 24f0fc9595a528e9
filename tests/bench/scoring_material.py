"""What the benchmark of scoring works on: seeded tables, and each model both as joblib and as a bundle.

Run as a program, so that the one that starts and weighs the others stays small: a child's peak memory is never less
than its parent's. `python tests/bench/scoring_material.py FOLDER ROWS MODEL...`; what is there already is not made
again.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from hakobu.pack.build import build
from hakobu.project import read_project
from hakobu.table import read_table
from hakobu.train import split_rows, train
from hakobu_runtime.format.validation import Outcome
from hakobu_runtime.trust import Keyring, Pin, PrivateKey
from scoring_places import MIXED, Place, table_path

SEED = 20261121
NUMBERS = [f"x{place:02}" for place in range(20)]
TEXTS = {f"c{place}": [f"kind-{place}-{code:02}" for code in range(4 + 4 * place)] for place in range(5)}
TRAINING_ROWS = 25_000
CHUNK = 500_000

PIPELINES = {
    "logistic": "make_pipeline(StandardScaler(), LogisticRegression())",
    "forest": "RandomForestClassifier(n_estimators=100, max_depth=10, random_state=0, n_jobs=1)",
    "boosting": "HistGradientBoostingClassifier(max_iter=200, early_stopping=False, random_state=0)",
    MIXED: "make_pipeline(ColumnTransformer([('n', StandardScaler(), NUMBERS), ('c', OneHotEncoder("
    "handle_unknown='ignore', sparse_output=False), TEXTS)]), LogisticRegression())",
}

PIPELINE = """\
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS, TEXTS = {numbers}, {texts}


def build():
    return {expression}
"""

# How far a forest of depth 10 runs ahead of its hold-out is not what is measured here.
PROJECT = """\
[model]
name = "bench-{name}"
version = "1.0.0"
task = "classification"

[data]
path = "train.csv"
target = "y"

[gates]
overfit_gap = 1.0

"""


def make_table(seed: int, rows: int, *, texts: bool) -> pd.DataFrame:
    """Return `rows` rows of 20 numbers with seven decimals, and five columns of text if `texts`."""
    draw = np.random.default_rng(seed)
    numbers = np.round(draw.standard_normal((rows, len(NUMBERS))), 7)
    frame = pd.DataFrame(numbers, columns=NUMBERS)
    for name, words in TEXTS.items() if texts else ():
        frame[name] = draw.choice(words, rows)
    return frame


def with_target(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with a class `y` that a linear model learns well and trees learn better."""
    values = frame[NUMBERS].to_numpy()
    slopes = np.linspace(1.5, -1.0, len(NUMBERS))
    score = values @ slopes + 1.5 * values[:, 0] * values[:, 1] + 2.0 * (values[:, 2] > 0.5)
    if "c0" in frame:
        score = score + (frame["c0"] == "kind-0-01").to_numpy()
    noise = np.random.default_rng(SEED + 1).logistic(size=len(frame))
    return frame.assign(y=(score + noise > 0).astype(np.int64))


def write_table(path: Path, rows: int) -> None:
    """Write `rows` rows without their target to `path`."""
    growing = path.with_suffix(".growing")
    with growing.open("w", encoding="utf-8", newline="") as file:
        for place, first in enumerate(range(0, rows, CHUNK)):
            part = make_table(SEED + 100 + place, min(CHUNK, rows - first), texts=False)
            part.to_csv(file, index=False, header=first == 0)
    growing.replace(path)


def make_model(place: Place) -> None:
    """Train the model, save it for scikit-learn and MLflow, build its bundle, and install that on a device."""
    shutil.rmtree(place.root, ignore_errors=True)  # what an interrupted run left
    place.root.mkdir(parents=True)
    mixed = place.name == MIXED
    with_target(make_table(SEED, TRAINING_ROWS, texts=mixed)).to_csv(place.root / "train.csv", index=False)
    texts = list(TEXTS) if mixed else []
    kinds = dict.fromkeys(NUMBERS, "number") | dict.fromkeys(texts, "category")
    features = "\n".join(f'[features.{name}]\nkind = "{kind}"\n' for name, kind in kinds.items())
    (place.root / "hakobu.toml").write_text(PROJECT.format(name=place.name) + features, encoding="utf-8")
    source = PIPELINE.format(numbers=NUMBERS, texts=texts, expression=PIPELINES[place.name])
    (place.root / "pipeline.py").write_text(source, encoding="utf-8")
    project = read_project(place.root)
    key = PrivateKey.generate()
    built = build(project, key)
    if built.path is None:
        sys.exit(f"{place.name}: {[gate for gate in built.gates if gate.outcome is Outcome.FAILED]}")
    built.path.replace(place.bundle)
    place.key.write_bytes(key.public.pem)
    place.onnx.write_bytes(_model_of(place, Keyring((Pin(key.public),))))
    place.rows.write_text(json.dumps(_ordinary_rows(texts=mixed)), encoding="utf-8")
    table = read_table(project)
    estimator = train(table, split_rows(table, project), project).estimator
    _save(place, estimator)
    for command in (["trust", "add", str(place.key)], ["install", str(place.bundle)]):
        device = [sys.executable, "-m", "hakobu_runtime", "--state", str(place.state), *command]
        subprocess.run(device, check=True, stdout=sys.stderr)


def _ordinary_rows(*, texts: bool) -> list[dict[str, Any]]:
    """Return 250 rows as dicts, every cell within what training has seen."""
    table = make_table(SEED + 2, 500, texts=texts)
    ordinary = table[(table[NUMBERS].abs() < 3).all(axis=1)].head(250)
    return [{str(name): cell for name, cell in row.items()} for row in ordinary.to_dict("records")]


def _model_of(place: Place, keyring: Keyring) -> bytes:
    from hakobu_runtime.bundle import open_bundle

    return open_bundle(place.bundle, keyring).model


def _save(place: Place, estimator: Any) -> None:
    joblib.dump(estimator, place.joblib)
    if importlib.util.find_spec("mlflow"):
        import mlflow.sklearn

        mlflow.sklearn.save_model(
            estimator, place.mlflow, serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba"
        )


def main(folder: Path, rows: int, models: list[str]) -> None:
    """Make what is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    if not table_path(folder, rows).exists():
        write_table(table_path(folder, rows), rows)
    for name in models:
        place = Place(folder, name)
        if not place.joblib.exists() or not (place.state / "slots.sqlite").exists():
            make_model(place)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])

"""Whole processes to hold ours against: `python tests/bench/scoring_peers.py ENGINE MODEL_FOLDER IN.csv OUT.csv`.

The peers do nothing but read, predict and write: no check, no verdict, no count. The floors are the single parts of
that work, each done alone; they print their own seconds, without the interpreter and the imports, as JSON. So do the
cold starts, from the import to the first score.
"""

import json
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from scoring_places import Place

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def scikit(place: Place, source: Path, target: Path) -> None:
    """Pandas and scikit-learn."""
    import joblib
    import pandas as pd

    model = joblib.load(place.joblib)
    odds = model.predict_proba(pd.read_csv(source))
    _write(model.classes_[odds.argmax(axis=1)], odds, target)


def onnx(place: Place, source: Path, target: Path) -> None:
    """Pandas and onnxruntime, with its default options."""
    import numpy as np
    import onnxruntime
    import pandas as pd

    session = onnxruntime.InferenceSession(place.onnx, providers=["CPUExecutionProvider"])
    numbers = pd.read_csv(source).to_numpy(dtype=np.float32)
    label, odds = session.run(None, {session.get_inputs()[0].name: numbers})
    _write(label, odds, target)


def mlflow(place: Place, source: Path, target: Path) -> None:
    """MLflow's pyfunc, saved so that it gives the probabilities."""
    import mlflow.pyfunc
    import pandas as pd

    odds = mlflow.pyfunc.load_model(str(place.mlflow)).predict(pd.read_csv(source))
    _write(odds.argmax(axis=1), odds, target)


def _write(label: Any, odds: Any, target: Path) -> None:
    import pandas as pd

    pd.DataFrame({"prediction": label, "p_0": odds[:, 0], "p_1": odds[:, 1]}).to_csv(target, index=False)


def floor_imports(place: Place, source: Path, target: Path) -> float:
    """The interpreter and what the command imports for a scoring; measured from outside, as a whole process."""
    started = perf_counter()
    import onnxruntime  # noqa: F401

    import hakobu_runtime.cli
    import hakobu_runtime.device.score
    import hakobu_runtime.rows.delimited  # noqa: F401

    return perf_counter() - started


def floor_read(place: Place, source: Path, target: Path) -> float:
    """Our reader alone, on one thread, into arrays."""
    from hakobu_runtime.rows.source import open_rows
    from hakobu_runtime.scorer.scorer import Scorer

    wanted = _scorer(place, Scorer).wanted()
    started = perf_counter()
    with open_rows(source, wanted) as rows:
        for _block in rows:
            pass
    return perf_counter() - started


def _scorer(place: Place, kind: Any) -> Any:
    from hakobu_runtime.bundle import open_bundle
    from hakobu_runtime.trust import Keyring, Pin, PublicKey

    key = PublicKey.from_pem(place.key.read_bytes(), str(place.key))
    bundle = open_bundle(place.bundle, Keyring((Pin(key),)))
    return kind(bundle.manifest, bundle.model)


def floor_infer(place: Place, source: Path, target: Path) -> float:
    """Raw onnxruntime on an array in memory, with its default options: all cores; the session's making is in it."""
    import numpy as np
    import onnxruntime

    numbers = np.random.default_rng(0).standard_normal((_rows(source), 20), dtype=np.float32)
    started = perf_counter()
    session = onnxruntime.InferenceSession(place.onnx, providers=["CPUExecutionProvider"])
    session.run(None, {session.get_inputs()[0].name: numbers})
    return perf_counter() - started


def floor_infer_one(place: Place, source: Path, target: Path) -> float:
    """Raw onnxruntime on an array in memory, on one thread."""
    import numpy as np
    import onnxruntime

    numbers = np.random.default_rng(0).standard_normal((_rows(source), 20), dtype=np.float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    started = perf_counter()
    session = onnxruntime.InferenceSession(place.onnx, options, providers=["CPUExecutionProvider"])
    session.run(None, {session.get_inputs()[0].name: numbers})
    return perf_counter() - started


def _rows(source: Path) -> int:
    return int(source.stem.rpartition("-")[2])


def floor_write(place: Place, source: Path, target: Path) -> float:
    """The bytes that ours writes, and their way to the disk."""
    content = place.output("ours").read_bytes()
    started = perf_counter()
    with target.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return perf_counter() - started


def cold_ours(place: Place, source: Path, target: Path) -> float:
    """From the import to one row's score."""
    started = perf_counter()
    from hakobu_runtime import load

    load(place.bundle, trust=place.key).score_one(_row())
    return perf_counter() - started


def cold_scikit(place: Place, source: Path, target: Path) -> float:
    """The same with pandas and scikit-learn."""
    started = perf_counter()
    import joblib
    import pandas as pd

    joblib.load(place.joblib).predict_proba(pd.DataFrame([_row()]))
    return perf_counter() - started


def cold_mlflow(place: Place, source: Path, target: Path) -> float:
    """The same with MLflow."""
    started = perf_counter()
    import mlflow.pyfunc
    import pandas as pd

    mlflow.pyfunc.load_model(str(place.mlflow)).predict(pd.DataFrame([_row()]))
    return perf_counter() - started


def _row() -> dict[str, float]:
    return {f"x{place:02}": place / 20 for place in range(20)}


ENGINES = {
    "scikit-learn": scikit,
    "onnxruntime": onnx,
    "mlflow": mlflow,
    "floor-imports": floor_imports,
    "floor-read": floor_read,
    "floor-infer": floor_infer,
    "floor-infer-one": floor_infer_one,
    "floor-write": floor_write,
    "cold-ours": cold_ours,
    "cold-scikit-learn": cold_scikit,
    "cold-mlflow": cold_mlflow,
}

if __name__ == "__main__":
    _root = Path(sys.argv[2])
    seconds = ENGINES[sys.argv[1]](Place(_root.parent, _root.name), Path(sys.argv[3]), Path(sys.argv[4]))
    print(json.dumps({"seconds": seconds}))

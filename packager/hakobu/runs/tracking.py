"""Builds in MLflow: parameters, metrics, gates and artefacts of each, on any tracking server.

Needs hakobu[mlflow].
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hakobu.runs.run import Ending, Run
from hakobu_runtime.errors import ToolError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.validation import Outcome

_LONGEST = 6000
"""Letters of a parameter's value that MLflow takes."""


def track(run: Run, artefacts: tuple[Path, ...], uri: str, experiment: str) -> str:
    """Put `run` and the files `artefacts` into MLflow at `uri`, and return the id that MLflow gave it.

    Raises ToolError when MLflow is not installed, or does not take it.
    """
    mlflow = library()
    with _asking(uri):
        client = mlflow.MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
        home = found.experiment_id if found is not None else client.create_experiment(experiment)
        title = f"{run.name} {run.version}"
        identity: str = client.create_run(home, run_name=title, tags=_tags(run)).info.run_id
        for key, value in {"seed": str(run.seed), **run.parameters}.items():
            client.log_param(identity, _key(key), value[:_LONGEST])
        for name, metric in run.metrics.items():
            client.log_metric(identity, f"{name}.train", metric.train)
            client.log_metric(identity, f"{name}.holdout", metric.holdout)
        client.log_text(identity, encode(run).decode(), "run.json")
        for path in artefacts:
            client.log_artifact(identity, str(path))
        client.set_terminated(identity, "FINISHED" if run.ending is Ending.BUILT else "FAILED")
        return identity


def library() -> Any:
    """Return mlflow; raise ToolError when it is not installed."""
    # It tells its makers how it is used, unless it is told not to.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    # A folder is a tracking URI like any other; MLflow asks whether that is meant.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    try:
        import mlflow
    except ImportError as error:
        raise ToolError("MLflow is not installed; install it: pip install 'hakobu[mlflow]'") from error
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    return mlflow


def _tags(run: Run) -> dict[str, str]:
    gates = {f"gate.{_key(gate.name)}": gate.outcome.value for gate in run.gates}
    failed = [gate.name for gate in run.gates if gate.outcome is Outcome.FAILED]
    known = {
        "hakobu.ending": run.ending.value,
        "hakobu.data": run.data,
        "hakobu.bundle": run.digest,
        "hakobu.failed": ", ".join(failed),
        "hakobu.error": run.error[:_LONGEST],
        "mlflow.source.git.commit": run.git.commit if run.git else "",
    }
    return {name: value for name, value in (known | gates).items() if value}


def _key(name: str) -> str:
    """Return `name` in the letters that MLflow takes."""
    return "".join(letter if letter.isalnum() or letter in "_-. /" else "_" for letter in name)[:250]


@contextmanager
def _asking(uri: str) -> Iterator[None]:
    """Turn what MLflow and the network say into words."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ToolError(
            f"MLflow at {uri} does not take the run: {words[:300]}; the build itself is done: look at [runs] tracking, "
            "or leave it out"
        ) from error

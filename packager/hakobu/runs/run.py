"""One build as it is remembered, whatever came of it."""

from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from math import isfinite
from typing import Any, Final, Literal

from hakobu.pack.build import Built
from hakobu.pack.origin import commit_of
from hakobu.project import Project
from hakobu_runtime.errors import HakobuError
from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.manifest import Commit, Metric
from hakobu_runtime.format.validation import Gate
from hakobu_runtime.version import __version__

SCHEMA: Final = "hakobu.run/1"


class Ending(StrEnum):
    """How a build ended."""

    BUILT = "built"
    STOPPED = "stopped"
    """By a gate."""
    BROKEN = "broken"
    """By an error of the project or its data."""


class Run(Value, frozen=True):
    """What went into a build, and what came out."""

    schema: Literal["hakobu.run/1"]
    name: str
    version: str
    started: str
    """ISO 8601 in UTC."""
    seconds: float
    ending: Ending
    project: str
    """The digest of `hakobu.toml`."""
    seed: int
    runtime: str
    git: Commit | None = None
    data: str = ""
    """The digest of the data file; "" when it was never read to the end."""
    split: str = ""
    parameters: dict[str, str] = {}
    """The settings of the pipeline, by name."""
    metric: str = ""
    """The one that the model is compared by; "" when the build did not come so far."""
    metrics: dict[str, Metric] = {}
    gates: tuple[Gate, ...] = ()
    bundle: str = ""
    """The path of the bundle, from the project's folder; "" when none was written."""
    digest: str = ""
    champion: str = ""
    error: str = ""


def run_of(project: Project, built: Built | HakobuError, started: datetime, seconds: float) -> Run:
    """Return what is remembered of a build that ended with `built`, or with an error."""
    model = project.file.model
    known: dict[str, Any] = {
        "schema": SCHEMA,
        "name": model.name,
        "version": model.version,
        "started": started.astimezone(UTC).isoformat(" ", "seconds"),
        "seconds": round(seconds, 3),
        "project": sha256(project.source).hexdigest(),
        "seed": model.seed,
        "runtime": __version__,
        "git": commit_of(project),
    }
    if isinstance(built, HakobuError):
        return Run(ending=Ending.BROKEN, error=str(built), **known)
    rival = built.evidence.rival
    found = {name: metric for name, metric in built.metrics.items() if isfinite(metric.train + metric.holdout)}
    return Run(
        ending=Ending.BUILT if built.passed else Ending.STOPPED,
        data=built.data,
        split=built.split,
        parameters=built.parameters,
        metric=built.evidence.metric,
        metrics=found,
        gates=built.gates,
        bundle=str(built.path.relative_to(project.root)) if built.path else "",
        digest=sha256(built.path.read_bytes()).hexdigest() if built.path else "",
        champion=f"{rival.manifest.name} {rival.manifest.version}" if rival else "",
        **known,
    )

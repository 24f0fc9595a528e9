"""Remembering a build, whatever comes of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from hakobu.pack.build import Built
from hakobu.project import Project
from hakobu.runs.run import Run, run_of
from hakobu.runs.store import Store
from hakobu_runtime.errors import HakobuError

Warn = Callable[[str], None]
"""Hears one line about what a person should know."""


def remembered(project: Project, build: Callable[[], tuple[Built, Path]], warn: Warn) -> tuple[Built, Path]:
    """Return what `build` returns, a build and its report, and remember it; so is an error, which is raised again.

    A store that cannot be written is a warning: the build is what counts.
    """
    started, clock = datetime.now(UTC), perf_counter()
    try:
        built, report = build()
    except HakobuError as error:
        _keep(project, run_of(project, error, started, perf_counter() - clock), (), warn)
        raise
    artefacts = (built.path, report) if built.path else (report,)
    _keep(project, run_of(project, built, started, perf_counter() - clock), artefacts, warn)
    return built, report


def _keep(project: Project, run: Run, artefacts: tuple[Path, ...], warn: Warn) -> None:
    settings = project.file.runs
    try:
        Store(project.root).add(run)
        if settings.tracking:
            from hakobu.runs.tracking import track  # here, since MLflow takes seconds to load

            track(run, artefacts, settings.tracking, settings.experiment or project.file.model.name)
    except HakobuError as error:
        warn(f"this build is not remembered: {error}")

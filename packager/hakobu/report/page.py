"""The report of a build: one page of HTML that holds all it needs, and asks nothing of the network."""

from pathlib import Path

from hakobu.pack.build import Built
from hakobu.report.facts import facts, tiles, verdict_of
from hakobu.report.rendering import render
from hakobu.report.view import view_of
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import ProjectError


def report_path(built: Built) -> Path:
    """Return where the report goes: beside the bundle, or to `reports/` where there is none.

    What is in `dist/` has passed every gate: whoever carries that folder on need not look twice.
    """
    bundle = built.project.bundle_path
    if built.passed:
        return bundle.with_name(f"{bundle.name.removesuffix('.hako')}.html")
    return built.project.root / "reports" / f"{bundle.name.removesuffix('.hako')}-failed.html"


def write_report(built: Built) -> Path:
    """Write the report of `built` and return its path; raise ProjectError where it cannot be written."""
    path = report_path(built)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, page(built).encode())
    except OSError as error:
        raise ProjectError(f"{path}: the report cannot be written: {error.strerror}") from error
    return path


def page(built: Built) -> str:
    """Return the page; the same build gives the same page, but for the section of latency."""
    return render(
        "page.html.jinja",
        model=built.project.file.model,
        target=built.project.file.data.target,
        verdict=verdict_of(built),
        tiles=tuple(tiles(built)),
        view=view_of(built),
        facts=tuple(facts(built)),
        packages=built.evidence.provenance.packages if built.evidence.provenance is not None else {},
        parameters=built.parameters,
    )

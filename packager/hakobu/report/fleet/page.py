"""The page about a fleet's drift: HTML that holds all it needs, and asks nothing of the network."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from hakobu.fleet.judging import Judged
from hakobu.report.fleet.view import section_of
from hakobu.report.rendering import render
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import UsageError


def write_page(found: Sequence[Judged], last: int, now: datetime, path: Path) -> None:
    """Write the page about these bundles, by their last periods; raise UsageError where it cannot be written."""
    try:
        write_whole(path, page(found, last, now).encode())
    except OSError as error:
        raise UsageError(f"{path}: the page cannot be written: {error.strerror}; name another place") from error


def page(found: Sequence[Judged], last: int, now: datetime) -> str:
    """Return the page."""
    sections = tuple(section_of(one, last, number) for number, one in enumerate(found, 1))
    return render("fleet.html.jinja", sections=sections, made=f"{now:%Y-%m-%d %H:%M} UTC")

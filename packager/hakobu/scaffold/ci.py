"""`hakobu ci`: the pipeline that freezes a project's boxes on machines of each system."""

from collections.abc import Mapping
from pathlib import Path

from hakobu import __version__
from hakobu.resources import folder as shipped
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import ProjectError, UsageError

PIPELINES: Mapping[str, str] = {"github": ".github/workflows/freeze.yml", "gitlab": ".gitlab-ci.yml"}
"""Where each host looks for its pipelines."""


def write_ci(host: str, folder: Path) -> Path:
    """Write the pipeline for `host` into the repository at `folder`, and return its file; nothing is replaced.

    It takes the version of hakobu that wrote it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name the top of your repository with -o")
    path = folder / PIPELINES[host]
    if path.exists():
        raise UsageError(f"{path}: is there already; move it away, or add what `hakobu ci {host} -o OTHER` writes")
    template = (shipped("templates") / "ci" / f"{host}.yml").read_text(encoding="utf-8")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, template.replace("@VERSION@", __version__).encode())
    except OSError as error:
        raise ProjectError(f"{path}: cannot be written: {error.strerror}; name another folder with -o") from error
    return path

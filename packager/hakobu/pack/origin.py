"""Where the sources of a build come from: git's commit, and DVC's record of the data."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import yaml

from hakobu.pack.bring import model_path
from hakobu.project import FILE, Project
from hakobu_runtime.format.manifest import Commit, Tracked

_MADE = (":(exclude)dist", ":(exclude)reports", ":(exclude)runs.sqlite*")
"""What builds leave behind, which makes no commit dirty."""


def sources_of(project: Project) -> dict[str, str]:
    """Return the sha256 of `hakobu.toml`, of the pipeline's module or the model's file, and of what it imports of ours.

    By the path from the project's folder.
    """
    files = dict.fromkeys((model_path(project).resolve(), *_own_modules(project.root)))
    root = project.root.resolve()
    found = {FILE: sha256(project.source).hexdigest()}
    return found | {
        path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name: _digest(path) for path in files
    }


def digest_of(sources: Mapping[str, str]) -> str:
    """Return one sha256 for all `sources`."""
    return sha256("\n".join(f"{digest} {name}" for name, digest in sorted(sources.items())).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _own_modules(root: Path) -> list[Path]:
    """Return the files of the modules that were imported out of the project's folder, by path."""
    root = root.resolve()
    homes = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    paths = (Path(home) for home in homes if home)
    return sorted(path for path in paths if path.is_relative_to(root) and "site-packages" not in path.parts)


def commit_of(project: Project) -> Commit | None:
    """Return the commit that the project stands on, and whether something differs from it; None outside of git."""
    # A folder that merely lies somewhere below a repository is none of its business.
    head = _git(project.root, "rev-parse", "HEAD") if _git(project.root, "ls-files", "--", FILE) else ""
    if not head:
        return None
    changed = _git(project.root, "status", "--porcelain", "--untracked-files=normal", "--", ".", *_MADE)
    return Commit(head, dirty=bool(changed))


def _git(root: Path, *words: str) -> str:
    program = shutil.which("git")
    if program is None:
        return ""
    done = subprocess.run(
        [program, "-C", str(root), *words], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def tracked_data(project: Project) -> Tracked | None:
    """Return DVC's record of the data file: from the .dvc file beside it, or a dvc.lock above; None without one."""
    path = project.data_path.resolve()
    for record in (path.with_name(path.name + ".dvc"), *(folder / "dvc.lock" for folder in path.parents)):
        for out in _outs(record):
            if (record.parent / str(out.get("path", ""))).resolve() == path and out.get("md5"):
                return Tracked(record.name, str(out["md5"]), matches=str(out["md5"]) == _md5(path))
    return None


def _outs(record: Path) -> list[dict[str, Any]]:
    """Return the outputs that a file of DVC's lists; none where there is no such file, or it is none of DVC's."""
    try:
        read = yaml.safe_load(record.read_bytes())
    except (OSError, yaml.YAMLError):
        return []
    stages = [read, *_values(read, "stages")] if isinstance(read, dict) else []
    found = [out for stage in stages if isinstance(stage, dict) for out in stage.get("outs") or ()]
    return [out for out in found if isinstance(out, dict)]


def _values(read: dict[str, Any], name: str) -> list[Any]:
    inner = read.get(name)
    return list(inner.values()) if isinstance(inner, dict) else []


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "md5").hexdigest()

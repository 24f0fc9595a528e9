"""`hakobu ci`: the pipelines that build, judge, publish and freeze, in the words of each host."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from hakobu import __version__
from hakobu.pack.bring import model_path
from hakobu.project import FILE, read_project
from hakobu.resources import folder as shipped
from hakobu.scaffold.toml import text
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import ProjectError, UsageError

_DVC = "3.67.1"
"""The version that the pipelines were tried with."""
_STEPS = {"ci/steps.sh": "ci/steps.sh", "ci/alarm.py": "ci/alarm.py", "ci/constraints.txt": "constraints.txt"}
FILES: Mapping[str, Mapping[str, str]] = {
    "github": {
        ".github/workflows/freeze.yml": "ci/github/freeze.yml",
        ".github/workflows/train.yml": "ci/github/train.yml",
        ".github/workflows/steer.yml": "ci/github/steer.yml",
        **_STEPS,
    },
    "gitlab": {".gitlab-ci.yml": "ci/gitlab/.gitlab-ci.yml", **_STEPS},
    "gocd": {"train.gocd.yaml": "ci/gocd/train.gocd.yaml", **_STEPS},
    "dvc": {"dvc.yaml": "ci/dvc/dvc.yaml", "reports/.gitignore": "ci/dvc/reports.gitignore"},
}
"""What is written for each host: the place in the repository, and the template that it comes from."""


def write_ci(host: str, folder: Path) -> tuple[Path, ...]:
    """Write what `host` wants into the repository of the project in `folder`, and return the files; replace nothing.

    A file that is there with the same content, written for another host, may stay.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name the top of your repository with -o")
    contents = dict(_contents(host, folder))
    for path, content in contents.items():
        if path.exists() and (not path.is_file() or path.read_bytes() != content):
            raise UsageError(
                f"{path}: is there already; move it away, or add to it what `hakobu ci {host} -o OTHER` writes"
            )
    for path, content in contents.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
        except OSError as error:
            raise ProjectError(f"{path}: cannot be written: {error.strerror}; name another folder with -o") from error
    return tuple(contents)


def _contents(host: str, folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield each file with its content: the version of hakobu that writes it, and what the project says."""
    words = {"@VERSION@": __version__, "@DVC@": _DVC}
    if host in ("dvc", "gocd"):
        words |= _words(folder)
    for place, template in FILES[host].items():
        home, _, name = template.rpartition("/")
        content = (shipped("templates" if home else "build") / home / name).read_text(encoding="utf-8")
        for word, value in words.items():
            content = content.replace(word, value)
        yield folder / place, content.encode()


def _words(folder: Path) -> dict[str, str]:
    project = read_project(folder)
    model = model_path(project)
    return {
        "@NAME@": project.file.model.name,
        "@FILE@": FILE,
        # A string of JSON is one of YAML, too.
        "@DATA@": text(project.file.data.path),
        "@MODEL@": text(model.relative_to(project.root).as_posix()),
    }

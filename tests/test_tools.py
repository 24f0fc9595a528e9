"""The tools that keep the tree in order, run as tests so that one command says whether all is well."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("lint-imports",),
    ],
    ids=" ".join,
)
def test_the_tree_passes(command: tuple[str, ...]) -> None:
    tool, *arguments = command
    done = subprocess.run([str(TOOLS / tool), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_constraints_name_no_place() -> None:
    lines = (ROOT / "build" / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 40
    assert all("==" in pin and "/" not in pin and "@" not in pin for pin in pins)


def test_ci_runs_the_command_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    command = readme.partition("<!-- the tests -->\n```sh\n")[2].partition("\n```")[0]
    assert command.endswith(".venv/bin/pytest")
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == command

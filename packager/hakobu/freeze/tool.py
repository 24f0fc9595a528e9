"""Running another program: what it says is passed on, and its last lines told when it fails."""

import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hakobu_runtime.errors import ToolError

LAST_LINES = 12

Tell = Callable[[str], None]
"""Hears what is going on, a few words at a time."""


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would lead another Python to other packages than its own."""
    ours = ("PYTHON", "VIRTUAL_ENV", "CONDA_", "HAKOBU_", "_PYI_", "PYINSTALLER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def run(
    what: str, command: Sequence[object], environment: Mapping[str, str], folder: Path, *, heard: Tell, remedy: str
) -> None:
    """Run `command` in `folder`, each line that it says heard; raise ToolError with the last lines when it fails."""
    words = [str(word) for word in command]
    try:
        process = subprocess.Popen(
            words,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise ToolError(f"{what} cannot be started: {words[0]}: {error.strerror}; {remedy}") from error
    lines: deque[str] = deque(maxlen=LAST_LINES)
    with process:
        try:
            for line in process.stdout or ():
                if line.strip():
                    lines.append(line.rstrip())
                    heard(line.strip())
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        said = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
        raise ToolError(f"{what} failed with {process.returncode}; {remedy}. It said last:\n{said}")

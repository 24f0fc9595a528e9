"""Brings devices up to date in processes that are killed: `python killed_syncing.py JOB.json`, for the tests beside it.

A process that has everything imported forks a child for each try. The child ends itself with SIGKILL just before the
n-th thing that it does to a disk: opening, making, renaming, removing and syncing files, each statement of SQLite, and
each piece of a download. n counts up until a child comes through. After each kill the device scores, then it is brought
up to date again. Prints JSON: what `main` returns.
"""

import io
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from hakobu_runtime.device.arrival import Listener
from hakobu_runtime.device.score import Asked, score_command
from hakobu_runtime.device.state import State
from hakobu_runtime.device.sync import Asked as Wanted
from hakobu_runtime.device.sync import sync

# What a child would import by itself, each time.
for name in ("arro3.io", "onnxruntime", "backports.zstd", "hakobu_runtime.rows.delimited", "tempfile", "logging"):
    import_module(name)


class Deadly:
    """Counts what is done to a disk, and kills the process before the n-th."""

    def __init__(self, last: int) -> None:
        self._left = last

    def step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*given: Any, **named: Any) -> Any:
            self.step()
            return act(*given, **named)

        return stepped

    def arm(self) -> None:
        """Let this process die of what it does from now on."""
        for name in ("fsync", "replace", "rename", "unlink", "mkdir", "open", "rmdir"):
            setattr(os, name, self.before(getattr(os, name)))
        io.open = self.before(io.open)
        deadly = self

        class Connection(sqlite3.Connection):
            def execute(self, *given: Any) -> sqlite3.Cursor:
                deadly.step()
                return super().execute(*given)

        sqlite3.connect = partial(sqlite3.connect, factory=Connection)  # type: ignore[assignment]


def in_a_child(act: Callable[[], None]) -> int:
    """Do it in a child; return the code or, below 0, the signal that it ended with."""
    child = os.fork()
    if not child:
        code = 1
        try:
            act()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def surely(act: Callable[[], None]) -> None:
    """Do it in a child, which must come through."""
    if in_a_child(act):
        raise SystemExit("a step that nobody killed has failed")


def bring_up_to_date(state: State, now: datetime, deadly: Deadly | None = None) -> None:
    """Look once; may be killed."""
    if deadly:
        deadly.arm()
    step = deadly.step if deadly else lambda: None
    listener = Listener(advance=lambda done, size: step())
    for _ in sync(state, now, Wanted(), listener):
        pass


def score(state: State, table: Path, into: Path) -> None:
    """Score the table as a user would."""
    score_command(state.root, Asked((table,), into))


def main(job: dict[str, Any]) -> dict[str, Any]:
    """Walk all steps; return how many there were, and what the device scored after each, as one of the outputs."""
    folder, now = Path(job["folder"]), datetime.fromisoformat(job["now"])
    outputs = [Path(path).read_bytes() for path in job["outputs"]]
    scored: list[int] = []
    while True:
        state = State(Path(shutil.copytree(folder / "state", folder / "try")))
        deadly = Deadly(len(scored) + 1)
        code = in_a_child(lambda state=state, deadly=deadly: bring_up_to_date(state, now, deadly))  # type: ignore[misc]
        if code not in (0, -signal.SIGKILL):
            raise SystemExit(f"step {len(scored) + 1} ended with {code}")
        surely(lambda state=state: score(state, folder / "in.csv", folder / "out.csv"))  # type: ignore[misc]
        found = outputs.index((folder / "out.csv").read_bytes())
        surely(lambda state=state: bring_up_to_date(state, now))  # type: ignore[misc]
        surely(lambda state=state: score(state, folder / "in.csv", folder / "out.csv"))  # type: ignore[misc]
        if outputs.index((folder / "out.csv").read_bytes()) != 1:
            raise SystemExit(f"after step {len(scored) + 1} a second look does not complete it")
        left = sorted(str(path.relative_to(state.root)) for path in state.root.rglob("*") if path.is_file())
        shutil.rmtree(state.root)
        if code == 0:
            return {"steps": len(scored), "scored": scored, "left": left}
        scored.append(found)
        if left != job["left"] and job["left"]:
            raise SystemExit(f"step {len(scored)} leaves other files: {sorted(set(left) ^ set(job['left']))}")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))

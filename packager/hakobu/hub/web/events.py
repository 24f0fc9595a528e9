"""What happens at the hub, one JSON object on a line: for Vector, Fluentd, and whoever reads it."""

import os
import sys
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec

from hakobu.hub.web.settings import Clock
from hakobu_runtime.errors import StateError

SCHEMA: Final = "hakobu.event/1"
STDOUT: Final = Path("-")
_MODE = 0o640


class Events:
    """The log: lines are only ever added, whole, and never hold a secret.

    A file that logrotate moved away is begun anew. A line that cannot be written costs nothing else: it is counted.
    """

    def __init__(self, path: Path | None, clock: Clock) -> None:
        """`path` is None where nobody wants to know; raises StateError when the file cannot be written to."""
        self._lost = 0
        self._path, self._clock = path, clock
        self._lock = Lock()
        self._file = -1
        try:
            self._reopen()
        except OSError as error:
            raise StateError(
                f"{path}: events cannot be written there: {error.strerror}; name another file with --events"
            ) from error

    def write(self, kind: str, **fields: object) -> None:
        """Add one line: when, what kind of event, and what there is to say of it; what is None or "" is left out."""
        if self._path is None:
            return
        told = {name: value for name, value in fields.items() if value is not None and value != ""}
        time = self._clock().isoformat(timespec="milliseconds")
        line = msgspec.json.encode({"schema": SCHEMA, "time": time, "kind": kind, **told}, enc_hook=str) + b"\n"
        with self._lock:
            try:
                self._reopen()
                if os.write(self._file, line) != len(line):
                    self._lost += 1
            except OSError:
                self._lost += 1

    def pull_lost(self) -> int:
        """Return how many lines could not be written since this was asked the last time."""
        with self._lock:
            found, self._lost = self._lost, 0
            return found

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._file > 2:
                os.close(self._file)
            self._file = -1

    def _reopen(self) -> None:
        """Open the file where it is not, or where the one of its name is another now; raise OSError."""
        if self._path is None:
            return
        if self._path == STDOUT:
            self._file = sys.stdout.fileno()
            return
        if self._file >= 0:
            try:
                if os.path.samestat(os.fstat(self._file), self._path.stat()):
                    return
            except FileNotFoundError:
                pass
            os.close(self._file)
            self._file = -1
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)

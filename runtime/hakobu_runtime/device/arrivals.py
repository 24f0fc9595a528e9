"""Files that arrive in a folder: which are tables, and which have settled. By looking alone: so shares will do."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hakobu_runtime.rows.source import is_table


class Stamp(NamedTuple):
    """What changes while a file is written."""

    size: int
    modified: int

    @staticmethod
    def of(path: Path) -> "Stamp":
        """Return the stamp of the file at `path`."""
        found = path.stat()  # of the file itself: Windows tells the folder the size only when the file is closed
        return Stamp(found.st_size, found.st_mtime_ns)


class Arrivals:
    """The tables in a folder, and since when each has not changed."""

    def __init__(self, folder: Path, settle: float, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._settle = settle
        self._warn = warn
        self._seen: dict[str, tuple[Stamp, float]] = {}
        self._told: set[str] = set()

    def settled(self, now: float) -> tuple[str, ...]:
        """Look, at the time `now`; return the names of what has not changed for long enough, oldest first."""
        self._look(now)
        found = [(stamp.modified, name) for name, (stamp, since) in self._seen.items() if now - since >= self._settle]
        return tuple(name for _, name in sorted(found))

    def waiting(self) -> tuple[str, ...]:
        """Return the names of all tables that the last look found."""
        return tuple(self._seen)

    def _look(self, now: float) -> None:
        before, self._seen = self._seen, {}
        with os.scandir(self._folder) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        for name in names:
            if is_passing(name):
                continue
            path = self._folder / name
            if not is_table(path):
                self._leave(name)
                continue
            try:
                stamp = Stamp.of(path)
            except FileNotFoundError:
                continue
            earlier = before.get(name)
            self._seen[name] = earlier if earlier and earlier[0] == stamp else (stamp, now)

    def _leave(self, name: str) -> None:
        if name not in self._told:
            self._told.add(name)
            self._warn(
                f"{self._folder / name}: is left alone; its name says nothing about its format: csv, jsonl or parquet"
            )


def is_passing(name: str) -> bool:
    """Say whether a file of this name is hidden, or one that a program keeps beside the file it writes."""
    return name.startswith((".", "~$")) or name.lower().endswith((".partial", ".part", ".tmp", ".crdownload"))

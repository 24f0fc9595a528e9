"""A progress bar on stderr, when that is a terminal."""

import sys
from typing import Any

import click


class Progress:
    """A progress bar on stderr, when that is a terminal."""

    def __init__(self, label: str, length: int) -> None:
        self._bar = click.progressbar(length=length, label=label, file=sys.stderr, show_pos=False, width=24)
        self._length = length
        self._done = 0
        self._shown = sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        if self._shown:
            self._bar.__enter__()
        return self

    def __exit__(self, *problem: Any) -> None:
        if self._shown:
            self._bar.__exit__(*problem)

    def clear(self) -> None:
        """Wipe the bar's line, so that other output can stand there; the next step draws it again."""
        if self._shown:
            click.echo("\r\033[K", err=True, nl=False)

    def share(self, done: int, size: int | None, rows: int) -> None:
        """Show that `done` of `size` bytes, which were `rows` rows, are done; the length stands for the size."""
        if size:
            self.reach(self._length * done // size, f"scoring, {rows:,} rows")

    def reach(self, done: int, label: str | None = None) -> None:
        """Show that `done` of the length is done."""
        if self._shown:
            if label is not None:
                self._bar.label = label
            self._bar.update(max(0, done - self._done))
            self._done = max(done, self._done)

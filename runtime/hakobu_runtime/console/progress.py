"""A progress bar on stderr, when that is a terminal: how much is done, how fast, and how long it will take."""

import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

import click

_WIDTH = 16
_EVERY = 0.1
"""How many seconds lie between two drawings, at least."""
_LOOK_BACK = 10.0
"""Over how many seconds the pace is taken: one that was, of rows an earlier run did, say, is soon forgotten."""


class _Seen(NamedTuple):
    """What was done at a moment."""

    moment: float
    done: int
    rows: int


class Progress:
    """A progress bar on stderr, when that is a terminal and `quiet` is not asked for."""

    def __init__(self, label: str, length: int, *, quiet: bool = False) -> None:
        self._label = label
        self._length = length
        self._done = 0
        self._seen: deque[_Seen] = deque()
        self._drawn = 0.0
        self._latest: Callable[[], None] | None = None
        """Draws what came too soon after the last drawing."""
        self._shown = not quiet and sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        self._draw(_bar(0.0))
        return self

    def __exit__(self, *problem: Any) -> None:
        if self._latest is not None:
            self._latest()
        if self._shown:
            click.echo(file=sys.stderr)

    def clear(self) -> None:
        """Wipe the bar's line, so that other output can stand there; the next step draws it again."""
        if self._shown:
            click.echo("\r\033[K", file=sys.stderr, nl=False)
            self._drawn = 0.0

    def aside(self, say: Callable[[str], None]) -> Callable[[str], None]:
        """Return `say` for while the bar is shown."""

        def said(words: str) -> None:
            self.clear()
            say(words)

        return said

    def share(self, done: int, size: int | None, rows: int) -> None:
        """Show that `done` of `size` bytes (None: nobody knows), which were `rows` rows, are done, and the pace."""
        now = monotonic()
        if not self._shown:
            return
        self._latest = partial(self._pace, done, size, rows)
        if now - self._drawn >= _EVERY:
            self._latest()

    def _pace(self, done: int, size: int | None, rows: int) -> None:
        self._latest = None
        now = monotonic()
        self._seen.append(_Seen(now, done, rows))
        while now - self._seen[0].moment > _LOOK_BACK and len(self._seen) > 2:
            self._seen.popleft()
        first = self._seen[0]
        seconds = now - first.moment
        words = [f"{rows:,} rows"]
        if seconds > 0:
            words.append(f"{(rows - first.rows) / seconds:,.0f} rows/s")
        if size and seconds > 0 and done > first.done:
            words.append(f"{_clock((size - done) * seconds / (done - first.done))} left")
        self._draw((_bar(min(1.0, done / size)) + "  " if size else "") + ", ".join(words))

    def reach(self, done: int, label: str | None = None) -> None:
        """Show that `done` of the length is done."""
        if label is not None:
            self._label = label
        self._done = max(done, self._done)
        self._draw(_bar(self._done / max(1, self._length)))

    def _draw(self, words: str) -> None:
        if self._shown:
            self._drawn = monotonic()
            from shutil import get_terminal_size  # here, since it loads what packs files

            line = f"{self._label}  {words}"[: max(20, get_terminal_size().columns - 1)]
            click.echo(f"\r\033[K{line}", file=sys.stderr, nl=False)


def _bar(share: float) -> str:
    full = int(share * _WIDTH)
    return f"[{'#' * full}{'-' * (_WIDTH - full)}] {share:4.0%}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

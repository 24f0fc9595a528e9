"""Tables, bars and colours for a terminal."""

import os
from collections.abc import Sequence
from typing import Any

import click


def style(words: str, **looks: Any) -> str:
    """Return `words` with colours, unless NO_COLOR is set."""
    return words if os.environ.get("NO_COLOR") else click.style(words, **looks)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an aligned table; cells may hold colours."""
    every = [list(header), *(list(row) for row in rows)]
    widths = [max(len(click.unstyle(row[place])) for row in every) for place in range(len(header))]
    lines = []
    for row in every:
        cells = (cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def bar(share: float, width: int = 10) -> str:
    """Return a bar that fills `share` (0..1, cut off beyond) of `width` characters."""
    eighths = round(max(0.0, min(share, 1.0)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + " ▏▎▍▌▋▊▉"[rest].strip()).ljust(width)

"""A picture with what a reader needs beside it."""

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its title, the meaning of its colours, and a note."""

    title: str
    drawing: Markup
    legend: tuple[tuple[str, str], ...] = ()
    """The look of a mark, and what it stands for."""
    note: str = ""

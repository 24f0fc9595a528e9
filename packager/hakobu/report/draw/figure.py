"""Pictures and numbers with what a reader needs beside them."""

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


@dataclass(frozen=True, slots=True)
class Tile:
    """One number that is seen from afar."""

    label: str
    value: str
    note: str
    look: str = ""

"""Where the files that hakobu ships, and does not import, stand: in a wheel, or at the top of a checkout."""

from pathlib import Path

from hakobu_runtime.errors import ToolError


def folder(name: str) -> Path:
    """Return the folder `templates` or `build` of this installation."""
    here = Path(__file__).resolve().parent
    for place in (here / name, here.parents[1] / name):
        if place.is_dir():
            return place
    raise ToolError(f"this installation of hakobu lacks its folder '{name}': install it again")

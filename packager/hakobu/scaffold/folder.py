"""Making the folder of a new project: whole, or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hakobu.project import FILE
from hakobu_runtime.errors import ProjectError


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which becomes `folder` at the end; on any error nothing of it stays.

    Raises ProjectError when `folder` holds something already, or cannot be written.
    """
    try:
        check_free(folder)
        existed = folder.is_dir()
        place = folder if existed else folder.parent
        place.mkdir(parents=True, exist_ok=True)
        draft = place / f".hakobu-{secrets.token_hex(4)}"
        draft.mkdir()
        try:
            yield draft
            if existed:
                _move_up(draft, folder)
            else:
                draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        place = Path(error.filename) if isinstance(error.filename, str) else folder
        shown = folder if ".hakobu-" in str(place) else place
        raise ProjectError(f"{shown}: the project cannot be written: {error.strerror or error}") from error


def check_free(folder: Path) -> None:
    """Raise ProjectError unless a project can be made in `folder`: it is not there, or holds nothing."""
    if folder.is_dir():
        held = sorted(child.name for child in folder.iterdir())
        if held:
            more = f" and {len(held) - 3} more" if len(held) > 3 else ""
            names = ", ".join(held[:3]) + more
            raise ProjectError(f"{folder}: is not empty, it holds {names}; name a folder that is not there yet")
    elif folder.exists() or folder.is_symlink():
        raise ProjectError(f"{folder}: is a file; name a folder that is not there yet")


def _move_up(draft: Path, folder: Path) -> None:
    """Move what `draft` holds into `folder`, the project's own file last, since it makes a folder a project."""
    children = sorted(draft.iterdir(), key=lambda child: child.name == FILE)
    moved: list[Path] = []
    try:
        for child in children:
            moved.append(child.rename(folder / child.name))
    except OSError:
        for child in moved:
            with suppress(OSError):
                child.rename(draft / child.name)
        raise

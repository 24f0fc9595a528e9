"""`hakobu new`: a project from somebody's table, or from a template that is shipped."""

import re
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from hakobu.project import FILE, read_project
from hakobu.resources import folder as shipped
from hakobu.scaffold.draft import Draft, draft
from hakobu.scaffold.folder import check_free, new_folder
from hakobu.scaffold.roles import Roles
from hakobu.scaffold.source import Advance, read_source
from hakobu.scaffold.write import pipeline_file, project_file
from hakobu_runtime.errors import UsageError
from hakobu_runtime.format.manifest import NAME
from hakobu_runtime.rows.names import nearest
from hakobu_runtime.rows.source import Layout

DATA = "data"


@dataclass(frozen=True, slots=True)
class Asked:
    """What `hakobu new --from` was told."""

    table: Path
    roles: Roles
    layout: Layout


def new_from_table(folder: Path, asked: Asked, advance: Advance = lambda done, size: None) -> Draft:
    """Make a project in `folder` for the table, and return what it says; raise before anything is written.

    `advance` hears how many bytes of how many were read.
    """
    check_free(folder)
    found = draft(read_source(asked.table, asked.layout, asked.roles.names, advance), asked.roles)
    path = f"{DATA}/{_file_name(asked.table)}"
    templates = shipped("templates")
    template = (templates / "pipelines" / f"{found.target.task}.py.template").read_text(encoding="utf-8")
    with new_folder(folder) as place:
        shutil.copytree(templates / "project", place, dirs_exist_ok=True)
        (place / DATA).mkdir()
        shutil.copyfile(asked.table, place / path)
        _write(place / FILE, project_file(found, model_name(folder), path))
        _write(place / "pipeline.py", pipeline_file(found, template))
        read_project(place)
    return found


def new_from_template(folder: Path, name: str) -> None:
    """Make a project in `folder` from the shipped template `name`; raise UsageError naming those that there are."""
    templates = shipped("templates")
    known = sorted(path.parent.name for path in templates.glob(f"*/{FILE}"))
    if name not in known:
        close = nearest(name, known)
        hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(known)}"
        raise UsageError(f"there is no template '{name}'; {hint}")
    check_free(folder)
    with new_folder(folder) as place:
        for source in (templates / "project", templates / name):
            shutil.copytree(source, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        read_project(place)


def model_name(folder: Path) -> str:
    """Return a name for the model that is made from the folder's, and valid."""
    plain = unicodedata.normalize("NFKD", folder.resolve().name).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64].strip("-")
    return name if NAME.fullmatch(name) else "model"


def _file_name(table: Path) -> str:
    """Return the name of the table's copy: its own, unless that is no text that a file could hold."""
    try:
        table.name.encode()
    except UnicodeEncodeError:  # a name in another encoding than the file system's
        return f"table{table.suffix}"
    return table.name


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())

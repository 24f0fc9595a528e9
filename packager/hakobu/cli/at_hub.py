"""What the commands on a hub share: where it keeps what it knows, and the flags that say so."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click
from sqlalchemy import URL

from hakobu.hub.database import Database, open_database
from hakobu.hub.migrate import check, upgrade
from hakobu_runtime.errors import StateError

_FILE = "hub.sqlite"
_PATH = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Hub:
    """Where a hub keeps what it knows."""

    folder: Path
    url: str | None
    """Of its database; None for a file in the folder."""

    def database(self) -> Database:
        """Return its database; raise StateError when there is none, or it is of another version."""
        if self.url is None and not (self.folder / _FILE).exists():
            raise StateError(
                f"{self.folder}: there is no hub here yet; name its folder with --hub, or begin one: hakobu hub upgrade"
            )
        database = self._open()
        check(database)
        return database

    def begun(self) -> Database:
        """Return its database, made or brought up to date if need be."""
        database = self.placed()
        upgrade(database)
        return database

    def placed(self) -> Database:
        """Return its database, which may have no tables yet, or older ones; its folder is made if need be."""
        if self.url is None:
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _reserve(self.folder / _FILE)
            except OSError as error:
                raise StateError(
                    f"{self.folder}: cannot be made: {error.strerror}; name another one with --hub"
                ) from error
        return self._open()

    def _open(self) -> Database:
        return open_database(self.url or URL.create("sqlite", database=str(self.folder / _FILE)))


def _reserve(path: Path) -> None:
    """Make the file of a database so that its owner alone can read it, as it holds who may log in."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def at_hub(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags that say where the hub is, and pass what they say as `hub`."""

    @click.option(
        "--hub",
        "folder",
        type=_PATH,
        default="hub",
        envvar="HAKOBU_HUB",
        metavar="DIR",
        help="The hub (hub, HAKOBU_HUB).",
    )
    @click.option(
        "--database",
        "url",
        envvar="HAKOBU_HUB_DATABASE",
        metavar="URL",
        help="Its database, like postgresql://USER@HOST/NAME (DIR/hub.sqlite, HAKOBU_HUB_DATABASE).",
    )
    @wraps(command)
    def with_hub(*args: Any, folder: Path, url: str | None, **kwargs: Any) -> Any:
        return command(*args, hub=Hub(folder, url), **kwargs)

    return with_hub

"""The fixture `shown`: the fleet of hub_world in a hub's database, made once, and pages that somebody looks at."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import insert
from starlette.testclient import TestClient

from hakobu.hub import accounts, sessions
from hakobu.hub.database import Database, open_database
from hakobu.hub.migrate import upgrade
from hakobu.hub.tables import accounts as account_table
from hakobu.hub.web.app import create_app
from hakobu.hub.web.login import COOKIE
from hakobu.hub.web.settings import Settings
from hub_world import NOW, fill

OPERATOR, VIEWER = "sakura", "ren"


@dataclass(frozen=True)
class Visitor:
    """Somebody who is logged in, and looks at pages."""

    client: TestClient
    token: str
    csrf: str

    def get(self, page: str) -> Response:
        """Open a page."""
        return self.client.get(page)

    def send(self, form: str, values: dict[str, str], csrf: str | None = None) -> Response:
        """Send a form, by default with what it must hold."""
        return self.client.post(form, data={**values, "csrf": self.csrf if csrf is None else csrf})


_made: dict[Path, Path] = {}
"""Where the database is, by the folder of the test process: a fixture that two modules import is made twice."""


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The whole fleet, in a database that no test changes."""
    place = tmp_path_factory.getbasetemp()
    if place not in _made:
        path = tmp_path_factory.mktemp("shown") / "hub.sqlite"
        database = open_database(f"sqlite:///{path}")
        upgrade(database)
        fill(database, many=12, desks=2)
        database.engine.dispose()
        _made[place] = path
    database = open_database(f"sqlite:///{_made[place]}")
    yield database
    database.engine.dispose()


def log_in(database: Database, name: str = OPERATOR) -> tuple[str, str]:
    """Log somebody in, without the work of a password; return the token of the cookie, and what forms must hold."""
    with database.begin() as connection:
        account = accounts.find(connection, name)
        if account is None:
            row = {"name": name, "password": "-", "operator": name == OPERATOR, "made": NOW}
            connection.execute(insert(account_table).values(**row))
            account = accounts.needed(connection, name)
        return sessions.open(connection, account, NOW)


def settings_of(database: Database, **more: Any) -> Settings:
    """Return a hub's settings at the end of the story."""
    return Settings(database, clock=lambda: NOW, **more)


@contextmanager
def looked_at(database: Database, name: str = OPERATOR, **settings: Any) -> Iterator[Visitor]:
    """Look at the pages of a hub as the operator, or as somebody else."""
    token, csrf = log_in(database, name)
    app = create_app(settings_of(database, **settings))
    client = TestClient(app, "http://hub.test", follow_redirects=False, raise_server_exceptions=False)
    client.cookies.set(COOKIE, token)
    yield Visitor(client, token, csrf)
    client.close()


class Reader(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        """All that can be read."""
        return " ".join(" ".join(self.words).split())

    def values(self, tag: str, name: str) -> list[str]:
        """Return the values of an attribute."""
        return [value or "" for found, called, value in self.attributes if (found, called) == (tag, name)]

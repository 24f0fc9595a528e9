"""The fixture `sqlite`: a database of the hub's on SQLite alone, for what does not depend on the kind."""

from collections.abc import Iterator

import pytest

from hakobu.hub.database import Database
from postgres import Databases


@pytest.fixture(scope="session")
def _sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    return Databases(tmp_path_factory.mktemp("sqlite"), None)


@pytest.fixture
def sqlite(_sqlite_databases: Databases) -> Iterator[Database]:
    """A database of the hub with nothing in it, in a file."""
    yield _sqlite_databases.new()
    _sqlite_databases.close()

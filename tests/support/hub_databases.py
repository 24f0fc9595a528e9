"""The fixtures `databases` and `database`: the hub's, on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import pytest

from hakobu.hub.database import Database
from postgres import Databases, Postgres, postgres, programs


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One server a test process, started when the first test wants it."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: build/install-apt-packages.sh installs it")
    with postgres() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def _all_databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Databases:
    server = request.getfixturevalue("postgres_server") if request.param == "postgresql" else None
    return Databases(tmp_path_factory.mktemp("databases"), server)


@pytest.fixture
def databases(_all_databases: Databases) -> Iterator[Databases]:
    """Makes databases of the hub, each with its tables and nothing in them."""
    yield _all_databases
    _all_databases.close()


@pytest.fixture
def database(databases: Databases) -> Database:
    """A database of the hub with nothing in it."""
    return databases.new()

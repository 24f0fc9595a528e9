"""A hub's database comes to the tables of this version, whoever starts first; a newer one is left alone."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from hakobu.hub import migrations
from hakobu.hub.database import Database, open_database
from hakobu.hub.migrate import check, upgrade
from hakobu.hub.tables import metadata
from hakobu_runtime.errors import StateError, UsageError
from postgres import Databases

START = """\
import sys
from hakobu.hub.database import open_database
from hakobu.hub.migrate import upgrade
upgrade(open_database(sys.argv[1]))
"""


def test_the_migrations_lead_to_the_tables(database: Database) -> None:
    """If not: a new step in `migrations/versions` has to make the difference; released steps never change."""
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_new_database_is_made_and_an_old_one_left_as_it_is(databases: Databases) -> None:
    database = databases.new(empty=True)
    with pytest.raises(StateError, match="hakobu hub upgrade"):
        check(database)
    upgrade(database)
    check(database)
    with database.begin() as connection:
        connection.execute(text("INSERT INTO facts (name, value) VALUES ('a', 'b')"))
    upgrade(database)
    with database.read() as connection:
        assert connection.scalar(text("SELECT value FROM facts")) == "b"


def test_tables_of_a_newer_version_are_refused(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for act in (check, upgrade):
        with pytest.raises(StateError, match="newer hakobu"):
            act(database)


def test_two_that_start_at_once_both_succeed(databases: Databases) -> None:
    database = databases.new(empty=True)
    url = database.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    both = [
        subprocess.Popen([sys.executable, "-c", START, url], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [(process.returncode, words) for process, words in zip(both, said, strict=True)] == [(0, b"")] * 2
    check(database)


def test_a_broken_upgrade_leaves_nothing(databases: Databases) -> None:
    database = databases.new(empty=True)
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE windows (other INTEGER)"))
    with pytest.raises(StateError, match="windows"):
        upgrade(database)
    with database.read() as connection:
        names = set(inspect(connection).get_table_names())
    assert names == {"windows"}


def test_the_steps_have_one_end() -> None:
    steps = Path(migrations.__path__[0])
    assert len(ScriptDirectory(str(steps)).get_heads()) == 1


@pytest.mark.parametrize("url", ["mysql://root@here/hub", "hub.sqlite", ""])
def test_another_database_is_a_mistake(url: str) -> None:
    with pytest.raises(UsageError):
        open_database(url)


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "hub.sqlite").write_text("no database at all, but quite a few letters" * 40)
    with pytest.raises(StateError, match="the database refuses: file is not a database"):
        upgrade(open_database(f"sqlite:///{tmp_path}/hub.sqlite"))

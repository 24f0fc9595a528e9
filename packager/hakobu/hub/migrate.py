"""Bringing the hub's database to the tables of this version, step by step, whoever starts first."""

from alembic.command import upgrade as run_steps
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from hakobu.hub.database import Database
from hakobu_runtime.errors import StateError

_LOCK = 0x68616B6F
"""The number of PostgreSQL's lock that those who upgrade hold; any that nobody else in the database uses."""


def upgrade(database: Database) -> None:
    """Make the tables of this version in `database`, or bring older ones up to them; nothing where they are there.

    All of it or nothing; a second process waits for the first. Raises StateError when a newer hakobu made them.
    """
    with database.begin() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if _is_newest(connection, database.name):
            return
        config = _config()
        config.attributes["connection"] = connection
        run_steps(config, "head")


def check(database: Database) -> None:
    """Raise StateError unless `database` has the tables of this version."""
    with database.read() as connection:
        if not _is_newest(connection, database.name):
            raise StateError(
                f"{database.name}: is not made for this version of hakobu yet: run hakobu hub upgrade, after a backup "
                "if it holds something"
            )


def revisions() -> tuple[str, ...]:
    """Return the revisions of the tables that this version knows, newest first."""
    return tuple(step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions())


def _is_newest(connection: Connection, where: str) -> bool:
    """Say whether the tables are of this version; raise StateError when they are of a newer one."""
    current = MigrationContext.configure(connection).get_current_revision()
    script = ScriptDirectory.from_config(_config())
    if current is not None and current not in {step.revision for step in script.walk_revisions()}:
        raise StateError(f"{where}: was made by a newer hakobu (its tables are {current!r}): install that one here")
    return current == script.get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "hakobu.hub:migrations")
    # Nothing of the folder where a command runs is ever imported.
    config.set_main_option("path_separator", "os")
    return config

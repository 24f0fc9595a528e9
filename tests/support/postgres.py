"""A PostgreSQL of Debian's, started for the tests in a temporary folder, and empty databases in it.

It refuses to run as root: then it runs as the user `postgres`, whom Debian's package makes.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from signal import SIGQUIT
from tempfile import mkdtemp
from time import sleep
from typing import Any

from sqlalchemy import create_engine, delete

from hakobu.hub.database import Database, open_database
from hakobu.hub.migrate import upgrade
from hakobu.hub.tables import metadata

_USER = "postgres"
_NAMES = count(1)
_CLUSTER = ("-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8")
_HASTY = ("-c", "listen_addresses=", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
"""No test cuts the power."""


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest one's; None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


class Postgres:
    """A server that runs; it listens on a Unix socket alone, and ends with the process that started it."""

    def __init__(self, folder: Path, bin_: Path) -> None:
        """Make a cluster and start it. It sorts as people do, which the hub must not depend on."""
        self._folder, self._bin = folder, bin_
        self._log = (folder / "log").open("a+")
        made = subprocess.run(self._command("initdb", *_CLUSTER, *self._language()), **self._plain())
        assert made.returncode == 0, f"initdb failed: {(folder / 'log').read_text()}"
        self._server = subprocess.Popen(self._command("postgres", "-k", str(folder), *_HASTY), **self._plain())
        for _ in range(600):
            ready = subprocess.run(self._command("pg_isready", "-q", "-h", str(folder)), **self._plain())
            if ready.returncode == 0:
                return
            sleep(0.1)
        self.stop()
        raise AssertionError(f"the server does not start: {(folder / 'log').read_text()}")

    def stop(self) -> None:
        """Stop it, without waiting for anybody."""
        self._server.send_signal(SIGQUIT)
        self._server.wait(timeout=60)
        self._log.close()

    def url(self, name: str) -> str:
        """Return where the database `name` is."""
        return f"postgresql://{_USER}@/{name}?host={self._folder}"

    def make(self, name: str, template: str = "template0") -> str:
        """Make a database as a copy of another one, and return where it is."""
        engine = create_engine(self.url("postgres").replace("postgresql:", "postgresql+psycopg:"))
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        finally:
            engine.dispose()
        return self.url(name)

    def _language(self) -> tuple[str, ...]:
        said = subprocess.run([self._bin / "initdb", "--help"], capture_output=True, text=True, check=True)
        return ("--locale-provider=icu", "--icu-locale=en-US") if "--icu-locale" in said.stdout else ()

    def _command(self, program: str, *arguments: str) -> list[str]:
        user = [f"--reuid={_USER}", f"--regid={_USER}", "--init-groups"] if os.geteuid() == 0 else []
        return ["setpriv", *user, "--pdeathsig=QUIT", str(self._bin / program), *arguments]

    def _plain(self) -> dict[str, Any]:
        """Return how its programs are run."""
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PGDATA": str(self._folder / "data")}
        return {
            "cwd": self._folder,
            "env": environment,
            "stdin": subprocess.DEVNULL,
            "stdout": self._log,
            "stderr": self._log,
        }


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server; its folder has a short name, as that of a Unix socket must be."""
    bin_ = programs()
    assert bin_ is not None, "look at programs() before"
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a name that nobody can guess
    folder = Path(mkdtemp(prefix="hako-pg-", dir=memory if os.access(memory, os.W_OK) else None))
    if os.geteuid() == 0:
        shutil.chown(folder, _USER, _USER)
    try:
        server = Postgres(folder, bin_)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def emptied(database: Database) -> Database:
    """Take out all that is in a database but its tables, which is faster than to make another one."""
    with database.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
    return database


class Databases:
    """Empty databases of the hub's, of one kind: each with its tables, from a template."""

    def __init__(self, folder: Path, server: Postgres | None) -> None:
        self._folder, self._server = folder, server
        self._open: list[Database] = []
        self._template = self._make()
        upgrade(self._template)
        self._template.engine.dispose()

    def new(self, *, empty: bool = False) -> Database:
        """Return another one; without any tables if `empty`."""
        made = self._make() if empty else self._copy()
        self._open.append(made)
        return made

    def close(self) -> None:
        """Let go of those that were given out."""
        while self._open:
            self._open.pop().engine.dispose()

    def _make(self) -> Database:
        name = f"hub{next(_NAMES)}"
        url = f"sqlite:///{self._folder / name}.sqlite" if self._server is None else self._server.make(name)
        return open_database(url)

    def _copy(self) -> Database:
        name = f"hub{next(_NAMES)}"
        engine = self._template.engine
        if self._server is not None:
            return open_database(self._server.make(name, str(engine.url.database)))
        path = self._folder / f"{name}.sqlite"
        shutil.copy(str(engine.url.database), path)
        return open_database(f"sqlite:///{path}")

"""What the depot publishes becomes known: its releases are the bundles whose counts are taken."""

from pathlib import Path
from threading import Lock

from sqlalchemy import select

from hakobu.depot.depot import METADATA, open_depot
from hakobu.hub.bundles import add_depot
from hakobu.hub.database import Database
from hakobu.hub.tables import bundles
from hakobu.hub.web.events import Events
from hakobu.hub.web.settings import Clock
from hakobu_runtime.errors import HakobuError

_Mark = tuple[int, int, int]


class Releases:
    """Watches the depot's timestamp, which changes with whatever is published."""

    def __init__(self, database: Database, depot: Path | None, events: Events, clock: Clock) -> None:
        self._database, self._depot, self._events, self._clock = database, depot, events, clock
        self._lock = Lock()
        self._seen: _Mark | None = None
        self.trouble = ""
        """Why the depot could not be read the last time; "" when it could."""

    def look(self) -> bool:
        """Take in what was published since the last look, if anything; say whether something was.

        A depot that cannot be read is looked at once more the next time: somebody may be publishing.
        """
        if self._depot is None:
            return False
        with self._lock:
            mark = _mark(self._depot)
            if mark is not None and mark == self._seen:
                return False
            try:
                before = self._known()
                found = add_depot(self._database, open_depot(self._depot), self._clock())
            except HakobuError as error:
                self._complain(str(error))
                return False
            self._seen, self.trouble = mark, ""
            for digest, (model, version) in self._known().items() if found else ():
                if digest not in before:
                    self._events.write("release-seen", model=model, version=version, digest=digest)
            return found > 0

    def _known(self) -> dict[str, tuple[str, str]]:
        with self._database.read() as connection:
            rows = connection.execute(select(bundles.c.digest, bundles.c.model, bundles.c.version))
            return {row.digest: (row.model, row.version) for row in rows}

    def _complain(self, words: str) -> None:
        if words != self.trouble:
            self.trouble = words
            self._events.write("depot-unreadable", words=words)


def _mark(depot: Path) -> _Mark | None:
    try:
        found = (depot / METADATA / "timestamp.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns

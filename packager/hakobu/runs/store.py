"""The store of all builds beside a project: one SQLite file."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hakobu.runs.run import Run
from hakobu_runtime.database import Database
from hakobu_runtime.errors import FormatError, StateError, UsageError
from hakobu_runtime.format.codec import decode, encode

FILE = "runs.sqlite"

_TABLES = (
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, started TEXT NOT NULL, ending TEXT NOT NULL, packed BLOB NOT NULL)""",
)


class Store:
    """The remembered builds of a project, numbered from 1; several builds may end at the same time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def add(self, run: Run) -> int:
        """Remember `run`, on the disk when this returns, and return its number; raise StateError when it cannot be."""
        with self._open() as database, database.writing() as connection:
            row = (run.started, run.ending.value, encode(run))
            return int(
                connection.execute("INSERT INTO runs (started, ending, packed) VALUES (?, ?, ?)", row).lastrowid or 0
            )

    def all(self) -> dict[int, Run]:
        """Return every run by its number, the first one first; none where nothing was ever built."""
        if not self._path.exists():
            return {}
        with self._open() as database:
            return {
                int(number): self._run(number, packed)
                for number, packed in database.read("SELECT id, packed FROM runs ORDER BY id")
            }

    def get(self, number: int) -> Run:
        """Return run `number`; raise UsageError when there is none."""
        runs = self.all()
        if number not in runs:
            last = max(runs, default=0)
            known = f"there are 1 to {last}" if last else "nothing was built here yet"
            raise UsageError(f"there is no run {number} in {self._path}: {known}; 'hakobu runs' lists them")
        return runs[number]

    def _run(self, number: int, packed: bytes) -> Run:
        try:
            return decode(packed, Run, f"run {number}")
        except FormatError as error:
            raise StateError(f"{self._path}: {error}; move the file away, and a new one is begun") from error

    @contextmanager
    def _open(self) -> Iterator[Database]:
        anew = "a new one is begun with the next build"
        with closing(Database.open(self._path, [_TABLES], patience=30.0, anew=anew)) as database:
            yield database

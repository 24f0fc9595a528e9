"""The kept predictions of a device and the counts of their outcomes, in one SQLite file of their own.

How long a prediction lies there is counted in days on which something was kept or joined, as the journal counts what
lies unused, and not by the clock: one that jumps to 2099 for a moment must not throw away what waits for its label.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Self

from hakobu_runtime.database import Database
from hakobu_runtime.device.outcomes_part import Part, joined, pack, unpack
from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.outcome import SCHEMA, Outcome, OutcomeCounts, Subject
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal import outbox

MOST_ROWS = 10_000_000
"""How many predictions are kept at most, the oldest going first: some 140 MB."""

_SMALL = 2_048
"""Up to how many rows a part is gone on with, so that a program that keeps single rows leaves few parts."""

_STEPS = (
    (
        """CREATE TABLE models (
            id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL, subject TEXT NOT NULL,
            epoch TEXT NOT NULL)""",
        """CREATE TABLE parts (
            id INTEGER PRIMARY KEY, model INTEGER NOT NULL REFERENCES models (id), start TEXT NOT NULL,
            rows INTEGER NOT NULL, days INTEGER NOT NULL DEFAULT 0, packed BLOB NOT NULL)""",
        "CREATE INDEX parts_by_day ON parts (model, start, days, rows)",
        """CREATE TABLE outcomes (
            model INTEGER NOT NULL REFERENCES models (id), start TEXT NOT NULL, revision INTEGER NOT NULL,
            counts TEXT NOT NULL, PRIMARY KEY (model, start))""",
        "CREATE TABLE upkeep (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), day TEXT NOT NULL)",
    ),
    # As in the journal: the highest revision that came home, and what the last parcels carried.
    (
        "ALTER TABLE outcomes ADD COLUMN home INTEGER NOT NULL DEFAULT -1",
        "CREATE TABLE parcels (serial INTEGER PRIMARY KEY, digest TEXT NOT NULL, carried BLOB NOT NULL)",
    ),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much is kept of one model."""

    subject: Subject
    rows: int
    first: str
    """The first and the last day of it."""
    last: str


class Store:
    """An open store; several processes may use one at the same time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, path: Path, *, patience: float = 30.0) -> "Store":
        """Open the store at `path`, made when it is not there; raise StateError when it cannot be used."""
        anew = "a new one is made, and what was kept and joined until now is lost"
        return cls(Database.open(path, _STEPS, patience=patience, anew=anew))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._database.close()

    def keep(self, subject: Subject, found: Mapping[str, Sequence[Part]], days: int, now: datetime) -> None:
        """Keep the predictions of each day in `found`, on the disk when this returns; let go of those past `days`."""
        with self._database.writing() as connection:
            self._age(connection, days, now)
            model = _model(connection, subject)
            for start, parts in found.items():
                self._append(connection, model, start, joined(*parts))
            _bound(connection)

    def examine(self) -> None:
        """Read all of it; raise DamageError when anything of it cannot be read."""
        self._database.examine()
        self.waiting()
        self.outcomes()
        for (number,) in self._database.read("SELECT id FROM parts"):
            try:
                for (content,) in self._database.read("SELECT packed FROM parts WHERE id = ?", (number,)):
                    unpack(content)
            except FormatError as error:
                raise self._database.damaged(str(error)) from error

    def forget(self) -> int:
        """Overwrite every kept prediction, and return how many there were; the counts of outcomes stay."""
        with self._database.writing() as connection:
            connection.execute("PRAGMA secure_delete = ON")
            rows = int(connection.execute("SELECT coalesce(sum(rows), 0) FROM parts").fetchone()[0])
            connection.execute("DELETE FROM parts")
        return rows

    def waiting(self) -> tuple[Waiting, ...]:
        """Return how much is kept of each model that anything was kept of, the latest model last."""
        query = """SELECT subject, coalesce(sum(rows), 0), coalesce(min(start), ''), coalesce(max(start), '')
            FROM models LEFT JOIN parts ON parts.model = models.id GROUP BY models.id ORDER BY models.id"""
        rows = self._database.read(query)
        return tuple(Waiting(self._subject(content), *rest) for content, *rest in rows)

    def outcomes(self, device: str = "", *, unsent: bool = False) -> tuple[Outcome, ...]:
        """Return the counts of every model and day as `device` has to send them, by model and day.

        With `unsent`, of those alone that are not known to have come home as they are now.
        """
        query = """SELECT subject, epoch, start, revision, counts FROM outcomes JOIN models ON models.id = model
            WHERE revision > home OR NOT ? ORDER BY models.id, start"""
        found = []
        for content, epoch, start, revision, counts in self._database.read(query, (unsent,)):
            subject = self._subject(content)
            try:
                window, sums = Window(start, Span.DAY), decode(counts, OutcomeCounts, "the counts of outcomes")
                found.append(Outcome(SCHEMA, device, subject.model, window, revision, epoch, subject.unit, sums))
            except FormatError as error:
                raise self._database.damaged(str(error)) from error
        return tuple(found)

    def note_parcel(self, serial: int, digest: str, sent: Sequence[Outcome]) -> None:
        """Remember which outcomes the parcel with this serial and digest carries, before it goes out."""
        with self._database.writing() as connection:
            outbox.note(connection, serial, digest, sent)

    def settle(self, homes: Mapping[int, str]) -> int:
        """Heed that the parcels with these serials and digests came home; return how many days that settles."""
        command = """UPDATE outcomes SET home = ? WHERE start = ? AND home < ?
            AND model = (SELECT id FROM models WHERE epoch = ?)"""
        with self._database.writing() as connection:
            return sum(
                connection.execute(command, (one.revision, one.start, one.revision, one.epoch)).rowcount
                for one in outbox.arrived(connection, homes)
            )

    @contextmanager
    def joining(self, subject: Subject, days: int, now: datetime) -> Iterator["Joining"]:
        """Hold what is kept of one model until the block ends; then all that was joined is on the disk, or nothing."""
        with self._database.writing() as connection:
            self._age(connection, days, now)
            try:
                yield Joining(connection, _model(connection, subject))
            except FormatError as error:
                raise self._database.damaged(str(error)) from error

    def _append(self, connection: Connection, model: int, start: str, part: Part) -> None:
        query = "SELECT id, rows FROM parts WHERE model = ? AND start = ? AND days = 0 ORDER BY id DESC LIMIT 1"
        last = connection.execute(query, (model, start)).fetchone()
        if last is None or last[1] + len(part) > _SMALL:
            command = "INSERT INTO parts (model, start, rows, packed) VALUES (?, ?, ?, ?)"
            connection.execute(command, (model, start, len(part), pack(part)))
            return
        try:
            before = unpack(connection.execute("SELECT packed FROM parts WHERE id = ?", (last[0],)).fetchone()[0])
        except FormatError as error:
            raise self._database.damaged(str(error)) from error
        _rewrite(connection, last[0], joined(before, part))

    def _subject(self, content: str) -> Subject:
        try:
            return decode(content.encode(), Subject, "a model of the kept predictions")
        except FormatError as error:
            raise self._database.damaged(str(error)) from error

    @staticmethod
    def _age(connection: Connection, days: int, now: datetime) -> None:
        """Once a day, let everything be a day older, and go what is past `days`."""
        today = now.astimezone(UTC).date().isoformat()
        row = connection.execute("SELECT day FROM upkeep").fetchone()
        if row is not None and row[0] == today:
            return
        connection.execute("INSERT OR REPLACE INTO upkeep VALUES (1, ?)", (today,))
        connection.execute("UPDATE parts SET days = days + 1")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("DELETE FROM parts WHERE days > ?", (days,))


class Joining:
    """What is kept of one model, inside one transaction."""

    def __init__(self, connection: Connection, model: int) -> None:
        self._connection = connection
        self._model = model

    def parts(self) -> Iterator[tuple[int, str, Part]]:
        """Yield the number, the day and the predictions of each part, the latest first."""
        query = "SELECT id, start FROM parts WHERE model = ? ORDER BY id DESC"
        for number, start in self._connection.execute(query, (self._model,)).fetchall():
            row = self._connection.execute("SELECT packed FROM parts WHERE id = ?", (number,)).fetchone()
            yield number, start, unpack(row[0])

    def rewrite(self, number: int, part: Part) -> None:
        """Put `part` in the place of the one of this number."""
        _rewrite(self._connection, number, part)

    def settle(self, start: str, removed: OutcomeCounts, added: OutcomeCounts) -> None:
        """Take `removed` out of the counts of a day, and `added` in."""
        key = (self._model, start)
        row = self._connection.execute(
            "SELECT revision, counts FROM outcomes WHERE model = ? AND start = ?", key
        ).fetchone()
        revision, before = (
            (row[0], decode(row[1], OutcomeCounts, "the counts of outcomes")) if row else (0, OutcomeCounts())
        )
        counts = before.plus(added).minus(removed)
        command = """INSERT INTO outcomes (model, start, revision, counts) VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET revision = excluded.revision, counts = excluded.counts"""
        self._connection.execute(command, (*key, revision + 1, encode(counts).decode()))


def examine(path: Path, *, patience: float) -> None:
    """Read the whole store at `path`; raise DamageError when it is of no use."""
    with Store.open(path, patience=patience) as store:
        store.examine()


def _model(connection: Connection, subject: Subject) -> int:
    row = connection.execute("SELECT id FROM models WHERE digest = ?", (subject.model.digest,)).fetchone()
    if row is not None:
        return int(row[0])
    command = "INSERT INTO models (digest, name, subject, epoch) VALUES (?, ?, ?, lower(hex(randomblob(8))))"
    values = (subject.model.digest, subject.model.name, encode(subject).decode())
    return int(connection.execute(command, values).lastrowid or 0)


def _rewrite(connection: Connection, number: int, part: Part) -> None:
    connection.execute("UPDATE parts SET rows = ?, packed = ? WHERE id = ?", (len(part), pack(part), number))


def _bound(connection: Connection) -> None:
    """Let the oldest parts go while there are more rows than may be."""
    rows = connection.execute("SELECT coalesce(sum(rows), 0) FROM parts").fetchone()[0]
    while rows > MOST_ROWS:
        number, fewer = connection.execute("SELECT id, rows FROM parts ORDER BY days DESC, id LIMIT 1").fetchone()
        connection.execute("DELETE FROM parts WHERE id = ?", (number,))
        rows -= fewer

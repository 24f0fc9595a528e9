"""The journal: exact counts of what a device saw, by model and window, in one SQLite file that survives power cuts."""

from collections.abc import Mapping
from pathlib import Path
from sqlite3 import Connection
from typing import Self

from hakobu_runtime.database import Database
from hakobu_runtime.errors import FormatError, StateError
from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import SCHEMA, ModelName, Tally
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal.packed import LARGEST, check, holds_any, pack, unpack

VERSION = 1
"""The version of the tables below."""

_TABLES = (
    """CREATE TABLE models (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL,
        UNIQUE (digest, version, name))""",
    """CREATE TABLE windows (
        model INTEGER NOT NULL REFERENCES models (id), start TEXT NOT NULL, span TEXT NOT NULL, packed BLOB NOT NULL,
        PRIMARY KEY (model, start, span))""",
    """CREATE TABLE runs (
        key TEXT PRIMARY KEY, rows_done INTEGER NOT NULL, input_offset INTEGER NOT NULL, output_bytes INTEGER NOT NULL,
        state TEXT NOT NULL)""",
)

_ANEW = "a new one is made, and counting starts again"

_WINDOWS = """SELECT start, span, packed FROM windows JOIN models ON models.id = model
    WHERE digest = ? AND models.version = ? AND name = ?"""


class Progress(Value, frozen=True):
    """How far the scoring of a file has come."""

    rows_done: int
    input_offset: int
    output_bytes: int
    state: str = "{}"
    """JSON of whatever else the scoring needs to go on."""

    def __post_init__(self) -> None:
        numbers = (self.rows_done, self.input_offset, self.output_bytes)
        if not all(0 <= number <= LARGEST for number in numbers):
            raise FormatError(f"progress lies between 0 and 2^63 - 1, unlike {numbers}")


class Journal:
    """An open journal; several processes may add to one at the same time, and its threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, path: Path, *, patience: float = 30.0) -> "Journal":
        """Open the journal at `path`, a file made when it is not there, waiting `patience` seconds where it is locked.

        Every method raises StateError, which says what to do, when the file cannot be read or written, is damaged or
        stays locked; what was committed before is then still there.
        """
        return cls(Database.open(path, _TABLES, VERSION, patience=patience, anew=_ANEW))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add(self, model: ModelName, counts: Mapping[Window, WindowCounts]) -> None:
        """Add `counts` to the windows of `model`: all of them, on the disk when this returns, or none.

        Raises StateError also when counts are negative, do not fit int64, or are over other slots than those before.
        """
        with self._database.writing() as connection:
            self._add(connection, model, counts)

    def checkpoint(self, run: str, progress: Progress, model: ModelName, counts: Mapping[Window, WindowCounts]) -> None:
        """Add the counts of a file's next rows and note that `run` has come to `progress`: both, or neither.

        The rows counted must lie between the run's last checkpoint (or the file's beginning) and `progress`, so that a
        second process at work on the same run is refused with StateError before it counts the same rows again.
        """
        before = progress.rows_done - sum(found.rows for found in counts.values())
        with self._database.writing() as connection:
            row = connection.execute("SELECT rows_done FROM runs WHERE key = ?", (run,)).fetchone()
            if before not in (0, row[0] if row else 0):
                raise StateError(
                    f"{self._database.path}: {row[0] if row else 0} rows of this file are counted, and the next to "
                    f"count is row {before + 1}: another hakobu scores it at the same time; run the command again "
                    "when that has ended"
                )
            connection.execute(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)",
                (run, progress.rows_done, progress.input_offset, progress.output_bytes, progress.state),
            )
            self._add(connection, model, counts)

    def progress(self, run: str) -> Progress | None:
        """Return how far `run` has come; None when it has not begun, or is finished."""
        rows = self._database.read(
            "SELECT rows_done, input_offset, output_bytes, state FROM runs WHERE key = ?", (run,)
        )
        return Progress(*rows[0]) if rows else None

    def finish(self, run: str) -> None:
        """Forget the progress of `run`; its counts stay."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM runs WHERE key = ?", (run,))

    def models(self) -> tuple[ModelName, ...]:
        """Return the models that have counts, by name, version and digest."""
        rows = self._database.read("SELECT name, version, digest FROM models ORDER BY name, version, digest")
        try:
            return tuple(ModelName(str(name), str(version), str(digest)) for name, version, digest in rows)
        except FormatError as error:
            raise self._database.damaged(str(error)) from error

    def windows(self, model: ModelName) -> dict[Window, WindowCounts]:
        """Return the counts of each window of `model`, by start."""
        return {window: counts for window, (counts, _) in self._revised(model).items()}

    def total(self, model: ModelName) -> WindowCounts:
        """Return the sum of all windows of `model`."""
        total = WindowCounts()
        try:
            for counts in self.windows(model).values():
                total.add(counts)
        except FormatError as error:
            raise StateError(f"{self._database.path}: {error}") from error
        return total

    def tally(self, device: str, model: ModelName, window: Window) -> Tally:
        """Return what `device` has to send home about one window; raise StateError when it counted nothing there."""
        found = self._revised(model).get(window)
        if found is None:
            raise StateError(
                f"{self._database.path}: holds no counts of {model.name} {model.version} for {window.start}"
            )
        counts, revision = found
        return Tally(
            schema=SCHEMA,
            device=device,
            model=model,
            window=window,
            revision=revision,
            rows=counts.rows,
            verdicts=counts.verdicts,
            features={name: tuple(array.tolist()) for name, array in counts.features.items()},
            outputs={name: tuple(array.tolist()) for name, array in counts.outputs.items()},
            breaches=counts.breaches,
            latency=tuple(counts.latency.tolist()),
        )

    def _revised(self, model: ModelName) -> dict[Window, tuple[WindowCounts, int]]:
        rows = self._database.read(_WINDOWS, (model.digest, model.version, model.name))
        try:
            found = {Window(str(start), Span(str(span))): unpack(_blob(packed)) for start, span, packed in rows}
        except ValueError as error:  # FormatError is one
            raise self._database.damaged(str(error)) from error
        return dict(sorted(found.items(), key=lambda item: item[0].begins))

    def _add(self, connection: Connection, model: ModelName, counts: Mapping[Window, WindowCounts]) -> None:
        for window, more in counts.items():
            try:
                check(more)
            except FormatError as error:
                raise StateError(f"{self._database.path}: cannot take counts of {window.start} in: {error}") from error
            if holds_any(more):
                self._add_window(connection, _model_id(connection, model), window, more)

    def _add_window(self, connection: Connection, model: int, window: Window, more: WindowCounts) -> None:
        key = (model, window.start, window.span.value)
        query = "SELECT packed FROM windows WHERE model = ? AND start = ? AND span = ?"
        row = connection.execute(query, key).fetchone()
        counts, revision = WindowCounts(), 0
        if row is not None:
            try:
                counts, revision = unpack(_blob(row[0]))
            except FormatError as error:
                raise self._database.damaged(str(error)) from error
        try:
            counts.add(more)
            packed = pack(counts, revision + 1)
        except FormatError as error:
            raise StateError(f"{self._database.path}: window {window.start} is left as it was: {error}") from error
        connection.execute("INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?)", (*key, packed))


def _model_id(connection: Connection, model: ModelName) -> int:
    key = (model.name, model.version, model.digest)
    connection.execute("INSERT OR IGNORE INTO models (name, version, digest) VALUES (?, ?, ?)", key)
    query = "SELECT id FROM models WHERE name = ? AND version = ? AND digest = ?"
    return int(connection.execute(query, key).fetchone()[0])


def _blob(packed: object) -> bytes:
    if not isinstance(packed, bytes):
        raise FormatError("a window holds no counts")
    return packed

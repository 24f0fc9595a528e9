"""The journal: exact counts of what a device saw, by model and window, in one SQLite file that survives power cuts."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

from hakobu_runtime.database import Database
from hakobu_runtime.errors import DamageError, FormatError, StateError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Window
from hakobu_runtime.journal import outbox
from hakobu_runtime.journal.packed import check, holds_any
from hakobu_runtime.journal.progress import Progress as Progress
from hakobu_runtime.journal.rescue import Rescue
from hakobu_runtime.journal.tables import models_of, open_tables
from hakobu_runtime.journal.tallying import tally_of
from hakobu_runtime.journal.upkeep import Installed, due, keep_up
from hakobu_runtime.journal.windows import Lost, Windows, unpacked

T = TypeVar("T")

_TRIES = 3
"""How many damaged files in a row are set aside before it is said that counting is impossible."""

_WINDOWS = """SELECT start, span, packed FROM windows JOIN models ON models.id = model
    WHERE digest = ? AND models.version = ? AND name = ?"""


def _clock() -> datetime:
    return datetime.now(UTC)


class Journal:
    """An open journal; several processes may add to one at the same time, and its threads may share it."""

    def __init__(
        self,
        opened: Callable[[], Database],
        rescue: Rescue | None,
        installed: Installed | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._open = opened
        self._rescue = rescue
        self._installed = installed
        self._clock = clock
        self._kept_up = ""
        self._lock = threading.RLock()
        self._database = self._opened()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        patience: float = 30.0,
        rescue: Rescue | None = None,
        installed: Installed | None = None,
        clock: Callable[[], datetime] = _clock,
    ) -> "Journal":
        """Open the journal at `path`, a file made when it is not there, waiting `patience` seconds where it is locked.

        Every method raises StateError, which says what to do, when the file cannot be read or written or stays locked;
        what was committed before is then still there. A damaged file or window raises DamageError, or, with `rescue`,
        is set aside, and counting goes on. Old windows fold into longer ones by `clock`; with `installed`, the counts
        of other models that were not used for long go.
        """
        return cls(lambda: open_tables(path, patience), rescue, installed, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def add(self, model: ModelName, counts: Mapping[Window, WindowCounts]) -> None:
        """Add `counts` to the windows of `model`: all of them, on the disk when this returns, or none.

        What belongs to a window that was folded is added to the longer one. Raises StateError also when counts are
        negative, do not fit int64, or are over other slots than those before.
        """

        def act(database: Database, fresh: bool) -> None:
            with self._writing(database) as windows:
                _add(database, windows, model, counts)

        self._surely(act)

    def checkpoint(self, run: str, progress: Progress, model: ModelName, counts: Mapping[Window, WindowCounts]) -> None:
        """Add the counts of a file's next rows and note that `run` has come to `progress`: both, or neither.

        The rows counted must lie between the run's last checkpoint (or the file's beginning) and `progress`, so that a
        second process at work on the same run is refused with StateError before it counts the same rows again.
        """
        before = progress.rows_done - sum(found.rows for found in counts.values())

        def act(database: Database, fresh: bool) -> None:
            with self._writing(database) as windows:
                row = windows.connection.execute("SELECT rows_done FROM runs WHERE key = ?", (run,)).fetchone()
                unknown = fresh and row is None  # what was counted so far went with the file that was set aside
                if before not in (0, row[0] if row else 0) and not unknown:
                    raise StateError(
                        f"{database.path}: {row[0] if row else 0} rows of this file are counted, and the next to "
                        f"count is row {before + 1}: another hakobu scores it at the same time; run the command again "
                        "when that has ended"
                    )
                windows.connection.execute(
                    """INSERT OR REPLACE INTO runs (key, rows_done, input_offset, output_bytes, state)
                        VALUES (?, ?, ?, ?, ?)""",
                    (run, progress.rows_done, progress.input_offset, progress.output_bytes, progress.state),
                )
                _add(database, windows, model, counts)

        self._surely(act)

    def progress(self, run: str) -> Progress | None:
        """Return how far `run` has come; None when it has not begun, or is finished."""
        query = "SELECT rows_done, input_offset, output_bytes, state FROM runs WHERE key = ?"

        def act(database: Database, fresh: bool) -> Progress | None:
            rows = database.read(query, (run,))
            try:
                return Progress(*rows[0]) if rows else None
            except (FormatError, TypeError) as error:
                raise database.damaged(f"the progress of a run is none: {rows[0]}") from error

        return self._surely(act)

    def finish(self, *runs: str) -> None:
        """Forget the progress of all these runs, or of none if it raises; their counts stay."""

        def act(database: Database, fresh: bool) -> None:
            with self._writing(database) as windows:
                windows.connection.executemany("DELETE FROM runs WHERE key = ?", ((run,) for run in runs))

        self._surely(act)

    def models(self) -> tuple[ModelName, ...]:
        """Return the models that have counts, by name, version and digest."""
        return self._surely(lambda database, fresh: models_of(database))

    def lost(self) -> tuple[Lost, ...]:
        """Return the windows that were damaged and are counted no more, oldest first."""
        query = """SELECT name, models.version, digest, start FROM damaged JOIN models ON models.id = model
            ORDER BY start, name, models.version"""

        def act(database: Database, fresh: bool) -> tuple[Lost, ...]:
            try:
                return tuple(Lost(ModelName(*row[:3]), str(row[3])) for row in database.read(query))
            except FormatError as error:
                raise database.damaged(str(error)) from error

        return self._surely(act)

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
        return tally_of(device, model, self._epoch(model), window, found)

    def tallies(self, device: str, *, unsent: bool = False) -> tuple[Tally, ...]:
        """Return the tallies of all windows, or of those that are not known to have come home as they are now."""

        def act(database: Database, fresh: bool) -> tuple[Tally, ...]:
            try:
                return outbox.tallies(database, device, unsent=unsent)
            except FormatError as error:
                self._spare(database, error, models_of(database))
            return outbox.tallies(database, device, unsent=unsent)

        return self._surely(act)

    def note_parcel(self, serial: int, digest: str, tallies: Sequence[Tally]) -> None:
        """Remember which tallies the parcel with this serial and digest carries, before it goes out."""

        def act(database: Database, fresh: bool) -> None:
            if not fresh:  # else these are the counts of a journal that was set aside
                with self._writing(database) as windows:
                    outbox.note(windows.connection, serial, digest, tallies)

        self._surely(act)

    def settle(self, homes: Mapping[int, str]) -> int:
        """Heed that the parcels with these serials and digests came home; return how many windows that settles."""

        def act(database: Database, fresh: bool) -> int:
            with self._writing(database) as windows:
                return outbox.settle(windows.connection, homes)

        return self._surely(act)

    def _epoch(self, model: ModelName) -> str:
        query = "SELECT epoch FROM models WHERE digest = ? AND version = ? AND name = ?"
        values = (model.digest, model.version, model.name)
        return str(self._surely(lambda database, fresh: database.read(query, values))[0][0])

    def _revised(self, model: ModelName) -> dict[Window, tuple[WindowCounts, int]]:
        values = (model.digest, model.version, model.name)

        def act(database: Database, fresh: bool) -> dict[Window, tuple[WindowCounts, int]]:
            try:
                rows = [unpacked(*row) for row in database.read(_WINDOWS, values)]
            except FormatError as error:
                self._spare(database, error, (model,))
                rows = [unpacked(*row) for row in database.read(_WINDOWS, values)]
            return {window: (counts, revision) for window, counts, revision in rows}

        return dict(sorted(self._surely(act).items(), key=lambda item: item[0].begins))

    def _spare(self, database: Database, error: FormatError, models: Sequence[ModelName]) -> None:
        """Set the damaged windows of `models` aside; raise DamageError where that is not wanted."""
        if self._rescue is None:
            raise database.damaged(str(error)) from error
        with self._writing(database) as windows:
            for model in models:
                windows.set_damaged_aside(windows.model(model))

    def _surely(self, act: Callable[[Database, bool], T]) -> T:
        """Return what `act` returns, called again with a new database, and True, when the one at hand is of no use."""
        with self._lock:
            fresh = self._database.moved()  # by a person, or by another process that found it damaged
            if fresh:
                self._database.close()
                self._database = self._opened()
            for _ in range(_TRIES):
                try:
                    return act(self._database, fresh)
                except DamageError as error:
                    if self._rescue is None:
                        raise
                    self._database.close()
                    self._rescue.file(error)
                self._database = self._opened()
                fresh = True
            return act(self._database, fresh)

    def _opened(self) -> Database:
        if self._rescue is None:
            return self._open()
        try:
            with self._rescue.alone():
                return self._open()
        except DamageError as error:
            self._rescue.file(error)
        with self._rescue.alone():
            return self._open()

    @contextmanager
    def _writing(self, database: Database) -> Iterator[Windows]:
        """Hold the only writer's place until the block ends, after the upkeep where that is due."""
        now = self._clock().astimezone(UTC)
        today = now.date().isoformat()
        with database.writing() as connection:
            windows = Windows(connection, database.damaged, spare=self._rescue is not None)
            if today != self._kept_up and due(connection, today):
                keep_up(windows, now, self._installed)
            yield windows
        self._kept_up = today
        if self._rescue is not None:
            for lost in windows.lost:
                self._rescue.window(lost)


def _add(database: Database, windows: Windows, model: ModelName, counts: Mapping[Window, WindowCounts]) -> None:
    for window, more in counts.items():
        try:
            check(more)
        except FormatError as error:
            raise StateError(f"{database.path}: cannot take counts of {window.start} in: {error}") from error
        if holds_any(more):
            try:
                windows.add(windows.model(model), window, more)
            except FormatError as error:
                raise StateError(f"{database.path}: window {window.start} is left as it was: {error}") from error

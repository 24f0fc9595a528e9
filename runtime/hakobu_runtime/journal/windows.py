"""The windows of the journal as one transaction sees them: found, added to, folded, and set aside when damaged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from sqlite3 import Connection

from hakobu_runtime.errors import DamageError, FormatError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal.packed import pack, unpack

HOLDERS: dict[Span, tuple[tuple[Span, int], ...]] = {
    Span.HOUR: ((Span.MONTH, 7), (Span.DAY, 10)),
    Span.DAY: ((Span.MONTH, 7),),
}
"""The spans that may hold a window of each span, longest first, and how much of its name is theirs.

Weeks have no place here: they do not lie in months, and no device counts by them.
"""

_AGAIN = 1 << 32
"""Where the revisions of a window start again after its counts were damaged: above any that was sent before."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A window whose counts were damaged: set aside inside the journal, and counted no more."""

    model: ModelName
    start: str

    def words(self) -> str:
        """Return what happened, for a person."""
        return (
            f"the counts of {self.model.name} {self.model.version} for {self.start} were damaged: they are set aside, "
            "and counting goes on without them"
        )


class Windows:
    """The windows, inside one transaction."""

    def __init__(self, connection: Connection, damaged: Callable[[str], DamageError], *, spare: bool) -> None:
        self.connection = connection
        self.lost: list[Lost] = []
        """The windows that were set aside."""
        self._damaged = damaged
        self._spare = spare
        """Whether to set a damaged window aside and go on, instead of raising."""

    def model(self, name: ModelName) -> int:
        """Return the number of a model that is about to be counted."""
        key = (name.name, name.version, name.digest)
        query = "SELECT id, idle FROM models WHERE name = ? AND version = ? AND digest = ?"
        row = self.connection.execute(query, key).fetchone()
        if row is None:
            command = "INSERT INTO models (name, version, digest, epoch) VALUES (?, ?, ?, lower(hex(randomblob(8))))"
            return int(self.connection.execute(command, key).lastrowid or 0)
        if row[1]:
            self.connection.execute("UPDATE models SET idle = 0 WHERE id = ?", (row[0],))
        return int(row[0])

    def add(self, model: int, window: Window, more: WindowCounts) -> None:
        """Add `more` to `window`, or to the longer one that it was folded into; raise FormatError when it cannot."""
        row, start, span, packed = self._find(model, window)
        counts, revision = self._read(model, row, start, span, packed)
        counts.add(more)
        self._write(model, start, span, pack(counts, revision + 1))

    def fold(self, span: Span, before: str, into: Span) -> None:
        """Sum the windows of `span` that start before `before` into those of `into` that hold them."""
        query = "SELECT model, start, rowid FROM windows WHERE span = ? AND start < ? ORDER BY model, start"
        found = self.connection.execute(query, (span.value, before)).fetchall()
        length = dict(HOLDERS[span])[into]
        for (model, start), rows in groupby(found, lambda row: (row[0], str(row[1])[:length])):
            self._fold(model, start, into, [int(row[2]) for row in rows])

    def set_damaged_aside(self, model: int) -> None:
        """Set aside every window of `model` that cannot be read."""
        query = "SELECT rowid, start, span, packed FROM windows WHERE model = ?"
        for row, start, span, packed in self.connection.execute(query, (model,)).fetchall():
            try:
                unpacked(start, span, packed)
            except FormatError as error:
                self._set_aside(model, row, str(start), str(error))

    def _fold(self, model: int, start: str, into: Span, rows: list[int]) -> None:
        try:
            holder, longer, span, packed = self._find(model, Window(start, into))
            counts, revision = self._read(model, holder, longer, span, packed)
            for row, name, shorter, content in self._rows(rows):
                counts.add(self._read(model, row, name, shorter, content)[0])
            whole = pack(counts, revision + 1)
        except FormatError:
            return  # a name that is none, or a sum beyond int64: these windows stay as they are
        if counts.rows:
            self._write(model, longer, span, whole)
        self.connection.executemany("DELETE FROM windows WHERE rowid = ?", [(row,) for row in rows])

    def _rows(self, rows: list[int]) -> Iterator[tuple[int, str, str, object]]:
        for row in rows:
            found = self.connection.execute(
                "SELECT start, span, packed FROM windows WHERE rowid = ?", (row,)
            ).fetchone()
            yield row, str(found[0]), str(found[1]), found[2]

    def _find(self, model: int, window: Window) -> tuple[int | None, str, str, object]:
        """Return row, start, span and content of the longest window that is there and holds `window`, or of itself."""
        holders = [(window.start[:length], span.value) for span, length in HOLDERS.get(window.span, ())]
        query = "SELECT rowid, packed FROM windows WHERE model = ? AND start = ? AND span = ?"
        for start, span in (*holders, (window.start, window.span.value)):
            row = self.connection.execute(query, (model, start, span)).fetchone()
            if row is not None:
                return int(row[0]), start, span, row[1]
        return None, window.start, window.span.value, None

    def _read(self, model: int, row: int | None, start: str, span: str, packed: object) -> tuple[WindowCounts, int]:
        if row is None:
            return WindowCounts(), self._first_revision(model, start, span)
        try:
            return unpack(packed)
        except FormatError as error:
            self._set_aside(model, row, start, str(error))
            return WindowCounts(), self._first_revision(model, start, span)

    def _first_revision(self, model: int, start: str, span: str) -> int:
        query = "SELECT count(*) FROM damaged WHERE model = ? AND start = ? AND span = ?"
        return int(self.connection.execute(query, (model, start, span)).fetchone()[0]) * _AGAIN

    def _set_aside(self, model: int, row: int, start: str, what: str) -> None:
        if not self._spare:
            raise self._damaged(what)
        command = "INSERT INTO damaged SELECT model, start, span, packed FROM windows WHERE rowid = ?"
        self.connection.execute(command, (row,))
        self.connection.execute("DELETE FROM windows WHERE rowid = ?", (row,))
        name = self.connection.execute("SELECT name, version, digest FROM models WHERE id = ?", (model,)).fetchone()
        if name is None:
            raise self._damaged(f"{what}, and they belong to no model")
        try:
            self.lost.append(Lost(ModelName(*name), start))
        except FormatError as error:
            raise self._damaged(str(error)) from error

    def _write(self, model: int, start: str, span: str, packed: bytes) -> None:
        command = """INSERT INTO windows (model, start, span, packed) VALUES (?, ?, ?, ?)
            ON CONFLICT (model, start, span) DO UPDATE SET packed = excluded.packed"""
        self.connection.execute(command, (model, start, span, packed))


def unpacked(start: object, span: object, packed: object) -> tuple[Window, WindowCounts, int]:
    """Return what a row of the windows holds, with its revision; raise FormatError when it is damaged."""
    try:
        window = Window(str(start), Span(str(span)))
    except ValueError as error:  # FormatError is one
        raise FormatError(str(error)) from error
    return window, *unpack(packed)

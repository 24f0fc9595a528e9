"""What of the journal is not known to have come home, and which parcels carried it.

Nothing else is ever thrown away because it came home: a row with an old time of its own may still be counted into any
window, which then has to go on from the counts and the revision that it had, and `drift` looks back over a year. What
keeps the journal small is folding.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from sqlite3 import Connection
from typing import Protocol

import msgspec

from hakobu_runtime.database import Database
from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Window
from hakobu_runtime.journal.packed import unpack
from hakobu_runtime.journal.tallying import tally_of
from hakobu_runtime.journal.windows import unpacked

_QUERY = """SELECT name, models.version, digest, epoch, home, start, span, packed
    FROM windows JOIN models ON models.id = model ORDER BY start, name, models.version, digest"""


class Revised(Protocol):
    """What a parcel carries: the state of a window, at a revision."""

    @property
    def epoch(self) -> str:
        """Which beginning of the counts it is of."""

    @property
    def window(self) -> Window:
        """When."""

    @property
    def revision(self) -> int:
        """Upwards."""


class Carried(msgspec.Struct, frozen=True, array_like=True):
    """A window at the revision at which a parcel carried it."""

    epoch: str
    """Which is another one for each model, and each beginning of its counts."""
    start: str
    span: str
    revision: int


def tallies(database: Database, device: str, *, unsent: bool) -> tuple[Tally, ...]:
    """Return the tallies of `device`, or those that are not known to have come home as they are now, oldest first.

    Raises FormatError when a window is damaged.
    """
    found = []
    for name, version, digest, epoch, home, *rest in database.read(_QUERY):
        window, counts, revision = unpacked(*rest)
        if revision > home or not unsent:
            model = ModelName(str(name), str(version), str(digest))
            found.append(tally_of(device, model, str(epoch), window, (counts, revision)))
    return tuple(found)


def note(connection: Connection, serial: int, digest: str, sent: Sequence[Revised]) -> None:
    """Remember what the parcel of this serial and digest carries; forget the oldest such memory where there are many.

    What a forgotten one carried is sent once more, if no later one brought it home.
    """
    from hakobu_runtime.format.receipt import MOST_PARCELS  # here, since scoring goes without it

    carried = [Carried(one.epoch, one.window.start, one.window.span, one.revision) for one in sent]
    row = (serial, digest, zlib.compress(msgspec.msgpack.encode(carried)))
    connection.execute("INSERT OR REPLACE INTO parcels (serial, digest, carried) VALUES (?, ?, ?)", row)
    connection.execute(
        "DELETE FROM parcels WHERE serial NOT IN (SELECT serial FROM parcels ORDER BY serial DESC LIMIT ?)",
        (MOST_PARCELS,),
    )


def settle(connection: Connection, homes: Mapping[int, str]) -> int:
    """Heed that the parcels of these serials and digests came home; return how many windows need not go any more."""
    return sum(
        connection.execute(
            """UPDATE windows SET home = ? WHERE start = ? AND span = ? AND home < ?
                AND model = (SELECT id FROM models WHERE epoch = ?)""",
            (one.revision, one.start, one.span, one.revision, one.epoch),
        ).rowcount
        for one in arrived(connection, homes)
    )


def arrived(connection: Connection, homes: Mapping[int, str]) -> Iterator[Carried]:
    """Yield what the parcels of these serials and digests carried, and forget them."""
    for serial, digest, carried in connection.execute("SELECT serial, digest, carried FROM parcels").fetchall():
        if homes.get(serial) == digest:
            yield from _read(carried)
            connection.execute("DELETE FROM parcels WHERE serial = ?", (serial,))


def waits(connection: Connection, model: int) -> bool:
    """Say whether counts go home from here, and some of `model` (its number) are not known to have come there."""
    query = "SELECT EXISTS (SELECT 1 FROM parcels) OR EXISTS (SELECT 1 FROM windows WHERE home >= 0)"
    if not connection.execute(query).fetchone()[0]:
        return False
    windows = connection.execute("SELECT packed, home FROM windows WHERE model = ?", (model,))
    return any(_revision(packed) > home for packed, home in windows)


def _revision(packed: object) -> int:
    """Return the revision of a window; -1, which nobody waits for, when it is damaged."""
    try:
        return unpack(packed)[1]
    except FormatError:
        return -1


def _read(carried: bytes) -> list[Carried]:
    """Return what a parcel carried; nothing when that is damaged, so that it is sent once more."""
    try:
        return msgspec.msgpack.decode(zlib.decompress(carried), type=list[Carried])
    except (zlib.error, msgspec.DecodeError, TypeError):
        return []

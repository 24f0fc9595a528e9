"""What keeps the journal bounded, once a day: old windows fold into longer ones, and what nobody uses any more goes.

How long something lies unused is counted in days on which this journal was written to, not by the clock: a clock that
jumps to 2099 for a moment may fold windows early, which costs no count, but it must not throw anything away.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from sqlite3 import Connection

from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal.outbox import waits
from hakobu_runtime.journal.windows import Windows

HOURS_KEPT = timedelta(days=35)
"""So that a whole month, and the days before it, can be looked at by the hour."""

DAYS_KEPT = timedelta(days=400)
"""So that any week can be held against the same one a year ago."""

MODEL_REST = 730
"""Days of use after which the counts of a model go that was not scored with, and is no longer installed.

Two years: what was decided with a model is seldom asked about later, and until then it weighs 12 windows a year.
"""

RUN_REST = 30
"""Days of use after which a broken run that nobody went on with is forgotten; the same command then starts anew."""

Installed = Callable[[], Collection[str]]
"""Returns the digests of the bundles whose counts must stay."""


def due(connection: Connection, today: str) -> bool:
    """Say whether there was no upkeep today, and note that there is now."""
    row = connection.execute("SELECT day FROM upkeep").fetchone()
    if row is not None and row[0] == today:
        return False
    connection.execute("INSERT OR REPLACE INTO upkeep VALUES (1, ?)", (today,))
    return True


def keep_up(windows: Windows, now: datetime, installed: Installed | None) -> None:
    """Do the upkeep of one day; without `installed` the counts of no model go."""
    connection = windows.connection
    connection.execute("UPDATE models SET idle = idle + 1")
    connection.execute("UPDATE runs SET idle = idle + 1")
    connection.execute("DELETE FROM runs WHERE idle > ?", (RUN_REST,))
    if installed is not None:
        _prune(connection, installed)
    windows.fold(Span.HOUR, Window.of(now - HOURS_KEPT, Span.DAY).start, Span.DAY)
    windows.fold(Span.DAY, Window.of(now - DAYS_KEPT, Span.MONTH).start, Span.MONTH)


def _prune(connection: Connection, installed: Installed) -> None:
    """Forget the models that rested long enough and are not installed, with their counts.

    Where counts go home, those that are not known to be there stay.
    """
    query = "SELECT id, digest FROM models WHERE idle > ?"
    resting = connection.execute(query, (MODEL_REST,)).fetchall()
    if not resting:
        return
    stay = installed()
    gone = [(model,) for model, digest in resting if digest not in stay and not waits(connection, model)]
    for command in (
        "DELETE FROM windows WHERE model = ?",
        "DELETE FROM damaged WHERE model = ?",
        "DELETE FROM models WHERE id = ?",
    ):
        connection.executemany(command, gone)

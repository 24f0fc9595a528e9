"""The tables of the journal, and whether they are whole."""

from contextlib import closing
from pathlib import Path

from hakobu_runtime.database import Database
from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.tally import ModelName

_FIRST = (
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

_UPKEEP = (
    # Which beginning of a model's counts this is, and on how many days other things were counted but not it.
    "ALTER TABLE models ADD COLUMN epoch TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE models ADD COLUMN idle INTEGER NOT NULL DEFAULT 0",
    "UPDATE models SET epoch = lower(hex(randomblob(8)))",
    "ALTER TABLE runs ADD COLUMN idle INTEGER NOT NULL DEFAULT 0",
    # Windows whose counts cannot be read, as they were found.
    """CREATE TABLE damaged (
        model INTEGER NOT NULL REFERENCES models (id), start TEXT NOT NULL, span TEXT NOT NULL, packed BLOB NOT NULL
        )""",
    # The day of the last upkeep.
    "CREATE TABLE upkeep (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), day TEXT NOT NULL)",
)

_OUTBOX = (
    # The highest revision that is known to have come home.
    "ALTER TABLE windows ADD COLUMN home INTEGER NOT NULL DEFAULT -1",
    # The last parcels that went out, and what each carried.
    "CREATE TABLE parcels (serial INTEGER PRIMARY KEY, digest TEXT NOT NULL, carried BLOB NOT NULL)",
)

STEPS = (_FIRST, _UPKEEP, _OUTBOX)
"""The statements that bring a journal from each version to the next."""


def open_tables(path: Path, patience: float) -> Database:
    """Open the file of a journal, made when it is not there; raise StateError when it cannot be used."""
    return Database.open(path, STEPS, patience=patience, anew="a new one is made, and counting starts again")


def models_of(database: Database) -> tuple[ModelName, ...]:
    """Return the models that have counts, by name, version and digest; raise DamageError when one has no name."""
    rows = database.read("SELECT name, version, digest FROM models ORDER BY name, version, digest")
    try:
        return tuple(ModelName(str(name), str(version), str(digest)) for name, version, digest in rows)
    except FormatError as error:
        raise database.damaged(str(error)) from error


def examine(path: Path, *, patience: float) -> None:
    """Read the whole journal at `path`; raise DamageError when it is of no use (a damaged window is no reason)."""
    with closing(open_tables(path, patience)) as database:
        database.examine()
        models_of(database)
        for table in ("windows", "runs", "damaged", "upkeep", "parcels"):
            database.read(f"SELECT * FROM {table} LIMIT 1")  # noqa: S608 - the names stand one line above

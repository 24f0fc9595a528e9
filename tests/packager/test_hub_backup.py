"""A backup is the hub, in one file, for either database; what is not whole changes nothing."""

import gzip
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Boolean, Column, Integer, LargeBinary, delete, func, insert, select

from hakobu.hub import accounts, backup_file, migrate, outcome_totals, sessions, totals
from hakobu.hub.accounts import Cost
from hakobu.hub.backup import backup
from hakobu.hub.backup_file import kept
from hakobu.hub.bundles import add_bundle
from hakobu.hub.database import Database, open_database
from hakobu.hub.devices import enrol
from hakobu.hub.intake import Taken, take
from hakobu.hub.invites import make, use
from hakobu.hub.restore import restore
from hakobu.hub.tables import Moment, devices
from hakobu.hub.tables import sessions as logged_in
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import DamageError, StateError, UsageError
from hakobu_runtime.trust import Keyring
from hub_counts import NOW, outcome, parcel, pem_of, rows_of, tally
from postgres import Databases, Postgres

ONE, TWO = "device-1", "device-2"
GOOD = "correct horse battery"


@pytest.fixture
def tiny(tiny_box: Path, keyring: Keyring) -> Bundle:
    return open_bundle(tiny_box, keyring)


def fed(database: Database, bundle: Bundle) -> Database:
    """A hub with a bit of everything that comes by itself."""
    add_bundle(database, bundle, NOW, notes="for 工場 <b>1</b>")
    with database.begin() as connection:
        account = accounts.add(connection, "anna", GOOD, True, NOW, Cost(2, 1, 1))
        sessions.open(connection, account, NOW)
        make(connection, NOW, 7, "Halle 1")
        for name in (ONE, TWO):
            enrol(connection, name, pem_of(name), "Halle 1", NOW)
    for name in (ONE, TWO):
        tallies = (tally(name, bundle, start, 5) for start in ("2026-10", "2026-11-19", "2026-11-20T09"))
        take(database, parcel(name, 3, bundle, *tallies, outcomes=(outcome(name, bundle, "2026-11-19", 4),)), "it", NOW)
    return database


def lines(path: Path) -> list[Any]:
    return [msgspec.json.decode(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


# --- there and back ---


def test_what_is_restored_is_what_was_backed_up(databases: Databases, tiny: Bundle, tmp_path: Path) -> None:
    first, second = fed(databases.new(), tiny), databases.new(empty=True)
    saved = backup(first, tmp_path / "it.hub", NOW)
    restored = restore(second, saved.path, replace=False)
    assert rows_of(second) == rows_of(first)
    assert (restored.rows, restored.made) == (saved.rows, NOW.isoformat())
    assert (saved.rows["devices"], saved.rows["windows"], saved.rows["outcomes"]) == (2, 6, 2)
    assert saved.size == saved.path.stat().st_size
    totals.verify(second)
    outcome_totals.verify(second)
    backup(second, tmp_path / "again.hub", NOW)
    assert (tmp_path / "again.hub").read_bytes() == saved.path.read_bytes()


def test_a_restored_hub_goes_on(databases: Databases, tiny: Bundle, tmp_path: Path) -> None:
    second = databases.new(empty=True)
    backup(fed(databases.new(), tiny), tmp_path / "it.hub", NOW)
    restore(second, tmp_path / "it.hub", replace=False)
    with second.begin() as connection:  # with numbers of their own
        enrol(connection, "device-3", pem_of("device-3"), "", NOW)
        assert use(connection, make(connection, NOW, 7, "new"), NOW) == "new"
        assert accounts.check(connection, "anna", GOOD) is not None
    for name in (ONE, "device-3"):
        take(second, parcel(name, 4, tiny, tally(name, tiny, "2026-11-20T10", 9)), "it", NOW)
    totals.verify(second)
    outcome_totals.verify(second)


def test_nobody_stays_logged_in_by_a_backup(databases: Databases, tiny: Bundle, tmp_path: Path) -> None:
    first, second = fed(databases.new(), tiny), databases.new()
    backup(first, tmp_path / "it.hub", NOW)
    restore(second, tmp_path / "it.hub", replace=False)
    for database, many in ((first, 1), (second, 0)):
        with database.read() as connection:
            assert connection.execute(select(func.count()).select_from(logged_in)).scalar_one() == many


def test_a_backup_goes_from_one_kind_of_database_to_the_other(
    databases: Databases, tiny: Bundle, tmp_path: Path, postgres_server: Postgres
) -> None:
    first = fed(databases.new(), tiny)
    backup(first, tmp_path / "it.hub", NOW)
    if first.is_sqlite:
        second = open_database(postgres_server.make(f"other_{os.getpid()}"))
    else:
        second = open_database(f"sqlite:///{tmp_path / 'other.sqlite'}")
    try:
        restore(second, tmp_path / "it.hub", replace=False)
        assert rows_of(second) == rows_of(first)
        totals.verify(second)
        outcome_totals.verify(second)
    finally:
        second.engine.dispose()


def test_replacing_gives_up_all_that_was_there(databases: Databases, tiny: Bundle, tmp_path: Path) -> None:
    first, second = fed(databases.new(), tiny), databases.new()
    backup(second, tmp_path / "empty.hub", NOW)
    backup(first, tmp_path / "it.hub", NOW)
    with second.begin() as connection:
        enrol(connection, "device-9", pem_of(ONE), "", NOW)
    with pytest.raises(StateError, match=r"holds devices already.*--replace"):
        restore(second, tmp_path / "it.hub", replace=False)
    restore(second, tmp_path / "it.hub", replace=True)
    assert rows_of(second) == rows_of(first)
    restore(first, tmp_path / "empty.hub", replace=True)
    assert not any(rows_of(first).values())


# --- consistent, and whole ---


def test_what_comes_while_it_is_written_is_not_in_it_by_halves(
    databases: Databases, tiny: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = fed(databases.new(), tiny), databases.new()
    before = rows_of(first)
    written: list[Taken] = []

    def meanwhile(value: object) -> bytes:
        if isinstance(value, backup_file.Section) and value.table == "devices":  # others are written already
            written.append(take(first, parcel(ONE, 9, tiny, tally(ONE, tiny, "2026-11-20T09", 8, 2)), "it", NOW))
        return msgspec.json.encode(value) + b"\n"

    monkeypatch.setattr("hakobu.hub.backup._line", meanwhile)
    backup(first, tmp_path / "it.hub", NOW)
    assert written[0].windows == 1
    restore(second, tmp_path / "it.hub", replace=False)
    assert rows_of(second) == before
    totals.verify(second)
    outcome_totals.verify(second)


def test_only_its_owner_can_read_it(database: Database, tmp_path: Path) -> None:
    backup(database, tmp_path / "it.hub", NOW)
    assert (tmp_path / "it.hub").stat().st_mode & 0o077 == 0


def test_a_disk_that_is_full_leaves_the_former_backup(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "it.hub"
    backup(database, path, NOW)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match=r"it\.hub: cannot be written: No space left on device.*nothing was changed"):
        backup(database, path, NOW)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir() if "partial" in one.name] == []


def test_a_backup_takes_the_place_of_a_former_one_and_of_nothing_else(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "it.hub"
    for day in (1, 2):
        backup(database, path, datetime(2026, 1, day, tzinfo=UTC))
    assert lines(path)[0]["made"] == "2026-01-02T00:00:00+00:00"
    (tmp_path / "letter.txt").write_text("dear")
    (tmp_path / "other.gz").write_bytes(gzip.compress(b"dear"))
    for name in ("letter.txt", "other.gz", "."):
        with pytest.raises(UsageError, match="no backup"):
            backup(database, tmp_path / name, NOW)
    assert (tmp_path / "letter.txt").read_text() == "dear"
    with pytest.raises(StateError, match="cannot be written"):
        backup(database, tmp_path / "nowhere" / "it.hub", NOW)


# --- refused ---


def damaged(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what may become of a backup on its way."""
    plain = gzip.decompress(content)
    rows = plain.splitlines(keepends=True)
    yield "empty", b""
    yield "cut", content[: len(content) // 2]
    yield "without its end", content[:-1]
    yield "with a wrong bit", content[:200] + bytes([content[200] ^ 4]) + content[201:]
    yield "with something behind it", content + b"more"
    yield "twice", content + content
    yield "no gzip", plain
    yield "something else", gzip.compress(b'{"schema": "other"}\n')
    yield "without its last line", gzip.compress(b"".join(rows[:-1]))
    yield "without a row", gzip.compress(b"".join(row for row in rows if b'"anna"' not in row))
    yield "without a row that others speak of", gzip.compress(b"".join(row for row in rows if b"PUBLIC KEY" not in row))
    yield "with a row twice", gzip.compress(b"".join(row * (1 + (b'"anna"' in row)) for row in rows))
    yield "with another row", gzip.compress(plain.replace(b'"anna"', b'"boss"'))
    yield "rows of no table", gzip.compress(rows[0] + b"[1]\n" + rows[-1])
    yield "another table", gzip.compress(rows[0] + b'{"table":"sqlite_master","columns":[]}\n' + rows[-1])
    yield "another column", gzip.compress(rows[0] + b'{"table":"devices","columns":["id","x"]}\n' + rows[-1])
    for cells in (b'["1","x"]', b"[null,2]", b"[1]", b"[99999999999999999999]", b"[1", b'"\xff"'):
        section = b'{"table":"facts","columns":["name","value"]}\n'
        yield f"the row {cells!r}", gzip.compress(rows[0] + section + b"[" + cells + b"]\n" + rows[-1])


def test_a_damaged_backup_changes_nothing(databases: Databases, tiny: Bundle, tmp_path: Path) -> None:
    saved = backup(fed(databases.new(), tiny), tmp_path / "it.hub", NOW)
    second, path = databases.new(), tmp_path / "damaged.hub"
    with second.begin() as connection:
        enrol(connection, "device-9", pem_of(ONE), "", NOW)
    before = rows_of(second)
    for how, content in damaged(saved.path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(DamageError, match=r"damaged\.hub: is no whole backup of a hub .*nothing was changed"):
            restore(second, path, replace=True)
        assert rows_of(second) == before, how


def test_a_backup_of_a_newer_hakobu_is_refused(databases: Databases, tmp_path: Path) -> None:
    path = backup(databases.new(), tmp_path / "it.hub", NOW).path
    content = gzip.decompress(path.read_bytes()).replace(b'"revision":"', b'"revision":"9')
    path.write_bytes(gzip.compress(content))
    with pytest.raises(StateError, match=r"was written by hakobu .*install that one here"):
        restore(databases.new(), path, replace=False)


def test_a_backup_that_is_not_there_is_said_to_be_so(database: Database, tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"it\.hub: cannot be read: No such file"):
        restore(database, tmp_path / "it.hub", replace=False)


def test_a_column_that_an_older_backup_lacks_takes_its_default(databases: Databases, tmp_path: Path) -> None:
    path, second = tmp_path / "it.hub", databases.new()
    write(path, [{"table": "devices", "columns": ["id", "name", "key", "enrolled"]}, [7, ONE, "pem", 1_700_000_000]])
    restore(second, path, replace=False)
    with second.read() as connection:
        row = connection.execute(select(devices)).one()
    assert (row.id, row.enrolled.year, row.blocked, row.serial, row.seen) == (7, 2023, "", 0, None)
    write(path, [{"table": "devices", "columns": ["id", "name", "key"]}])
    with pytest.raises(DamageError, match="'enrolled' is missing"):
        restore(second, path, replace=True)


def write(path: Path, rows: list[Any]) -> None:
    """Write a backup that holds these lines, with a head and an end that fit."""
    head = {
        "schema": backup_file.SCHEMA,
        "made": NOW.isoformat(),
        "hakobu": "0.1.0",
        "revision": migrate.revisions()[-1],
    }
    content = b"".join(msgspec.json.encode(row) + b"\n" for row in [head, *rows])
    path.write_bytes(gzip.compress(content + msgspec.json.encode({"sha256": sha256(content).hexdigest()}) + b"\n"))


# --- whatever the tables hold ---

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6)
MOMENTS = st.integers(0, 2**33).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
NUMBERS = st.integers(-(2**63), 2**63 - 1)


def cells(column: Column[Any]) -> st.SearchStrategy[Any]:
    """Return what may stand in a column."""
    kinds: list[tuple[type[Any], st.SearchStrategy[Any]]] = [
        (Moment, MOMENTS), (Boolean, st.booleans()), (LargeBinary, st.binary(max_size=20)), (Integer, NUMBERS),
    ]  # fmt: skip
    kind = next((found for name, found in kinds if isinstance(column.type, name)), TEXT)
    return st.none() | kind if column.nullable else kind


FREE = [table for table in kept() if not table.foreign_keys]
ROWS = st.fixed_dictionaries(
    {
        table.name: st.lists(st.fixed_dictionaries({one.name: cells(one) for one in table.columns}), max_size=3)
        for table in FREE
    }
)


@pytest.fixture
def pair(databases: Databases) -> tuple[Database, Database]:
    return databases.new(), databases.new()


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_whatever_the_tables_hold_comes_back(
    pair: tuple[Database, Database], tmp_path: Path, rows: dict[str, list[dict[str, Any]]]
) -> None:
    first, second = pair
    with first.begin() as connection:
        for table in FREE:
            connection.execute(delete(table))
            for number, row in enumerate(rows[table.name]):  # the keys are made unique
                texts = {key: f"{number}{cell}" for key, cell in row.items() if isinstance(cell, str)}
                own = {"id": number + 1} if "id" in row else {}
                connection.execute(insert(table).values({**row, **texts, **own}))
    restore(second, backup(first, tmp_path / "it.hub", NOW).path, replace=True)
    assert rows_of(second) == rows_of(first)

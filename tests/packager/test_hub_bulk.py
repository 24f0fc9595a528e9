"""Many rows by their keys: found, taken away and put, without a look at the others."""

from typing import Any

from sqlalchemy import event, insert, select

from hakobu.hub import bulk
from hakobu.hub.database import Database
from hakobu.hub.tables import devices, parcels, totals
from hub_senders import NOW

KEYS = (parcels.c.device_id, parcels.c.serial)


def put(database: Database, many: int) -> None:
    device = {"name": "device-1", "key": "", "enrolled": NOW}
    rows = [{"device_id": 1, "serial": serial, "digest": f"{serial}", "received": NOW} for serial in range(1, many + 1)]
    with database.begin() as connection:
        connection.execute(insert(devices).values(id=1, **device))
        bulk.put(connection, parcels, rows)


def test_thousands_of_rows_are_found_and_taken_away(database: Database) -> None:
    put(database, 2_500)
    wanted = [(1, serial) for serial in range(1, 5_000, 2)]
    with database.begin() as connection:
        found = bulk.find(connection, (parcels.c.serial, parcels.c.received), KEYS, wanted)
        assert sorted(found) == [(serial, NOW) for serial in range(1, 2_500, 2)]
        bulk.remove(connection, parcels, KEYS, wanted)
        assert set(connection.scalars(select(parcels.c.serial))) == set(range(2, 2_501, 2))
        assert list(bulk.find(connection, KEYS, KEYS, [])) == []


def test_what_is_put_takes_the_place_of_what_is_there_or_is_left_out(database: Database) -> None:
    put(database, 3)
    with database.begin() as connection:
        row = {"device_id": 1, "received": NOW}
        bulk.put(connection, parcels, [{**row, "serial": 1, "digest": "a"}, {**row, "serial": 4, "digest": "d"}])
        bulk.put(connection, parcels, [{**row, "serial": 2, "digest": "b"}], replace=False)
        bulk.put(connection, parcels, [])
        found = connection.execute(select(parcels.c.serial, parcels.c.digest).order_by(parcels.c.serial)).all()
    assert [tuple(row) for row in found] == [(1, "a"), (2, "2"), (3, "3"), (4, "d")]


def test_any_text_can_be_a_key(database: Database) -> None:
    names = ["", "a'b", '"', "日本", "a,b", "{}", "\\", "NULL", "%s", ":x", "\u2028"]
    with database.begin() as connection:
        connection.exec_driver_sql("INSERT INTO bundles VALUES (1, '', '', '', 0, '', '', '', '')")
        rows: list[dict[str, Any]] = [
            {"bundle_id": 1, "group_name": name, "start": "2026-11", "rows": 1, "counts": b""} for name in names
        ]
        bulk.put(connection, totals, rows)
        columns = (totals.c.bundle_id, totals.c.group_name)
        found = bulk.find(connection, (totals.c.group_name,), columns, [(1, name) for name in names])
        assert sorted(row[0] for row in found) == sorted(names)


def test_no_database_looks_at_every_row(database: Database) -> None:
    """What takes long only once there are a million of them."""
    put(database, 1)
    plans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "DELETE")):
            word = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
            asked = connection.connection.cursor()
            asked.execute(f"{word} {statement}", parameters[0] if many else parameters)
            plans.append("\n".join(str(row) for row in asked.fetchall()))

    with database.begin() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")
        event.listen(connection, "before_cursor_execute", explain)
        list(bulk.find(connection, KEYS, KEYS, [(1, 1), (1, 2)]))
        bulk.remove(connection, parcels, KEYS, [(1, 1), (1, 2)])
    assert len(plans) == 2
    assert not any("SCAN parcels" in plan or "Seq Scan on parcels" in plan for plan in plans), plans

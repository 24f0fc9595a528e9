"""In whatever order and how often parcels come to a hub: it holds what `hakobu.fleet.merge` makes of all of them."""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.errors import SerializationFailure, UniqueViolation
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from hakobu.fleet.merge import merge, total
from hakobu.hub import devices, outcome_totals
from hakobu.hub.block import counts_of, unpack_row
from hakobu.hub.bundles import KnownBundle, add_bundle
from hakobu.hub.database import Database
from hakobu.hub.intake import Taken, take, take_many
from hakobu.hub.refusals import Refused
from hakobu.hub.tables import devices as devices_table
from hakobu.hub.tables import totals, windows
from hakobu.hub.totals import rebuild, series, verify
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.feature import Baseline, Categories, Feature, Kind, Missing, Policy, Range
from hakobu_runtime.format.histogram import CategoryBins, NumberBins
from hakobu_runtime.format.manifest import Manifest, Tensors
from hakobu_runtime.format.tally import Tally
from hakobu_runtime.format.window import Span
from hakobu_runtime.trust import Keyring
from hub_senders import NOW, Sender
from hub_world import flights
from postgres import Databases, emptied

HOURS = tuple(f"2026-0{month}-{day:02d}T{hour:02d}" for month in (3, 4) for day in (1, 9) for hour in (0, 9))
STARTS = (*HOURS, *sorted({hour[:10] for hour in HOURS}), "2026-03", "2026-04")

TALLIES = st.tuples(
    st.integers(0, 2),  # device
    st.sampled_from("ab"),  # epoch
    st.sampled_from(STARTS),
    st.integers(1, 4),  # revision
    st.sampled_from((0, 1, 7, 300, 70_000)),  # rows
    st.integers(0, 1),  # what they are
)
HISTORIES = st.lists(st.lists(TALLIES, max_size=6), max_size=12)


def plain(counts: WindowCounts) -> dict[str, Any]:
    """What is counted, without what is not."""
    return {
        "rows": counts.rows,
        "verdicts": {name: many for name, many in counts.verdicts.items() if many},
        "features": {name: found.tolist() for name, found in counts.features.items() if found.any()},
        "outputs": {name: found.tolist() for name, found in counts.outputs.items() if found.any()},
        "breaches": {
            name: {rule: many for rule, many in rules.items() if many} for name, rules in counts.breaches.items()
        },
        "latency": counts.latency.tolist(),
    }


def expected_totals(tallies: Iterable[Tally], groups: Mapping[str, str]) -> dict[tuple[str, str], dict[str, Any]]:
    """What the totals must be: by group and start."""
    parts: defaultdict[tuple[str, str], list[Tally]] = defaultdict(list)
    for tally in tallies:
        for length in (7, 10):
            if len(tally.window.start) >= length:
                parts[groups[tally.device], tally.window.start[:length]].append(tally)
    sums = {key: total(found) for key, found in parts.items()}
    return {key: plain(found) for key, found in sums.items() if found.rows}


def found_totals(database: Database, bundle: KnownBundle) -> dict[tuple[str, str], dict[str, Any]]:
    with database.read() as connection:
        return {
            (row.group_name, row.start): plain(counts_of(bundle.layout, unpack_row(row.counts, bundle.layout.size)))
            for row in connection.execute(select(totals))
        }


def found_windows(database: Database, bundle: KnownBundle) -> dict[tuple[str, str, str], tuple[int, dict[str, Any]]]:
    query = select(devices_table.c.name, windows).join(devices_table, devices_table.c.id == windows.c.device_id)
    with database.read() as connection:
        return {
            (row.name, row.epoch, row.start): (
                row.revision,
                plain(counts_of(bundle.layout, unpack_row(row.counts, bundle.layout.size))),
            )
            for row in connection.execute(query)
        }


@pytest.fixture
def tiny(tiny_box: Path, keyring: Keyring) -> Bundle:
    return open_bundle(tiny_box, keyring)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HISTORIES, st.integers(0, 99), st.integers(1, 5))
def test_the_hub_holds_what_the_merge_of_all_that_came_is(
    database: Database, tiny: Bundle, history: list[list[Any]], seed: int, size: int
) -> None:
    emptied(database)
    bundle, groups = add_bundle(database, tiny, NOW), {f"device-{number}": "ab"[number % 2] for number in range(3)}
    senders = [Sender.of(name, tiny).enrol(database, group) for name, group in groups.items()]
    parcels: list[tuple[str, bytes]] = []
    came: list[Tally] = []
    for number, tallies in enumerate(history):
        sender = senders[tallies[0][0] if tallies else 0]
        found = {
            (epoch, start): sender.tally(start, rows, revision, epoch, seed_)
            for _, epoch, start, revision, rows, seed_ in tallies
        }
        came.extend(found.values())
        parcels.append((str(number), sender.pack(*found.values())))
    rng = random.Random(seed)
    order = parcels + rng.choices(parcels, k=3) if parcels else []
    rng.shuffle(order)
    for at in range(0, len(order), size):
        batch = [(where, lambda content=content: content) for where, content in order[at : at + size]]
        assert all(isinstance(found, Taken) for found in take_many(database, batch, NOW))
    merged = merge(came)
    assert found_windows(database, bundle) == {
        (one.device, one.epoch, one.window.start): (one.revision, plain(total([one]))) for one in merged
    }
    assert found_totals(database, bundle) == expected_totals(merged, groups)
    verify(database)
    rebuild(database)
    verify(database)
    assert found_totals(database, bundle) == expected_totals(merged, groups)


def test_two_contents_of_one_revision_come_to_the_same_one_in_any_order(databases: Databases, tiny: Bundle) -> None:
    sender = Sender.of("device-1", tiny)
    same = [sender.tally("2026-03-01", 300, seed=seed) for seed in range(3)]
    more = sender.tally("2026-03-01", 301)
    for tallies in ((same[0], more), same):
        (kept,) = merge(tallies)
        for order in (tallies, tuple(reversed(tallies))):
            database = databases.new()
            bundle = add_bundle(database, tiny, NOW)
            sender.enrol(database)
            for tally in order:
                take(database, sender.pack(tally), "here", NOW)
            (found,) = found_windows(database, bundle).values()
            assert found == (1, plain(total([kept])))


def flights_manifest(tiny: Manifest, rows: Mapping[str, Any]) -> Manifest:
    """A model of some columns of the flights, with the bins that their quarter would be given."""

    def number(name: str) -> Feature:
        bins = NumberBins(tuple(np.unique(np.nanquantile(rows[name], np.arange(11) / 10)).tolist()))
        return Feature(
            name=name, kind=Kind.NUMBER, column=name, policy=Policy.WARN, missing=Missing.EXPECTED, range=Range(0, 1),
            baseline=Baseline(bins, tuple(bins.count(rows[name]).tolist())),
        )  # fmt: skip

    numbers = tuple(number(name) for name in ("temp", "humid", "wind_speed", "pressure", "distance"))
    carriers = CategoryBins(tuple(sorted({"", *rows["carrier"]} - {""})))
    carrier = Feature(
        name="carrier", kind=Kind.CATEGORY, column="carrier", policy=Policy.WARN, missing=Missing.EXPECTED,
        categories=Categories(carriers.categories, True),
        baseline=Baseline(carriers, tuple(carriers.count(rows["carrier"]).tolist())),
    )  # fmt: skip
    tensors = Tensors("numbers", "strings", label="label", probabilities="probabilities")
    return msgspec.structs.replace(tiny, name="flights", features=(*numbers, carrier), tensors=tensors)


def counted(manifest: Manifest, rows: Mapping[str, Any], chosen: Any) -> dict[str, tuple[int, ...]]:
    return {
        feature.name: tuple(feature.baseline.bins.count(rows[feature.name][chosen]).tolist())
        for feature in manifest.features
    }


def test_flights_split_over_thirty_devices_count_as_in_one_place(database: Database, tiny: Bundle) -> None:
    rows = flights("2013-04")
    manifest = flights_manifest(tiny.manifest, rows)
    bundle = add_bundle(database, replace(tiny, manifest=manifest, digest="f" * 64), NOW)
    rng = np.random.default_rng(4)
    owner = rng.integers(0, 30, len(rows["time"]))
    hours = np.datetime_as_string(rows["time"], unit="h")
    contents = []
    for number in range(30):
        sender = Sender(f"device-{number}", manifest, bundle.digest).enrol(database, f"group {number % 3}")
        tallies = []
        for length in (13, 10):  # as of a device that folded most of the month into days
            starts = np.array([hour[:length] for hour in hours])
            late = hours >= "2013-04-26"
            for start in np.unique(starts[(owner == number) & (late == (length == 13))]):
                chosen = (owner == number) & (starts == start)
                many = int(chosen.sum())
                tallies.append(
                    msgspec.structs.replace(
                        sender.tally(str(start), 0), rows=many, verdicts={"ok": many}, latency=(),
                        features=counted(manifest, rows, chosen),
                    )
                )  # fmt: skip
        for part in np.array_split(np.arange(len(tallies)), 3):
            contents.append(sender.pack(*(tallies[place] for place in part)))
    order = rng.permutation(np.repeat(np.arange(len(contents)), 2))
    items = [("here", lambda place=place: contents[place]) for place in order.tolist()]
    assert all(isinstance(found, Taken) for found in take_many(database, items, NOW))
    every = np.ones(len(rows["time"]), dtype=bool)
    with database.read() as connection:
        ((window, april),) = series(connection, bundle, None, Span.MONTH)
        days = dict(series(connection, bundle, None, Span.DAY))
    assert window.start == "2013-04"
    assert {name: tuple(found.tolist()) for name, found in april.features.items()} == counted(manifest, rows, every)
    assert april.rows == len(every) == sum(counts.rows for counts in days.values())
    for window, counts in days.items():
        chosen = np.array([hour[:10] == window.start for hour in hours])
        assert {name: tuple(found.tolist()) for name, found in counts.features.items()} == counted(
            manifest, rows, chosen
        )


def test_those_who_come_at_once_are_each_counted_once(database: Database, tiny: Bundle) -> None:
    """Posts of the same devices, new groups and a forgotten device, all at the same time."""
    bundle = add_bundle(database, tiny, NOW)
    names = [f"device-{number}" for number in range(4)]
    senders = {name: Sender.of(name, tiny).enrol(database, "a") for name in names}
    posts = []
    for revision in range(1, 7):
        for sender in senders.values():
            tallies = (sender.tally(f"2026-11-0{day}", 10 * revision, revision) for day in (1, 2, 3))
            outcomes = tuple(sender.outcome(f"2026-11-0{day}", 5 * revision, revision) for day in (1, 2, 3))
            posts.append(sender.pack(*tallies, outcomes=outcomes))
    random.Random(1).shuffle(posts)

    def post(content: bytes) -> None:
        take(database, content, "here", NOW)

    def move(number: int) -> None:
        with database.begin() as connection:
            devices.set_group(connection, names[number % 3], "ab"[number % 2])

    def forget() -> None:
        with database.begin() as connection:
            devices.forget(connection, "device-3")

    with ThreadPoolExecutor(6) as pool:
        work = [pool.submit(post, content) for content in posts[:-4]]
        work += [pool.submit(move, number) for number in range(12)]
        for one in work:
            one.result()
        pool.submit(forget).result()
    for content in posts[-4:]:
        with suppress(Refused):
            post(content)
    verify(database)
    outcome_totals.verify(database)
    with database.read() as connection:
        assert {window.start: counts.rows for window, counts in series(connection, bundle, None, Span.DAY)} == {
            f"2026-11-0{day}": 180 for day in (1, 2, 3)
        }
        days = outcome_totals.together(outcome_totals.by_group(connection, bundle))
        assert [counts.rows for counts in days.values()] == [90] * 3


def test_who_was_in_the_way_of_another_tries_again(database: Database) -> None:
    tried: list[int] = []

    def work(connection: Connection) -> int:
        tried.append(1)
        if len(tried) < 3:
            raise DBAPIError("", None, SerializationFailure())
        return connection.scalar(text("SELECT 7")) or 0

    assert (database.attempt(work), len(tried)) == (7, 3)

    def broken(connection: Connection) -> None:
        tried.append(1)
        raise DBAPIError("", None, UniqueViolation())

    with pytest.raises(StateError):
        database.attempt(broken)
    assert len(tried) == 4, "what is no accident is not tried again"


def test_totals_are_found_by_their_days(database: Database, tiny: Bundle) -> None:
    bundle = add_bundle(database, tiny, NOW)
    for number, group in enumerate("aab"):
        sender = Sender.of(f"device-{number}", tiny).enrol(database, group)
        starts = ("2026-09-30", "2026-11-01", "2026-11-02T03", "2026-10")
        take(database, sender.pack(*(sender.tally(start, 10 + number) for start in starts)), "here", NOW)
    with database.read() as connection:
        weeks = [window.start for window, _ in series(connection, bundle, None, Span.WEEK, date(2026, 10, 30))]
        assert weeks == ["2026-W44", "2026-W45"]
        until = series(connection, bundle, ["a"], Span.DAY, date(2026, 10, 1), date(2026, 11, 1))
        assert {window.start: counts.rows for window, counts in until} == {"2026-11-01": 21}

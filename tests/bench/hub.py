"""How fast a hub takes the counts of a fleet, and in how much memory, beside the least that plain Python takes.

    PYTHONPATH=tests/support python tests/bench/hub.py --tallies 100000 --windows 1000000

Each measurement runs in a process of its own. The floor unpacks and adds the same counts and keeps nothing: no
signature is checked, no state is merged, nothing is stored. `hakobu drift` and Beam, where that is installed, merge and
judge a folder of parcels. PostgreSQL is Debian's, as the tests start it; what its
server computes is not among what the process did. On a machine that does other things too, believe "computed".
"""

import argparse
import json
import resource
import zlib
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import TypeVar

from sqlalchemy import insert, select

from hakobu.fleet.gather import gather
from hakobu.fleet.judging import judge_bundle as judge_bundle_of
from hakobu.hub.bundles import add_bundle, of_model
from hakobu.hub.database import Database, open_database
from hakobu.hub.intake import Taken, take_many
from hakobu.hub.migrate import upgrade
from hakobu.hub.periods import judge_bundle
from hakobu.hub.tables import devices, windows
from hakobu.hub.totals import rebuild, series, verify
from hakobu.stick.parcels import parcels_at
from hakobu_runtime.format.window import Span, Window
from hub_material import EACH, GROUPS, NOW, bundle, name_of, parcels
from hub_senders import KEY
from postgres import postgres, programs

T = TypeVar("T")

Measured = tuple[float, float, float]
"""Seconds, those of them that this process computed, and megabytes at the most."""


def main() -> None:
    """Measure, and print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--tallies", type=int, default=20_000)
    asked.add_argument("--windows", type=int, default=0, help="that a database holds when it is asked")
    chosen = asked.parse_args()
    many = chosen.tallies // EACH
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="hakobu-bench-")))
        urls = {"SQLite": f"sqlite:///{folder / 'hub.sqlite'}"}
        if programs() is not None:
            urls["PostgreSQL"] = stack.enter_context(postgres()).make("hub")
        first, later = folder / "first", folder / "later"
        size = _write(first, many)
        _write(later, many, 2)
        print(f"{many * EACH:,} tallies of {many:,} devices, {size / many / EACH:,.0f} bytes each\n")
        print(f"{'':16}  {'seconds':>8}  {'computed':>8}  {'tallies/s':>9}  {'to floor':>8}  {'peak MB':>7}")
        floor = _row("plain floor", partial(_floor, first), many)
        _row("hakobu drift", partial(_judge, first), many, floor)
        if find_spec("apache_beam") is not None:
            _row("Apache Beam", partial(_by_beam, first, folder / "merged"), many, floor)
        for name, url in urls.items():
            _row(name, partial(_import, first, url, many), many, floor)
            _row(f"{name} again", partial(_take, first, url), many, floor)
        for name, url in urls.items():
            if chosen.windows:
                print(f"\n{name} with {_alone(partial(_fill, url, chosen.windows)):,} windows more")
            _row("all of them anew", partial(_take, later, url), many, floor)
            _alone(partial(_ask, url))


def _row(name: str, measure: Callable[[], Measured], many: int, floor: float = 0) -> float:
    seconds, computed, peak = _alone(measure)
    ratio = computed / floor if floor else 1
    pace = many * EACH / seconds
    print(f"{name:16}  {seconds:8.2f}  {computed:8.2f}  {pace:9,.0f}  {ratio:8.2f}  {peak:7.0f}", flush=True)
    return computed


def _alone(work: Callable[[], T]) -> T:
    """Return what `work` returns in a new process, whose memory nobody used before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work).result()


def _since(started: tuple[float, float]) -> Measured:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return perf_counter() - started[0], process_time() - started[1], peak


def _write(folder: Path, many: int, turn: int = 1) -> int:
    """Write the parcels of many devices; return how many bytes they have."""
    folder.mkdir()
    size = 0
    for number, content in enumerate(parcels(range(many), turn)):
        (folder / f"{number:06d}.parcel").write_bytes(content)
        size += len(content)
    return size


def _floor(folder: Path) -> Measured:
    """Unpack the parcels, and add up their counts by day, in plain Python."""
    started = perf_counter(), process_time()
    sums: dict[tuple[str, str], list[int]] = {}
    for path in sorted(folder.glob("*.parcel")):
        envelope = json.loads(path.read_bytes())
        for tally in json.loads(zlib.decompress(b64decode(envelope["payload"])))["tallies"]:
            for part in ("features", "outputs"):
                for name, counts in tally[part].items():
                    key = (tally["window"]["start"][:10], name)
                    held = sums.get(key)
                    sums[key] = (
                        counts if held is None else [one + other for one, other in zip(held, counts, strict=True)]
                    )
    return _since(started)


def _judge(folder: Path) -> Measured:
    """Merge and judge the parcels of the folder, as `hakobu drift` does."""
    started = perf_counter(), process_time()
    found = bundle()
    for counted in gather(parcels_at(folder, _fail)):
        judge_bundle_of(found.manifest, found.validation, counted, Span.DAY)
    return _since(started)


def _by_beam(folder: Path, target: Path) -> Measured:
    """Do the same by Beam's own local runner."""
    from hakobu.beam.merging import Job, merge
    from hakobu.beam.runner import Runner

    started = perf_counter(), process_time()
    found = bundle()
    known = {found.digest: (found.manifest, found.validation)}
    assert merge(Job((str(folder),), known, str(target), Span.DAY), Runner()).judged()
    return _since(started)


def _fail(error: Exception) -> None:
    raise error


def _import(folder: Path, url: str, many: int) -> Measured:
    """Take the parcels into a new hub."""
    database = open_database(url)
    upgrade(database)
    add_bundle(database, bundle(), NOW)
    _enrol(database, many)
    return _take(folder, url)


def _take(folder: Path, url: str) -> Measured:
    database = open_database(url)
    items = [(str(path), path.read_bytes) for path in sorted(folder.glob("*.parcel"))]
    started = perf_counter(), process_time()
    for found in take_many(database, items, NOW):
        assert isinstance(found, Taken), found
    return _since(started)


def _enrol(database: Database, many: int) -> None:
    pem = KEY.public.pem.decode()
    with database.begin() as connection:
        there = set(connection.scalars(select(devices.c.name)))
        rows = [
            {"name": name_of(number), "key": pem, "group_name": f"group {number % GROUPS}", "enrolled": NOW}
            for number in range(many)
            if name_of(number) not in there
        ]
        if rows:
            connection.execute(insert(devices), rows)


def _fill(url: str, many: int) -> int:
    """Put so many windows of days into the database, from a thousand devices; return how many there are."""
    database = open_database(url)
    _enrol(database, 1000)
    with database.begin() as connection:
        known = of_model(connection, "bench")[0]
        first = connection.execute(select(windows.c.counts, windows.c.rows).limit(1)).one()
        names = connection.execute(select(devices.c.id).order_by(devices.c.id).limit(1000)).scalars().all()
        for day in range(many // 1000):
            start = Window.of(NOW - timedelta(days=30 + day), Span.DAY).start
            row = {"bundle_id": known.id, "epoch": "e", "start": start, "revision": 1}
            rows = [{**row, "device_id": name, "rows": first.rows, "counts": first.counts} for name in names]
            connection.execute(insert(windows), rows)
    rebuild(database)
    return many // 1000 * 1000


def _ask(url: str) -> None:
    """Ask what pages and judgements ask, and print how long that takes."""
    database = open_database(url)
    with database.read() as connection:
        known = of_model(connection, "bench")[0]
        day = NOW.date()
        questions: dict[str, Callable[[], object]] = {
            "the fleet by day, a year": lambda: list(series(connection, known, None, Span.DAY, day - timedelta(365))),
            "a group by month, all": lambda: list(series(connection, known, ["group 1"], Span.MONTH)),
            "judge the last week": lambda: judge_bundle(connection, known, Span.DAY, NOW - timedelta(7)),
        }
        for words, question in questions.items():
            question()
            started = perf_counter()
            question()
            print(f"  {words:28} {1e3 * (perf_counter() - started):8.1f} ms", flush=True)
    started = perf_counter()
    verify(database)
    print(f"  {'hub check':28} {1e3 * (perf_counter() - started):8.1f} ms", flush=True)


if __name__ == "__main__":
    main()

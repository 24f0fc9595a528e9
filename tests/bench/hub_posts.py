"""How long devices wait that post to a hub all at once, by themselves and beside a load of bad posts.

    PYTHONPATH=tests/support:tests/bench python tests/bench/hub_posts.py --devices 50 --posts 20

The hub is `hakobu hub serve`, a process of its own; devices are threads of a second one, which keep their connection;
bad posts come from a third. All share the cores of this machine.
"""

import argparse
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from itertools import count
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from os import cpu_count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from hakobu.hub.bundles import add_bundle
from hakobu.hub.database import Database, open_database
from hakobu.hub.migrate import upgrade
from hakobu_runtime.trust import PrivateKey
from hub_material import bundle
from hub_senders import Sender
from hub_web import Process
from postgres import postgres, programs

_HOURS = 24
"""Windows in a parcel: a day by the hour, of twenty features."""
_STRANGERS = 16
"""Connections that bad posts come from."""
_spawn = get_context("spawn")


def main() -> None:
    """Measure, and print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--devices", type=int, default=50)
    asked.add_argument("--posts", type=int, default=20, help="that each device makes, one after the other")
    chosen = asked.parse_args()
    print(f"{chosen.devices} devices, {chosen.posts} posts of {_HOURS} windows each, {cpu_count()} cores\n")
    print(f"{'':34}  {'posts/s':>7}  {'p50 ms':>7}  {'p99 ms':>7}  {'worst':>7}  {'bad/s':>6}  bad ones were answered")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="hakobu-bench-")))
        urls = {"SQLite": f"sqlite:///{folder / 'hub.sqlite'}"}
        if programs() is not None:
            urls["PostgreSQL"] = stack.enter_context(postgres()).make("hub")
        for name, url in urls.items():
            database = open_database(url)
            upgrade(database)
            add_bundle(database, bundle(), datetime.now(UTC))
            serials = count(1)
            for words, is_flooded in ((name, False), (f"{name}, beside bad posts", True)):
                posts = [_posts(database, place, chosen.posts, serials) for place in range(chosen.devices)]
                with Process(folder / "hub", "--database", url).running() as process:
                    _row(words, process.port, posts, is_flooded=is_flooded)
            database.engine.dispose()


def _posts(database: Database, place: int, many: int, serials: Any) -> list[bytes]:
    """Return what a device posts: the last days, each with a revision of its own."""
    sender = Sender.of(f"device-{place:03}", bundle(), _KEYS.setdefault(place, PrivateKey.generate()))
    sender.enrol(database)
    now, found = datetime.now(UTC), []
    for number in range(many):
        begun, serial = now.replace(hour=0) - timedelta(days=1 + number), next(serials)
        starts = (f"{begun + timedelta(hours=hour):%Y-%m-%dT%H}" for hour in range(_HOURS))
        tallies = [sender.tally(start, 240, serial, seed=serial) for start in starts]
        found.append(sender.pack(*tallies, now=now, serial=serial))
    return found


_KEYS: dict[int, PrivateKey] = {}


def _row(words: str, port: int, posts: Sequence[Sequence[bytes]], *, is_flooded: bool) -> None:
    ended, ready, answers = _spawn.Event(), _spawn.Event(), _spawn.Queue()
    flood = _spawn.Process(target=_flood, args=(port, posts[0][0], ready, ended, answers))
    if is_flooded:
        flood.start()
        ready.wait(60)
    times = _spawn.Queue()
    devices = _spawn.Process(target=_devices, args=(port, posts, times))
    begun = perf_counter()
    devices.start()
    found, seconds = times.get()
    devices.join()
    ended.set()
    said: Counter[str] = answers.get() if is_flooded else Counter()
    if is_flooded:
        flood.join()
    spent = perf_counter() - begun
    waited = sorted(1000 * one for one in found)
    p50, p99 = (waited[min(len(waited) - 1, int(len(waited) * share))] for share in (0.5, 0.99))
    kinds = ", ".join(f"{status}: {many:,}" for status, many in sorted(said.items())) or "-"
    rate = said.total() / spent
    print(f"{words:34}  {len(waited) / seconds:7.0f}  {p50:7.0f}  {p99:7.0f}  {waited[-1]:7.0f}  {rate:6.0f}  {kinds}",
          flush=True)  # fmt: skip


def _devices(port: int, posts: Sequence[Sequence[bytes]], times: Any) -> None:
    """Let all devices post at once; tell how long each post took, and all of them."""
    found: list[float] = []
    barrier = threading.Barrier(len(posts) + 1)

    def device(contents: Sequence[bytes]) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=120)
        barrier.wait()
        for content in contents:
            begun = perf_counter()
            connection.request("POST", "/api/v1/parcels", content)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200, said
            found.append(perf_counter() - begun)
        connection.close()

    threads = [threading.Thread(target=device, args=(contents,)) for contents in posts]
    for thread in threads:
        thread.start()
    barrier.wait()
    begun = perf_counter()
    for thread in threads:
        thread.join()
    times.put((found, perf_counter() - begun))


def _flood(port: int, good: bytes, ready: Event, ended: Event, answers: Any) -> None:
    """Post what is bad, as fast as the hub answers, until it is over; tell what was answered."""
    stranger = Sender.of("stranger-1", bundle(), PrivateKey.generate())
    half = len(good) // 2
    swapped = good[:half] + (b"A" if good[half : half + 1] != b"A" else b"B") + good[half + 1 :]
    bad = [b"nonsense", stranger.pack(), swapped, b"[" * 100_000, b"x" * (1 << 20), b"x" * (9 << 20)]
    said: Counter[str] = Counter()

    def stranger_at(place: int) -> None:
        while not ended.is_set():
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("POST", "/api/v1/parcels", bad[place % len(bad)])
                said[str(connection.getresponse().status)] += 1
            except (OSError, HTTPException):
                said["cut off"] += 1
            finally:
                connection.close()

    threads = [threading.Thread(target=stranger_at, args=(place,)) for place in range(_STRANGERS)]
    for thread in threads:
        thread.start()
    ready.set()
    for thread in threads:
        thread.join()
    answers.put(said)


if __name__ == "__main__":
    main()

"""What Prometheus asks for at /metrics: how the hub fares, and how the fleet does."""

from collections import Counter as Tallied
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

from hakobu.hub.database import Database
from hakobu.hub.tables import alarms, devices, states
from hakobu.hub.web.settings import Clock
from hakobu_runtime.errors import StateError

UNSEEN = timedelta(days=7)
"""After which a device counts as not seen."""
_MOST_VERSIONS = 50
"""Labels that models and versions get; devices may name what they like, and each label lives for ever in Prometheus."""
_STEPS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of this process, and the state of the fleet as the database has it when it is asked for."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, database: Database, clock: Clock) -> None:
        self.registry = CollectorRegistry()
        self.parcels = Counter(
            "hakobu_hub_parcels", "Parcels that were taken: new ones, and known ones that came again.", ["result"],
            registry=self.registry,
        )  # fmt: skip
        self.refusals = Counter(
            "hakobu_hub_refusals", "Parcels that were refused, by why.", ["kind"], registry=self.registry
        )
        self.windows = Counter(
            "hakobu_hub_windows_changed", "Windows that parcels brought or changed.", registry=self.registry
        )
        self.logins = Counter("hakobu_hub_logins", "People who tried to log in.", ["result"], registry=self.registry)
        self.lost_events = Counter(
            "hakobu_hub_events_lost", "Events that could not be written to their file.", registry=self.registry
        )
        self.requests = Histogram(
            "hakobu_hub_request_seconds", "Time to answer, by route and class of status.", ["route", "status"],
            buckets=_STEPS, registry=self.registry,
        )  # fmt: skip
        self.registry.register(_Fleet(database, clock))

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self.registry)


class _Fleet(Collector):
    """Reads the database at each scrape; what it counts is of the database, whichever process wrote it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return nothing: what there is depends on the database."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges; without the database only that it is away."""
        up = GaugeMetricFamily("hakobu_hub_database_up", "Whether the database answers.")
        try:
            with self._database.read() as connection:
                found = tuple(_gauges(connection, self._clock()))
        except StateError:
            found = ()
        up.add_metric((), 1 if found else 0)
        yield up
        yield from found


def _gauges(connection: Connection, now: datetime) -> Iterator[GaugeMetricFamily]:
    yield from _device_gauges(connection, now)
    open_ones = GaugeMetricFamily("hakobu_hub_alarms_open", "Alarms that are open, by kind.", labels=["kind"])
    query = select(alarms.c.kind, func.count()).where(alarms.c.closed.is_(None)).group_by(alarms.c.kind)
    for kind, many in connection.execute(query):
        open_ones.add_metric((kind,), many)
    yield open_ones


def _device_gauges(connection: Connection, now: datetime) -> Iterator[GaugeMetricFamily]:
    def many(name: str, words: str, *conditions: object) -> GaugeMetricFamily:
        query = select(func.count()).select_from(devices).where(*conditions)  # type: ignore[arg-type]
        return GaugeMetricFamily(name, words, value=connection.execute(query).scalar_one())

    seen = func.coalesce(devices.c.seen, devices.c.enrolled)
    active = devices.c.blocked == ""
    yield many("hakobu_hub_devices_enrolled", "Devices that are enrolled.")
    yield many("hakobu_hub_devices_blocked", "Devices that are blocked.", devices.c.blocked != "")
    days = UNSEEN.days
    words = f"Devices, not blocked, of which nothing came for {days} days."
    yield many("hakobu_hub_devices_unseen", words, active, seen < now - UNSEEN)
    versions = GaugeMetricFamily("hakobu_hub_devices", "Devices by active version.", labels=["model", "version"])
    query = select(states.c.model, states.c.version, func.count()).group_by(states.c.model, states.c.version)
    rows = (tuple(row) for row in connection.execute(query))
    for (model, version), devices_of in _bounded(rows):
        versions.add_metric((model, version), devices_of)
    yield versions


def _bounded(rows: Iterable[tuple[str, str, int]]) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield the most common labels, and the others as one."""
    found = Tallied({(model, version or "none"): many for model, version, many in rows})
    common = found.most_common(_MOST_VERSIONS)
    yield from common
    if rest := found.total() - sum(many for _, many in common):
        yield ("other", "other"), rest

"""A fleet as a hub sees it: the flights of April to July, split over thirty devices of three groups.

Two versions, the second rolled out by stages; a device that measures in Celsius, one that is blocked, one that went
back, one that nobody hears of. Everything comes home in parcels as real devices send them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from itertools import groupby
from typing import Any

import numpy as np
from arro3.io import read_parquet
from numpy.typing import NDArray

from hakobu.baseline import baseline_of, edges_of
from hakobu.hub.alarms import evaluate
from hakobu.hub.database import Database
from hakobu.hub.devices import block, enrol
from hakobu.hub.intake import Taken, take_many
from hakobu.hub.tables import bundles
from hakobu.resources import folder
from hakobu_runtime.format.best_before import BestBefore
from hakobu_runtime.format.channel import SCHEMA as CHANNEL_SCHEMA
from hakobu_runtime.format.channel import Channel, Release, bundle_target
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.counts import LATENCY_EDGES_US
from hakobu_runtime.format.feature import Categories, Feature, Kind, Missing, Part, Policy, Range
from hakobu_runtime.format.histogram import Bins, CategoryBins, NumberBins
from hakobu_runtime.format.manifest import Classification, Dtype, Manifest, Metric, Monitor, Provenance, Tensors
from hakobu_runtime.format.outcome import SCHEMA as OUTCOME_SCHEMA
from hakobu_runtime.format.outcome import Outcome as Known
from hakobu_runtime.format.outcome import Subject, counts_of
from hakobu_runtime.format.parcel import SCHEMA as PARCEL_SCHEMA
from hakobu_runtime.format.parcel import Box, Happened, HeldBack, ModelState, Parcel
from hakobu_runtime.format.tally import SCHEMA as TALLY_SCHEMA
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.validation import SCHEMA as VALIDATION_SCHEMA
from hakobu_runtime.format.validation import Gate, Outcome, Stage, Validation
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import PrivateKey
from hakobu_runtime.uplink.parcel import pack_parcel

NOW = datetime(2013, 7, 31, 18, 0, tzinfo=UTC)
MODEL = "late-flights"
FIRST, SECOND = "1.0.0", "1.1.0"
DIGESTS = {FIRST: "a1" * 32, SECOND: "b2" * 32}
GROUPS = ("call-centre", "gates", "operations")
START = date(2013, 4, 1)

_SECOND_OUT = {10: date(2013, 6, 10), 50: date(2013, 6, 17), 100: date(2013, 6, 24)}
"""From when on the second version reaches which percent of the devices."""

_UNITS = {"temp": "F", "dewp": "F", "humid": "%", "wind_dir": "degrees", "wind_speed": "mph", "wind_gust": "mph",
          "precip": "inches", "pressure": "hPa", "visib": "miles", "distance": "miles"}  # fmt: skip
_ABOUT = {"dep_minute": "scheduled departure, minutes after midnight"}
_WHOLE = ("dep_minute", "distance", "plane_year", "seats")
_NUMBERS = (*_WHOLE, "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
_SCORED = ("dep_minute", "distance", "plane_year", "seats", "humid", "wind_speed", "precip", "visib", "hour")
_TEXTS = ("carrier", "origin", "dest", "manufacturer")

Columns = Mapping[str, NDArray[Any]]


@cache
def flights(*months: str) -> Columns:
    """Return the columns of `data/2013-q1`, or of months with their answers, as the model of these tests reads them."""
    place = folder("templates") / "flights"
    paths = [place / "live" / f"{month}.parquet" for month in months] or [place / "data" / "2013-q1.parquet"]
    truths = [place / "answers" / f"{month}.parquet" for month in months] or paths
    tables = [read_parquet(str(path)).read_all() for path in paths]
    found: dict[str, NDArray[Any]] = {}
    for name in (*_NUMBERS, *_TEXTS):
        cells = [cell for table in tables for cell in table.column(name).to_pylist()]
        is_text = name in _TEXTS
        kind = object if is_text else np.float64
        found[name] = np.array([("" if is_text else np.nan) if cell is None else cell for cell in cells], dtype=kind)
    times = [cell for table in tables for cell in table.column("time").to_pylist()]
    found["time"] = np.array(times, dtype="datetime64[s]")
    found["hour"] = (found["time"].astype("datetime64[h]").astype(np.int64) % 24).astype(np.float64)
    answers = [cell for path in truths for cell in read_parquet(str(path)).read_all().column("late15").to_pylist()]
    found["late15"] = np.array([np.nan if cell is None else float(cell) for cell in answers])
    return found


@dataclass(frozen=True)
class Learned:
    """A version: its manifest, and what it would say."""

    manifest: Manifest
    weights: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    def scores(self, rows: Columns) -> NDArray[np.float32]:
        """Return the probability of being late, shape (n,)."""
        return _squashed(_matrix(rows, self.centre, self.scale) @ self.weights)


def _squashed(odds: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)


def _raw(rows: Columns) -> NDArray[np.float64]:
    return np.stack([rows[name] for name in _SCORED], axis=1)


def _matrix(rows: Columns, centre: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.clip(np.nan_to_num((_raw(rows) - centre) / scale), -4, 4)
    carriers = [(rows["carrier"] == name).astype(np.float64) for name in ("EV", "B6", "UA", "DL", "MQ")]
    return np.column_stack((found, found[:, 0] ** 2, *carriers, np.ones(len(found))))


@cache
def learned(version: str) -> Learned:
    """Return a version: the first learned from January to March, the second from May on too."""
    rows = flights() if version == FIRST else _joined(flights(), flights("2013-04", "2013-05"))
    known = np.isfinite(rows["late15"])
    rows = {name: cells[known] for name, cells in rows.items()}
    raw = _raw(rows)
    centre, scale = np.nanmean(raw, axis=0), np.nanstd(raw, axis=0) + 1e-9
    design, weights = _matrix(rows, centre, scale), np.zeros(0)
    weights = np.zeros(design.shape[1])
    for _ in range(6):  # Newton's steps of a logistic regression
        odds = _squashed(design @ weights).astype(np.float64)
        curve = (design * (odds * (1 - odds))[:, np.newaxis]).T @ design + np.eye(len(weights))
        weights = weights + np.linalg.solve(curve, design.T @ (rows["late15"] - odds) - weights)
    found = Learned(None, weights, centre, scale)  # type: ignore[arg-type]
    return Learned(_manifest(version, rows, found), weights, centre, scale)


def _joined(*parts: Columns) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _manifest(version: str, rows: Columns, model: Learned) -> Manifest:
    cut = int(len(rows["time"]) * 0.8)
    training = {name: cells[:cut] for name, cells in rows.items()}
    holdout = {name: cells[cut:] for name, cells in rows.items()}
    spans = (Span.DAY, Span.WEEK, Span.MONTH)
    features = tuple(_feature(name, training, spans) for name in (*_TEXTS, "hour", *_NUMBERS))
    said, times = model.scores(holdout), holdout["time"]
    scores = baseline_of(NumberBins(edges_of(said, whole=False)), said, times, spans)
    labels = np.where(said >= 0.5, "True", "False").astype(object)
    counted = baseline_of(CategoryBins(("False", "True")), labels, times, spans)
    right = float(((said >= 0.5) == (holdout["late15"] == 1)).mean())
    return Manifest(
        schema="hakobu.manifest/1",
        name=MODEL,
        version=version,
        min_runtime="0.1.0",
        target="late15",
        dtype=Dtype.FLOAT32,
        tensors=Tensors("numbers", "strings", label="label", probabilities="probabilities"),
        features=features,
        outputs=Classification((False, True), counted, scores),
        provenance=Provenance(
            "d" * 64, "5" * 64, cut, len(times), 0, "3.11.9", {"scikit-learn": "1.7.2", "numpy": "2.2.6"},
            training_start=str(rows["time"].min()) + "Z", training_end=str(training["time"].max()) + "Z",
        ),
        metrics={"accuracy": Metric(right + 0.01, right), "roc_auc": Metric(0.71, 0.69)},
        monitor=Monitor(Span.DAY),
        description="Will a flight out of New York arrive more than 15 minutes late? From the schedule, the plane and "
        "the weather.",
        best_before=BestBefore(),
    )  # fmt: skip


def _feature(name: str, rows: Columns, spans: Sequence[Span]) -> Feature:
    values, times = rows[name], rows["time"]
    if name in _TEXTS:
        names, many = np.unique(values[values != ""], return_counts=True)
        bins: Bins = CategoryBins(tuple(sorted(names[np.argsort(-many, kind="stable")][:50])))
        kind, allowed, known = Kind.CATEGORY, None, Categories(tuple(names), scores_unknown=True)
        policy = Policy.REJECT if name in ("origin", "dest") else Policy.WARN
    else:
        values = values.astype(np.float32)
        present = values[np.isfinite(values)]
        bins = NumberBins(edges_of(present, whole=name in (*_WHOLE, "hour")))
        kind, known = Kind.INTEGER if name in _WHOLE else Kind.NUMBER, None
        allowed = Range(float(present.min()), float(present.max()))
        policy = Policy.CLIP if name == "pressure" else Policy.WARN
    part = Part.HOUR if name == "hour" else None
    return Feature(
        name=f"time.{name}" if part else name,
        kind=Kind.INTEGER if part else kind,
        column="time" if part else name,
        part=part,
        policy=policy,
        missing=Missing.EXPECTED,
        baseline=baseline_of(bins, values, times, spans),
        range=allowed,
        categories=known,
        unit=_UNITS.get(name, ""),
        description=_ABOUT.get(name, ""),
    )


def validation() -> Validation:
    """Return gates as a build judges them."""
    return Validation(
        VALIDATION_SCHEMA,
        (
            Gate(Stage.DATA, "rows", "enough rows to learn from", "15,811", ">= 200", Outcome.PASSED),
            Gate(Stage.DATA, "shift", "training against hold-out", "temp: PSI 0.84", "none above 0.2",
                 Outcome.NOT_JUDGED, "the hold-out is of another season: judge on cross-validation too"),
            Gate(Stage.MODEL, "roc_auc", "roc_auc >= 0.65 on the hold-out", "0.690", "0.65", Outcome.PASSED),
            Gate(Stage.MODEL, "calibration", "expected calibration error", "0.021", "0.05", Outcome.PASSED),
            Gate(Stage.EXPORT, "parity", "labels equal, probabilities within 1e-5", "3.2e-07", "1e-05",
                 Outcome.PASSED),
        ),
    )  # fmt: skip


CARD = """---
license: mit
tags: [tabular-classification]
---
# late-flights

Will a flight out of New York arrive more than **15 minutes late**?

## Intended use

Planning at the gate. *Not* for rebooking passengers without a person who looks.

| metric | hold-out |
| --- | --- |
| roc_auc | 0.690 |

- learned from January to March 2013
- <script>alert("no")</script> stays text
"""


@dataclass(frozen=True)
class Machine:
    """One device of the fleet, and its fate."""

    name: str
    group: str
    key: PrivateKey
    place: int

    @property
    def second(self) -> date | None:
        """When the second version came to it; None for never."""
        if self.place in (3, 4, 5):  # one holds it back, one is silent, one has no route to the depot
            return None
        return next((day for percent, day in _SECOND_OUT.items() if release(percent).reaches(self.name)), None)

    @property
    def last(self) -> date:
        """The last day that it is heard of."""
        return date(2013, 6, 12) if self.place == 4 else date(2013, 7, 31)


ODD, BLOCKED, HELD, SILENT, UNREACHED, ROLLED = 7, 11, 3, 4, 5, 8
"""Which device measures in Celsius, is blocked, holds the second version back, is silent, is cut off, went back."""


@cache
def machines(many: int = 30) -> tuple[Machine, ...]:
    """Return the devices, ten to a group."""
    names = ("desk", "gate", "ops")
    return tuple(
        Machine(f"{names[place % 3]}-pc-{place:02d}", GROUPS[place % 3], PrivateKey.generate(), place)
        for place in range(many)
    )


def release(percent: int, version: str = SECOND) -> Release:
    """Return the release of a version, for so many of the devices."""
    return Release(version, DIGESTS[version], bundle_target(MODEL, version), 412_000, "2013-06-10T08:00:00+00:00",
                   rollout=percent, seed="summer", notes="Learned from the spring too: knows warm days.")  # fmt: skip


def channel(percent: int = 100) -> Channel:
    """Return what the stable channel holds at the end."""
    return Channel(CHANNEL_SCHEMA, MODEL, "stable", (release(percent), release(100, FIRST)))


def parcels(many: int, desks: int) -> Iterator[tuple[Machine, datetime, Parcel]]:
    """Yield what the devices send, in the order of time: each its counts of a month or so, and how it stands."""
    counted = _counted(many, desks)
    days = [date(2013, 4, 2), date(2013, 4, 30), date(2013, 5, 31), date(2013, 6, 9), *_SECOND_OUT.values(),
            date(2013, 6, 30), date(2013, 7, 15), date(2013, 7, 31)]  # fmt: skip
    for serial, day in enumerate(days, start=1):
        since = days[serial - 2] if serial > 1 else date(2013, 1, 1)
        for machine in sorted(machines(many), key=lambda one: -(one.place // 10)):
            if day > machine.last and since >= machine.last:
                continue
            made = datetime(day.year, day.month, day.day, 17 - 5 * (machine.place // 10), machine.place, tzinfo=UTC)
            tallies, known = _between(counted.get(machine.place, {}), since, day)
            yield machine, made, _parcel(machine, serial, made, tallies, known)


def _between(
    counted: Mapping[date, tuple[Tally, Known | None]], since: date, until: date
) -> tuple[tuple[Tally, ...], tuple[Known, ...]]:
    found = [one for day, one in counted.items() if since < day <= until]
    return tuple(tally for tally, _ in found), tuple(known for _, known in found if known is not None)


def _parcel(
    machine: Machine, serial: int, made: datetime, tallies: tuple[Tally, ...], known: tuple[Known, ...]
) -> Parcel:
    more = {"outcomes": known} if "outcomes" in Parcel.__struct_fields__ else {}
    platform = ("Windows-11 AMD64", "Linux-6.1 x86_64", "Linux-6.1 aarch64")[machine.place % 3]
    pem = machine.key.public.pem.decode()
    runtime = "0.6.0" if machine.place % 4 else "0.5.2"
    return Parcel(PARCEL_SCHEMA, machine.name, pem, serial, made.isoformat(), runtime, platform,
                  (_state(machine, made),), tallies, **more)  # fmt: skip


def _state(machine: Machine, made: datetime) -> ModelState:
    installed = datetime(2013, 4, 1, 8, machine.place, tzinfo=UTC)
    first = Box(FIRST, DIGESTS[FIRST], installed.isoformat())
    events = [Happened(1, first.installed, "installed", FIRST, DIGESTS[FIRST], "")]
    active, former, held, trouble = first, None, [], ""
    came = machine.second
    if came is not None and made.date() >= came:
        second = Box(SECOND, DIGESTS[SECOND], datetime(came.year, came.month, came.day, 7, tzinfo=UTC).isoformat())
        active, former = second, first
        events.append(Happened(2, second.installed, "installed", SECOND, DIGESTS[SECOND], ""))
        if machine.place == ROLLED and made.date() > date(2013, 6, 25):
            active, former = first, None
            words = "it rejected 61 % of the rows, the former bundle 2 %"
            events.append(Happened(3, "2013-06-26T09:12:00+00:00", "rolled back", SECOND, DIGESTS[SECOND], words))
            held = [HeldBack(SECOND, DIGESTS[SECOND], words, "2013-06-26T09:12:00+00:00")]
    if machine.place == HELD and made.date() > date(2013, 6, 24):
        words = "golden row 12: this PC computes 0.412, the bundle says 0.398"
        held = [HeldBack(SECOND, DIGESTS[SECOND], words, "2013-06-24T07:30:00+00:00")]
        events.append(Happened(2, "2013-06-24T07:30:00+00:00", "failed", SECOND, DIGESTS[SECOND], words))
    if machine.place == UNREACHED:
        trouble = "https://depot.example/: the proxy answers 407: it wants a name and a password"
    contact = (made - timedelta(hours=2)).isoformat() if machine.place != UNREACHED else "2013-05-02T06:00:00+00:00"
    offered = SECOND if machine.second and made.date() >= machine.second else FIRST
    return ModelState(MODEL, "stable", active, former, tuple(held), tuple(events), offered=offered, contact=contact,
                      tried=made.isoformat(), trouble=trouble)  # fmt: skip


@cache
def _counted(many: int, desks: int) -> Mapping[int, Mapping[date, tuple[Tally, Known | None]]]:
    """Return what each device counted on each day, when each flight is of interest to so many desks."""
    rows = dict(flights("2013-04", "2013-05", "2013-06", "2013-07"))
    rows = {name: np.concatenate([cells] * desks) for name, cells in rows.items()}
    days = rows["time"].astype("datetime64[D]")
    at = np.random.default_rng(7).integers(0, many, len(days))
    odd = (at == ODD) & (days >= np.datetime64("2013-06-20"))
    rows["temp"] = np.where(odd, (rows["temp"] - 32) / 1.8, rows["temp"])
    found: dict[int, dict[date, tuple[Tally, Known | None]]] = {}
    everybody, calendar = machines(many), np.unique(days).tolist()
    for version in (FIRST, SECOND):
        runs = {(place, day): _runs(everybody[place], day, version) for place in range(many) for day in calendar}
        ran = np.array([runs[key] for key in zip(at.tolist(), days.astype(object).tolist(), strict=True)])
        for place, day, tally, known in _tallied(version, rows, days, at, np.flatnonzero(ran), everybody):
            found.setdefault(place, {})[day] = (tally, known)
    return found


def _runs(machine: Machine, day: date, version: str) -> bool:
    if day > machine.last:
        return False
    is_second = machine.second is not None and day > machine.second
    if machine.place == ROLLED and day > date(2013, 6, 26):
        is_second = False
    return is_second == (version == SECOND)


def _tallied(
    version: str,
    rows: Columns,
    days: NDArray[np.datetime64],
    at: NDArray[np.int64],
    chosen: NDArray[np.int64],
    everybody: Sequence[Machine],
) -> Iterator[tuple[int, date, Tally, Known | None]]:
    """Count the `chosen` rows of a version by device and day."""
    model = learned(version)
    rows = {name: cells[chosen] for name, cells in rows.items()}
    scores = model.scores(rows)
    codes = (scores >= 0.5).astype(np.int64)
    places = np.stack((at[chosen], days[chosen].astype(np.int64)), axis=1)
    cells, inside = np.unique(places, axis=0, return_inverse=True)
    inside = inside.reshape(-1)
    counts = _Counts.of(model.manifest, rows, scores, codes, inside, len(cells))
    subject = Subject.of(model.manifest, DIGESTS[version])
    order = np.argsort(inside, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(inside, minlength=len(cells)))[:-1])
    for number, ((place, day), part) in enumerate(zip(cells.tolist(), parts, strict=True)):
        when = date(1970, 1, 1) + timedelta(days=day)
        window = Window(when.isoformat(), Span.DAY)
        tally = counts.tally(number, everybody[place].name, subject.model, window, len(part))
        yield place, when, tally, _known(everybody[place], subject, window, codes, scores, rows["late15"], part)


@dataclass(frozen=True)
class _Counts:
    """What was counted, each array of shape (cells, slots), or (cells,) of breaches."""

    features: Mapping[str, NDArray[np.int64]]
    outputs: Mapping[str, NDArray[np.int64]]
    breaches: Mapping[tuple[str, str], NDArray[np.int64]]

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        rows: Columns,
        scores: NDArray[np.float32],
        codes: NDArray[np.int64],
        inside: NDArray[np.int64],
        many: int,
    ) -> "_Counts":
        """Count rows, of which `inside` says in which of so `many` cells each is."""
        features: dict[str, NDArray[np.int64]] = {}
        breaches: dict[tuple[str, str], NDArray[np.int64]] = {}
        for feature in manifest.features:
            values = rows[feature.name.rpartition(".")[2]]
            slots = feature.baseline.bins.slots(values if feature.is_category else values.astype(np.float32))
            features[feature.name] = _by_cell(inside, slots, many, feature.baseline.bins.size)
            if feature.range is not None:
                wrong = {"below range": values < feature.range.low, "above range": values > feature.range.high}
                for rule, which in wrong.items():
                    found = np.bincount(inside, weights=which, minlength=many)
                    breaches[feature.name, rule] = found.astype(np.int64)
        outputs = manifest.outputs
        assert isinstance(outputs, Classification)
        assert outputs.scores is not None
        bins = outputs.scores.bins
        assert isinstance(bins, NumberBins)
        said = {
            "labels": _by_cell(inside, codes, many, outputs.labels.bins.size),
            "scores": _by_cell(inside, bins.slots(scores), many, bins.size),
        }
        return cls(features, said, breaches)

    def tally(self, number: int, device: str, model: ModelName, window: Window, rows: int) -> Tally:
        """Return what a device counted in one of the cells."""
        breaches: dict[str, dict[str, int]] = {}
        for (name, rule), found in self.breaches.items():
            if found[number]:
                breaches.setdefault(name, {})[rule] = int(found[number])
        warned = max((max(rules.values()) for rules in breaches.values()), default=0)
        return Tally(
            TALLY_SCHEMA, device, model, window, 1, rows,
            {"ok": rows - warned, "warned": warned} if warned else {"ok": rows},
            {name: tuple(found[number].tolist()) for name, found in self.features.items()},
            {name: tuple(found[number].tolist()) for name, found in self.outputs.items()},
            breaches,
            (0, 0, rows, *(0,) * (len(LATENCY_EDGES_US) - 2)),
            "e1",
        )  # fmt: skip


def _by_cell(inside: NDArray[np.int64], slots: NDArray[np.int64], cells: int, size: int) -> NDArray[np.int64]:
    return np.bincount(inside * size + slots, minlength=cells * size).reshape(cells, size).astype(np.int64)


def _known(
    machine: Machine,
    subject: Subject,
    window: Window,
    codes: NDArray[np.int64],
    scores: NDArray[np.float32],
    truths: NDArray[np.float64],
    part: NDArray[np.int64],
) -> Known | None:
    """Count the labels of a day; those of the last two weeks have not come yet, and the operations desk gives none."""
    if window.start > "2013-07-17" or machine.group == "operations":
        return None
    part = part[np.isfinite(truths[part])]
    counts = counts_of(subject, codes[part], scores[part], truths[part])
    if not counts.rows:
        return None
    return Known(OUTCOME_SCHEMA, machine.name, subject.model, window, 1, "o1", subject.unit, counts)


def contents(version: str) -> tuple[bytes, bytes, str]:
    """Return the manifest and the validation of a version as they lie in its box, and its card."""
    return encode(learned(version).manifest), encode(validation()), CARD


def fill(database: Database, many: int = 30, desks: int = 6, evaluated: Sequence[date] = ()) -> None:
    """Put the whole story into a hub's empty database: bundles, devices, parcels, refusals, alarms.

    `many` devices, twelve or more, and each flight is scored by so many `desks`.
    Alarms are looked for on the mornings of the days `evaluated`, and at the end.
    """
    with database.begin() as connection:
        for version, added in ((FIRST, datetime(2013, 4, 1, tzinfo=UTC)), (SECOND, datetime(2013, 6, 10, tzinfo=UTC))):
            manifest, gates, card = contents(version)
            notes = "Learned from the spring too: knows warm days." if version == SECOND else "The first one."
            row = {"digest": DIGESTS[version], "model": MODEL, "version": version, "added": added, "notes": notes}
            connection.execute(bundles.insert().values(**row, manifest=manifest, validation=gates, card=card))
        for machine in machines(many):
            pem = machine.key.public.pem.decode()
            enrol(connection, machine.name, pem, machine.group, datetime(2013, 4, 1, 7, tzinfo=UTC))
    mornings = sorted({*evaluated})
    for hour, sent in groupby(parcels(many, desks), key=lambda item: item[1].replace(minute=0)):
        while mornings and mornings[0] <= hour.date():
            evaluate(database, _morning(mornings.pop(0)))
        came = [(made, pack_parcel(parcel, machine.key)) for machine, made, parcel in sent]
        items = [(f"parcel {place}", partial(bytes, content)) for place, (_, content) in enumerate(came)]
        for found in take_many(database, items, max(made for made, _ in came)):
            assert isinstance(found, Taken), found
    _refuse(database, many)
    with database.begin() as connection:
        if many > BLOCKED:
            block(connection, machines(many)[BLOCKED].name, "sold; a new owner has it")
    evaluate(database, NOW)


def _morning(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 6, tzinfo=UTC)


def _refuse(database: Database, many: int) -> None:
    """Let some parcels come that are not taken: damaged ones, and some of a device that nobody knows."""
    stranger = Machine("stray-pc-99", "", PrivateKey.generate(), 1)
    strays = [_parcel(stranger, serial, NOW - timedelta(days=3), (), ()) for serial in range(1, 4)]
    contents_of = [pack_parcel(parcel, stranger.key) for parcel in strays] + [b"<script>alert(1)</script>"] * 2
    items = [(f"/api/v1/parcels {place}", partial(bytes, content)) for place, content in enumerate(contents_of)]
    list(take_many(database, items, NOW - timedelta(days=2)))

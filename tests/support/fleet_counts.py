"""A small model whose inputs are well known, and devices that counted with it."""

from collections.abc import Mapping
from datetime import date, timedelta

import msgspec
import numpy as np

from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.feature import Baseline, Usual
from hakobu_runtime.format.histogram import CategoryBins, Counts, NumberBins
from hakobu_runtime.format.manifest import Classification, Manifest, Metric, Provenance
from hakobu_runtime.format.outcome import Outcome, OutcomeCounts
from hakobu_runtime.format.parcel import SCHEMA, Parcel
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal.tallying import tally_of
from hakobu_runtime.trust import PrivateKey

BINS = NumberBins(tuple(float(edge) for edge in range(11)))
TRAINED = (0, *[1000] * 10, 0, 20, 0)
SHARES = np.array(TRAINED) / sum(TRAINED)
FIRST = date(2026, 3, 2)
"""A Monday."""


def known_manifest(tiny: Manifest) -> Manifest:
    """The tiny model, as if it had learned from 10,020 rows in 50 days."""
    usual = {Span.DAY: Usual(50, 0.05), Span.WEEK: Usual(7, 0.01)}
    baseline = Baseline(BINS, TRAINED, usual)
    features = tuple(msgspec.structs.replace(one, baseline=baseline) for one in tiny.features)
    outputs = Classification((0, 1), Baseline(CategoryBins(("0", "1")), (600, 400, 0, 0)))
    provenance = Provenance("0" * 64, "1" * 64, 10_020, 5_000, 0, "3.11.0", {"numpy": "2.0.0"})
    metrics = {"accuracy": Metric(0.92, 0.9)}
    return msgspec.structs.replace(tiny, features=features, outputs=outputs, provenance=provenance, metrics=metrics)


def day(number: int) -> Window:
    """Return the day that is so many after the first."""
    return Window((FIRST + timedelta(days=number)).isoformat(), Span.DAY)


def counted(rng: np.random.Generator, rows: int, spoilt: Mapping[str, Counts] | None = None) -> WindowCounts:
    """Return what some rows count that are like training, but for the features in `spoilt`."""
    found = WindowCounts(rows=rows, verdicts={"ok": rows})
    for name in ("temp", "load"):
        found.features[name] = rng.multinomial(rows, SHARES)
    found.features |= spoilt or {}
    found.outputs["labels"] = np.array([rows * 6 // 10, rows - rows * 6 // 10, 0, 0])
    return found


def high(rows: int) -> Counts:
    """Return the counts of rows that all lie above what training saw."""
    found = np.zeros(BINS.size, dtype=np.int64)
    found[11] = rows
    return found


def gone(rows: int) -> Counts:
    """Return the counts of rows that all lack their value."""
    found = np.zeros(BINS.size, dtype=np.int64)
    found[BINS.missing] = rows
    return found


def right_and_wrong(rows: int, right: int) -> OutcomeCounts:
    """Return the outcomes of rows of which so many came true."""
    half = right // 2
    pairs = ((0, 0, half), (0, 1, rows - right), (1, 1, right - half))
    return OutcomeCounts(rows, tuple(pair for pair in pairs if pair[2]))


def parcel(
    device: str,
    model: ModelName,
    windows: Mapping[Window, WindowCounts],
    key: PrivateKey,
    outcomes: tuple[Outcome, ...] = (),
    serial: int = 1,
) -> Parcel:
    """Return what a device sends home."""
    tallies = tuple(tally_of(device, model, "e", window, (counts, serial)) for window, counts in windows.items())
    pem = key.public.pem.decode()
    made = "2026-03-31T12:00:00+00:00"
    return Parcel(SCHEMA, device, pem, serial, made, "0.1.0", "Linux x86_64", (), tallies, outcomes)

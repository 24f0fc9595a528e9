from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.drift import device_drift
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal import Journal


def counted(bundle: Bundle, rows: int) -> WindowCounts:
    features = {}
    for feature in bundle.manifest.features:
        features[feature.name] = np.zeros(feature.baseline.bins.size, dtype=np.int64)
        features[feature.name][0] = rows
    return WindowCounts(rows, {"ok": rows}, features)


def test_folded_months_are_periods_of_their_own_beside_days_and_weeks(machines: Bundle, tmp_path: Path) -> None:
    model = ModelName(machines.manifest.name, machines.manifest.version, machines.digest)
    now = datetime(2026, 1, 5, tzinfo=UTC)
    with Journal.open(tmp_path / "journal.sqlite", clock=lambda: now) as journal:
        days = ["2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02", "2026-02-03"]
        journal.add(model, {Window(day, Span.DAY): counted(machines, 200) for day in days})
        now = datetime(2027, 3, 10, tzinfo=UTC)
        journal.add(model, {Window("2027-03-09T05", Span.HOUR): counted(machines, 300)})
        found = {
            span: [(period.start, period.rows) for period in device_drift(machines, journal, span)]
            for span in (Span.DAY, Span.WEEK, Span.MONTH)
        }
        spans = [period.findings[0].span for period in device_drift(machines, journal, Span.DAY)]
    assert found[Span.DAY] == [
        ("2026-01", 400),
        ("2026-02-01", 200),
        ("2026-02-02", 200),
        ("2026-02-03", 200),
        ("2027-03-09", 300),
    ]
    assert found[Span.WEEK] == [("2026-01", 400), ("2026-W05", 200), ("2026-W06", 400), ("2027-W10", 300)]
    assert found[Span.MONTH] == [("2026-01", 400), ("2026-02", 600), ("2027-03", 300)]
    assert spans == [Span.MONTH, Span.DAY, Span.DAY, Span.DAY, Span.DAY]

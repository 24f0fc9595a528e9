"""A small fleet in the hub's database, whose counts are put there by the day, straight or drifted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import insert

from hakobu.hub.block import row_of
from hakobu.hub.bundles import KnownBundle
from hakobu.hub.database import Database
from hakobu.hub.outcomes import OutcomeState, put_outcomes
from hakobu.hub.tables import devices, states
from hakobu.hub.windows import State, put
from hakobu_runtime.bundle import pack_files
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.feature import Baseline, Feature
from hakobu_runtime.format.histogram import CategoryBins, NumberBins
from hakobu_runtime.format.manifest import Classification, Manifest, Metric
from hakobu_runtime.format.outcome import Outcome, OutcomeCounts, Subject
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import PrivateKey, sign

ROWS = 10_000
"""That the tiny model learned from, half of them in each bin."""
Slots = tuple[int, ...]
STRAIGHT: Slots = (0, 100, 100, 0, 0, 0)
"""What a device counts of a feature in a day, by slot: as in training."""
DRIFTED: Slots = (0, 20, 180, 0, 0, 0)
GONE: Slots = (0, 0, 0, 0, 200, 0)
"""All of it missing."""
ENROLLED = datetime(2026, 1, 1, tzinfo=UTC)


def judgeable_box(files: Mapping[str, bytes], manifest: Manifest, key: PrivateKey, folder: Path) -> Path:
    """Write the tiny box as if learned from so many rows that what is counted with it can be judged."""
    changed = {**files, "manifest.json": encode(msgspec.structs.replace(manifest, **_learned(manifest)))}
    path = folder / "tiny-1.0.0.hako"
    path.write_bytes(pack_files({**changed, "model.sig": sign(changed, key)}))
    return path


def _learned(manifest: Manifest) -> Mapping[str, Any]:
    halves = Baseline(NumberBins((0.0, 2.0, 4.0)), (0, ROWS // 2, ROWS // 2, 0, 0, 0))
    features: tuple[Feature, ...] = tuple(msgspec.structs.replace(one, baseline=halves) for one in manifest.features)
    labels = Baseline(CategoryBins(("0", "1")), (ROWS // 2, ROWS // 2, 0, 0))
    provenance = msgspec.structs.replace(manifest.provenance, training_rows=ROWS, holdout_rows=ROWS)
    return {
        "features": features,
        "outputs": Classification((0, 1), labels),
        "metrics": {"accuracy": Metric(0.9, 0.9)},
        "provenance": provenance,
    }


@dataclass
class Fleet:
    """Devices by name, each with its group; all run the one bundle."""

    database: Database
    bundle: KnownBundle
    _ids: dict[str, int] = field(default_factory=dict)
    _groups: dict[str, str] = field(default_factory=dict)
    _revision: int = 0

    def enrol(self, *names: str, group: str = "") -> None:
        """Make devices known, which run the bundle."""
        with self.database.begin() as connection:
            for name in names:
                row = {"name": name, "key": "none", "group_name": group, "enrolled": ENROLLED}
                number = connection.execute(insert(devices).values(**row).returning(devices.c.id)).scalar_one()
                self._ids[name], self._groups[name] = number, group
                one = {"device_id": number, "model": self.bundle.model, "version": self.bundle.version}
                connection.execute(insert(states).values(**one, digest=self.bundle.digest, content=b"{}"))

    def count(
        self, day: str, names: Iterable[str] | None = None, temp: Slots = STRAIGHT, load: Slots = STRAIGHT
    ) -> None:
        """Let devices, all when none is named, have counted on `day`."""
        self._revision += 1
        rows, label = sum(temp), (sum(temp) // 2, sum(temp) - sum(temp) // 2, 0, 0)
        layout = self.bundle.layout
        row = row_of(layout, rows, {"ok": rows}, {"temp": temp, "load": load}, {"labels": label}, {}, ())
        states_ = [
            State((self._ids[name], self.bundle.id, "e", day), self._groups[name], self._revision, row)
            for name in (self._ids if names is None else names)
        ]
        with self.database.begin() as connection:
            put(connection, states_, {self.bundle.id: layout})

    def label(self, day: str, name: str, rows: int, right: int) -> None:
        """Let labels have come for what one device said on `day`: so many of them as it had said."""
        self._revision += 1
        subject = Subject.of(self.bundle.manifest, self.bundle.digest)
        wrong = rows - right
        counts = OutcomeCounts(rows, tuple(cell for cell in ((0, 0, right), (0, 1, wrong)) if cell[2]))
        window = Window(day, Span.DAY)
        outcome = Outcome("hakobu.outcome/1", name, subject.model, window, self._revision, "e", subject.unit, counts)
        key = (self._ids[name], self.bundle.id, "e", day)
        state = OutcomeState(key, self._groups[name], self._revision, counts, encode(outcome))
        with self.database.begin() as connection:
            put_outcomes(connection, [state])

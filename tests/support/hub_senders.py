"""Devices that send parcels to a hub, honest ones and others."""

from datetime import UTC, datetime
from itertools import count

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec

from hakobu.hub.database import Database
from hakobu.hub.devices import enrol
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.outcome import SCHEMA as OUTCOME
from hakobu_runtime.format.outcome import Outcome, Subject, counts_of
from hakobu_runtime.format.parcel import SCHEMA, ModelState, Parcel
from hakobu_runtime.format.tally import SCHEMA as TALLY
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import PrivateKey
from hakobu_runtime.uplink.parcel import pack_parcel

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SPANS = {13: Span.HOUR, 10: Span.DAY, 7: Span.MONTH}
KEY = PrivateKey(ec.derive_private_key(7, ec.SECP256R1()))
"""Of all senders that need no key of their own; the same in every process."""


class Sender:
    """A device that counts what a test tells it to."""

    def __init__(self, name: str, manifest: Manifest, digest: str, key: PrivateKey = KEY) -> None:
        self.name, self.manifest, self.key = name, manifest, key
        self.model = ModelName(manifest.name, manifest.version, digest)
        self.serials = count(1)

    @classmethod
    def of(cls, name: str, bundle: Bundle, key: PrivateKey = KEY) -> "Sender":
        """Return a device that has `bundle`."""
        return cls(name, bundle.manifest, bundle.digest, key)

    def enrol(self, database: Database, group: str = "", now: datetime = NOW) -> "Sender":
        """Be known to the hub."""
        with database.begin() as connection:
            enrol(connection, self.name, self.key.public.pem.decode(), group, now)
        return self

    def tally(self, start: str, rows: int, revision: int = 1, epoch: str = "e", seed: int = 0) -> Tally:
        """Return counts of `rows` rows, which depend on `seed`."""
        rng = np.random.default_rng((rows, seed))

        def spread(slots: int) -> tuple[int, ...]:
            return tuple(rng.multinomial(rows, np.full(slots, 1 / slots)).tolist())

        outputs = {"labels": self.manifest.outputs.labels} if hasattr(self.manifest.outputs, "labels") else {}
        if self.manifest.outputs.scores is not None:
            outputs["scores"] = self.manifest.outputs.scores
        warned = rows // 3
        features = {feature.name: spread(feature.baseline.bins.size) for feature in self.manifest.features}
        breaches = {self.manifest.features[0].name: {"above range": warned}} if warned else {}
        return Tally(
            TALLY,
            self.name,
            self.model,
            Window(start, SPANS[len(start)]),
            revision,
            rows,
            {"ok": rows - warned, "warned": warned, "clipped": 0, "rejected": 0},
            features,
            {name: spread(one.bins.size) for name, one in outputs.items()},
            breaches,
            (*(0,) * 4, rows, *(0,) * 7),
            epoch,
        )

    def outcome(self, start: str, rows: int, revision: int = 1, epoch: str = "e", seed: int = 0) -> Outcome:
        """Return what became of `rows` predictions of a classifier of two classes, which depends on `seed`."""
        rng = np.random.default_rng((rows, seed))
        subject = Subject.of(self.manifest, self.model.digest)
        scores, truths = rng.random(rows), rng.integers(0, 2, rows).astype(np.float64)
        counts = counts_of(subject, (scores > 0.5).astype(np.int64), scores, truths)
        return Outcome(OUTCOME, self.name, self.model, Window(start, Span.DAY), revision, epoch, subject.unit, counts)

    def parcel(self, *tallies: Tally, now: datetime = NOW, serial: int | None = None, **more: object) -> Parcel:
        """Return a parcel of these counts."""
        fields = {"models": (ModelState(self.model.name),), **more}
        return Parcel(
            SCHEMA,
            self.name,
            self.key.public.pem.decode(),
            next(self.serials) if serial is None else serial,
            now.isoformat(timespec="seconds"),
            "0.1.0",
            "Linux",
            tallies=tallies,
            **fields,  # type: ignore[arg-type]
        )

    def pack(self, *tallies: Tally, outcomes: tuple[Outcome, ...] = (), **more: object) -> bytes:
        """Return a parcel of these counts, signed."""
        return pack_parcel(self.parcel(*tallies, outcomes=outcomes, **more), self.key)  # type: ignore[arg-type]

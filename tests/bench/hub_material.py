"""A model of twenty features, and the parcels of a fleet that counted with it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.format.background import Background
from hakobu_runtime.format.feature import Baseline, Categories, Feature, Kind, Missing, Policy, Range
from hakobu_runtime.format.golden import Golden
from hakobu_runtime.format.histogram import Bins, CategoryBins, NumberBins
from hakobu_runtime.format.manifest import Classification, Dtype, Manifest, Provenance, Tensors
from hakobu_runtime.format.parcel import SCHEMA, Parcel
from hakobu_runtime.format.tally import SCHEMA as TALLY
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.validation import Validation
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import Pin
from hakobu_runtime.uplink.parcel import pack_parcel
from hub_senders import KEY

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EACH = 100
"""Windows in a parcel: four days by the hour."""
GROUPS = 10
_DIGEST = "ab" * 32
_ROWS = 240
"""Scored in an hour."""
_KINDS = 500
"""So many different counts; which of them a window has does not matter."""


def manifest() -> Manifest:
    """Return the manifest: fourteen numbers by deciles and more, six categories, a class and its probability."""
    numbers, categories = NumberBins(tuple(map(float, range(13)))), CategoryBins(tuple("abcdefghijkl"))
    features = tuple(
        Feature(
            name=f"feature-{place}",
            kind=Kind.CATEGORY if place >= 14 else Kind.NUMBER,
            column=f"feature-{place}",
            policy=Policy.WARN,
            missing=Missing.EXPECTED,
            baseline=_even(categories if place >= 14 else numbers),
            range=None if place >= 14 else Range(0.0, 12.0),
            categories=Categories(categories.categories, True) if place >= 14 else None,
        )
        for place in range(20)
    )
    outputs = Classification(
        (0, 1), _even(CategoryBins(("0", "1"))), _even(NumberBins(tuple(place / 10 for place in range(11))))
    )
    return Manifest(
        schema="hakobu.manifest/1",
        name="bench",
        version="1.0.0",
        min_runtime="0.1.0",
        target="late",
        dtype=Dtype.FLOAT32,
        tensors=Tensors("numbers", "strings", label="label", probabilities="probabilities"),
        features=features,
        outputs=outputs,
        provenance=Provenance("0" * 64, "1" * 64, 10, 5, 0, "3.11.0", {}),
    )


def bundle() -> Bundle:
    """Return a bundle of that manifest, which holds nothing else."""
    nothing = cast(Any, None)
    empty = Validation("hakobu.validation/1", ())
    return Bundle(
        Path("bench.hako"), _DIGEST, manifest(), b"", cast(Golden, nothing), cast(Background, nothing), empty, "", b"",
        Pin(KEY.public),
    )  # fmt: skip


def name_of(device: int) -> str:
    """Return the name of a device."""
    return f"device-{device:06d}"


def parcels(devices: range, turn: int = 1) -> Iterator[bytes]:
    """Yield the parcel of each device: its last hundred hours, as they stand after so many turns."""
    found = manifest()
    kinds = [_counts(found, kind) for kind in range(_KINDS)]
    model, key = ModelName(found.name, found.version, _DIGEST), KEY.public.pem.decode()
    hours = [Window.of(NOW - timedelta(hours=back), Span.HOUR) for back in range(EACH)]
    for device in devices:
        tallies = tuple(
            Tally(
                TALLY, name_of(device), model, hour, turn, _ROWS, *kinds[(device * EACH + place + turn) % _KINDS], "e"
            )
            for place, hour in enumerate(hours)
        )
        yield pack_parcel(
            Parcel(SCHEMA, name_of(device), key, turn, NOW.isoformat(), "0.1.0", "Linux", tallies=tallies), KEY
        )


def _counts(found: Manifest, kind: int) -> tuple[Any, Any, Any, Any, Any]:
    """Return what a tally of one hour counts, from its verdicts to its latency."""
    rng = np.random.default_rng(kind)

    def spread(size: int) -> tuple[int, ...]:
        return tuple(rng.multinomial(_ROWS, rng.dirichlet(np.ones(size))).tolist())

    features = {feature.name: spread(feature.baseline.bins.size) for feature in found.features}
    outputs = {"labels": spread(4), "scores": spread(14)}
    warned = int(rng.integers(0, 9))
    breaches = {"feature-3": {"above range": warned}} if warned else {}
    return {"ok": _ROWS - warned, "warned": warned}, features, outputs, breaches, (*(0,) * 5, _ROWS, *(0,) * 6)


def _even(bins: Bins) -> Baseline:
    return Baseline(bins, (100,) * bins.size)

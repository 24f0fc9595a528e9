"""Odd devices: every planted one is found, and no honest one, however its site differs."""

from collections.abc import Mapping

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom

from hakobu.fleet.likeness import chance
from hakobu.fleet.odd import ALPHA, Oddness, odd
from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.feature import Baseline, Categories, Feature, Kind, Missing, Policy, Range
from hakobu_runtime.format.histogram import CategoryBins, Counts, NumberBins
from hakobu_runtime.format.manifest import Manifest

BINS = NumberBins(tuple(float(edge) for edge in range(11)))
TRAINED = (0, *[1000] * 10, 0, 20, 0)
USUAL = np.array(TRAINED) / sum(TRAINED)


@pytest.fixture
def manifest(tiny_manifest: Manifest) -> Manifest:
    """Five sensors of ten bins, and a category."""
    sensors = [
        Feature(
            name=f"sensor {number}",
            kind=Kind.NUMBER,
            column=f"sensor {number}",
            policy=Policy.WARN,
            missing=Missing.EXPECTED,
            baseline=Baseline(BINS, TRAINED),
            range=Range(0, 10),
        )
        for number in range(5)
    ]
    line = Feature(
        name="line",
        kind=Kind.CATEGORY,
        column="line",
        policy=Policy.WARN,
        missing=Missing.EXPECTED,
        baseline=Baseline(CategoryBins(("a", "b", "c")), (4000, 3000, 2000, 1000, 20)),
        categories=Categories(("a", "b", "c", "d"), scores_unknown=True),
    )
    tensors = msgspec.structs.replace(tiny_manifest.tensors, strings="strings")
    return msgspec.structs.replace(tiny_manifest, features=(*sensors, line), tensors=tensors)


def drawn(manifest: Manifest, rng: np.random.Generator, rows: int, spread: float = 0.0) -> WindowCounts:
    """What a device counts whose shares differ from training's, the more the larger `spread` is (Dirichlet's)."""
    found = WindowCounts(rows=rows)
    for feature in manifest.features:
        shares = np.array(feature.baseline.counts) / sum(feature.baseline.counts)
        if spread:
            shares = rng.dirichlet(shares / spread + 1e-6)
        found.features[feature.name] = rng.multinomial(rows, shares)
    return found


def fleet(
    manifest: Manifest, many: int, rows: int = 200, spread: float = 0.0, seed: int = 0
) -> dict[str, WindowCounts]:
    rng = np.random.default_rng(seed)
    return {f"device-{number:02}": drawn(manifest, rng, rows, spread) for number in range(many)}


def only(slot: int, rows: int = 200) -> Counts:
    counts = np.zeros(BINS.size, dtype=np.int64)
    counts[slot] = rows
    return counts


PLANTED: Mapping[Oddness, Counts] = {
    Oddness.MISSING: only(BINS.missing),
    Oddness.INVALID: only(BINS.invalid),
    Oddness.OUTSIDE: only(11),
    Oddness.FROZEN: only(4),
    Oddness.APART: np.array([0, *[0] * 7, 60, 70, 70, 0, 0, 0]),
}


@pytest.mark.parametrize("many", [3, 10, 100])
@pytest.mark.parametrize("kind", [Oddness.MISSING, Oddness.INVALID, Oddness.OUTSIDE])
def test_a_broken_input_of_one_device_is_found_and_no_other(manifest: Manifest, kind: Oddness, many: int) -> None:
    by_device = fleet(manifest, many)
    by_device["device-01"].features["sensor 2"] = PLANTED[kind]
    assert [(one.device, one.feature, one.kind) for one in odd(manifest, by_device)] == [
        ("device-01", "sensor 2", kind)
    ]


@pytest.mark.parametrize("many", [10, 100])
@pytest.mark.parametrize("kind", [Oddness.FROZEN, Oddness.APART])
def test_a_sensor_that_stands_still_or_is_off_is_found_and_no_other(
    manifest: Manifest, kind: Oddness, many: int
) -> None:
    by_device = fleet(manifest, many)
    by_device["device-01"].features["sensor 2"] = PLANTED[kind]
    assert [(one.device, one.feature, one.kind) for one in odd(manifest, by_device)] == [
        ("device-01", "sensor 2", kind)
    ]


def test_no_honest_device_of_thousands_is_odd(manifest: Manifest) -> None:
    """100 months of thirty devices, alike or each with shares of its own: 3,000 device-months, 18,000 features."""
    found = [
        one
        for month in range(100)
        for one in odd(manifest, fleet(manifest, 30, 100, (0.0, 0.02, 0.05)[month % 3], month))
    ]
    assert len(found) <= 1 + 100 * ALPHA, [one.words for one in found[:3]]


def test_what_many_devices_show_is_the_fleets_drift_and_nobodys_oddity(manifest: Manifest) -> None:
    by_device = fleet(manifest, 20)
    for number in range(20):
        by_device[f"device-{number:02}"].features["sensor 0"] = only(11)
    assert odd(manifest, by_device) == ()
    for number in range(15):
        by_device[f"device-{number:02}"].features["sensor 0"] = drawn(manifest, np.random.default_rng(9), 200).features[
            "sensor 0"
        ]
    assert odd(manifest, by_device) == (), "five of twenty are a group, not an oddity"


def test_a_device_that_is_as_in_training_is_not_odd_when_the_others_are_not(manifest: Manifest) -> None:
    by_device = fleet(manifest, 10)
    for device in list(by_device)[1:]:
        by_device[device].features["sensor 0"] = only(11)
    assert odd(manifest, by_device) == ()


def test_each_site_may_have_values_of_its_own(manifest: Manifest) -> None:
    by_device = fleet(manifest, 10)
    for number in range(10):
        by_device[f"device-{number:02}"].features["sensor 0"] = only(number + 1)
        by_device[f"device-{number:02}"].features["line"] = (
            np.array([0, 200, 0, 0, 0]) if number else np.array([200, 0, 0, 0, 0])
        )
    assert odd(manifest, by_device) == ()


def test_codes_that_training_does_not_know_are_odd_and_a_sites_own_category_is_not(manifest: Manifest) -> None:
    by_device = fleet(manifest, 10)
    by_device["device-00"].features["line"] = np.array([0, 0, 200, 0, 0])
    by_device["device-01"].features["line"] = np.array([0, 0, 0, 200, 0])
    (found,) = odd(manifest, by_device)
    assert (found.device, found.kind) == ("device-01", Oddness.OUTSIDE)


def test_of_one_device_nothing_is_told_and_of_two_what_does_not_reach_one(manifest: Manifest) -> None:
    one, two = fleet(manifest, 1), fleet(manifest, 2)
    for by_device in (one, two):
        by_device["device-00"].features["sensor 2"] = PLANTED[Oddness.MISSING]
    assert odd(manifest, one) == ()
    assert [found.kind for found in odd(manifest, two)] == [Oddness.MISSING]
    two["device-00"].features["sensor 2"] = PLANTED[Oddness.OUTSIDE]
    assert odd(manifest, two) == (), "which of the two is right nobody knows"


def test_few_rows_say_nothing(manifest: Manifest) -> None:
    by_device = fleet(manifest, 10)
    by_device["device-01"] = drawn(manifest, np.random.default_rng(1), 20)
    by_device["device-01"].features["sensor 2"] = only(BINS.missing, 20)
    assert odd(manifest, by_device) == ()


def test_counts_over_other_slots_are_refused_with_the_name_of_the_device(manifest: Manifest) -> None:
    by_device = fleet(manifest, 3)
    by_device["device-01"].features["sensor 2"] = np.zeros(3, dtype=np.int64)
    with pytest.raises(FormatError, match="device device-01: sensor 2: 3 counts for 14 slots"):
        odd(manifest, by_device)


@settings(max_examples=60)
@given(st.integers(1, 3000), st.floats(0, 1), st.floats(0.001, 0.999), st.integers(2, 40))
def test_chance_is_the_tail_of_a_beta_binomial_distribution(rows: int, part: float, usual: float, many: int) -> None:
    hits, others = round(rows * part), np.full(many, 1000)
    told = np.full(many, round(1000 * usual))
    share = (told.sum() + 0.5) / (others.sum() + 1)
    alike = min(20.0, 4 + 2 * (many - 2))
    scaled, most = (hits, rows) if rows <= 2000 else (hits * 2000 // rows, 2000)
    # Not by sf, which is 1 - cdf, and so has nothing left of what is smaller than 1e-12.
    expected = betabinom.pmf(np.arange(scaled, most + 1), most, share * alike, (1 - share) * alike).sum()
    assert chance(hits, rows, told, others) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_devices_that_differ_make_the_same_share_more_probable() -> None:
    alike, apart = np.full(20, 100), np.array([0, 200] * 10)
    rows = np.full(20, 1000)
    assert chance(600, 1000, alike, rows) < 1e-4 < chance(600, 1000, apart * 4, rows)

"""How often an honest device is called odd, and how often a broken one is found: on real flights, month by month."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from alarms_flights import Flights
from hakobu.fleet.judging import judge_fleet
from hakobu.fleet.odd import FEWEST, odd
from hakobu_runtime.format.histogram import NumberBins
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.window import Span, Window

Slots = NDArray[np.int64]
SENSORS = ("temp", "dewp", "humid", "pressure", "wind_speed")

BROKEN: Mapping[str, Callable[[NumberBins, Slots], Slots]] = {
    "its values do not reach the device": lambda bins, slots: np.full_like(slots, bins.missing),
    "they are no numbers": lambda bins, slots: np.full_like(slots, bins.invalid),
    "another unit: all below the range": lambda bins, slots: np.where(slots < bins.missing, 0, slots),
    "the sensor stands still": lambda bins, slots: np.full_like(slots, len(bins.edges) // 2),
    "it is off by seven tenths": lambda bins, slots: np.where(slots < bins.missing, np.maximum(slots - 7, 0), slots),
}


def print_odd(manifest: Manifest, flights: Flights, rng: np.random.Generator) -> None:
    """Print what is found in honest fleets, however they are split, and in those with one broken sensor."""
    months = np.array([day[:7] for day in flights.days])
    every = [np.flatnonzero(months == month) for month in np.unique(months)]
    print(f"\nOdd features of devices in honest fleets, {len(every)} months")
    for name, devices in _splits(flights, rng).items():
        seen, strange = 0, 0
        for rows in every:
            by_device = {str(one): flights.count(rows[devices[rows] == one]) for one in np.unique(devices[rows])}
            seen += len(by_device)
            strange += len(odd(manifest, by_device))
        days, odd_days = _by_day(manifest, flights, devices)
        print(f"{name:<44}{seen:>6} device-months{strange:>6} odd{days:>8} device-days{odd_days:>6} odd")
    print(f"\nBroken sensors that are found: one of {', '.join(SENSORS)} on one device, in each of the months")
    print(f"{'':<44}{'of 3 devices':>26}{'of 10':>26}{'of 30':>26}")
    for what in BROKEN:
        found = [_found(manifest, flights, every, what, many, rng) for many in (3, 10, 30)]
        told = "".join(f"{f'{hits} of {tries} (others: {others})':>26}" for hits, tries, others in found)
        print(f"{what:<44}{told}")


def _by_day(manifest: Manifest, flights: Flights, devices: NDArray[np.str_]) -> tuple[int, int]:
    """Return on how many days devices had rows enough to be looked at, and how many features were odd on one alone."""
    counted = {
        str(one): {
            Window(day, Span.DAY): flights.count(rows)
            for day, rows in flights.by_day(np.flatnonzero(devices == one)).items()
        }
        for one in np.unique(devices)
    }
    looked = sum(counts.rows >= FEWEST for windows in counted.values() for counts in windows.values())
    periods = judge_fleet(manifest, counted, Span.MONTH)
    return looked, sum(len(one.days) for period in periods for one in period.odd)


def _splits(flights: Flights, rng: np.random.Generator) -> dict[str, NDArray[np.str_]]:
    """Return which device each row is of, in several ways."""
    carrier, origin, many = flights.of("carrier").astype(str), flights.of("origin").astype(str), len(flights)
    return {
        "rows at random over 10 devices": rng.integers(0, 10, many).astype(str),
        "rows at random over 100 devices": rng.integers(0, 100, many).astype(str),
        "a device for each carrier": carrier,
        "a device for each airport": origin,
        "a device for each carrier at each airport": np.char.add(carrier, origin),
        "ten devices at each airport": np.char.add(origin, rng.integers(0, 10, many).astype(str)),
        "a device for each hour of departure": flights.of("time.hour").astype(str),
    }


def _found(
    manifest: Manifest, flights: Flights, months: list[Slots], what: str, many: int, rng: np.random.Generator
) -> tuple[int, int, int]:
    """Return how often what is broken was found, of how many times, and how often something else was."""
    owner = rng.integers(0, many, len(flights))
    hits = tries = others = 0
    for rows in months:
        honest = {f"device {one}": flights.count(rows[owner[rows] == one]) for one in range(many)}
        mine = rows[owner[rows] == 0]
        for name in SENSORS:
            bins = next(one for one in manifest.features if one.name == name).number_bins
            slots = BROKEN[what](bins, flights.slots[name][mine])
            strange = odd(manifest, {**honest, "device 0": flights.count(mine, {name: slots})})
            told = sum(one.device == "device 0" and one.feature == name for one in strange)
            hits, tries, others = hits + told, tries + 1, others + len(strange) - told
    return hits, tries, others

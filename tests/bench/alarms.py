"""How often nothing is called drift, and how soon drift is: `python tests/bench/alarms.py BUNDLE KEY.pub FLIGHTS`.

FLIGHTS is the folder of the flights template: `data/2013-q1.parquet`, of which the bundle learned the first four
fifths, and `live/2013-04.parquet` to July. What is simulated is said in the table: a device-day is a real day, drawn
again and again, and so many of its rows. Outputs are told of unseen days alone: of those learned from, a model says
other things than of the hold-out, which they are held against. Flights that were cancelled have no label, so none of
them was learned. The days of April are as they were.
"""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alarms_fleet import read_truths
from alarms_flights import Flights, Rows, read_flights
from alarms_odd import print_odd
from hakobu.fleet.judging import judge_fleet
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.format.drift import Judgement
from hakobu_runtime.format.periods import Period, is_output, judge_period
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import Keyring, Pin, PublicKey

DEVICES, DAYS = 10, 365

Draw = Callable[[], Rows]


def main(bundle_path: Path, key: Path, folder: Path) -> None:
    """Print the table."""
    pin = Pin(PublicKey.from_pem(key.read_bytes(), str(key)))
    bundle = open_bundle(bundle_path, Keyring((pin,)))
    winter = read_flights(bundle, [folder / "data" / "2013-q1.parquet"])
    rng = np.random.default_rng(2013)
    labelled = ~np.isnan(read_truths([folder / "data" / "2013-q1.parquet"]))
    learned, unseen = _days(bundle, winter, labelled)
    print(f"{bundle.manifest.name}: {len(learned)} days learned from, {len(unseen)} unseen of the same season")
    print(f"\nFalse alarms in a year of {DEVICES} devices, each by itself: {DEVICES * DAYS:,} device-days a line")
    print(f"{'rows of a device-day':<44}{'rows':>6}{'too few':>10}{'inputs':>9}{'outputs':>9}   most often")
    for rows in (22, 110, 200):
        draws: dict[str, Draw] = {
            "any rows of the days learned from": _any_rows(learned, rows, rng),
            "rows of one day learned from": _of_a_day(learned, rows, rng),
            "rows of one unseen day": _of_a_day(unseen, rows, rng),
        }
        for name, draw in draws.items():
            counted = (winter.count(draw()) for _ in range(DEVICES * DAYS))
            _print_line(name, rows, [judge_period(bundle.manifest, _DAY, counts) for counts in counted])
    print("\nThe same, judged as one fleet: its devices share the rows of a real day")
    _print_line("each day learned from, as it was", 0, _fleet_days(bundle, winter, learned))
    _print_line("each unseen day, as it was", 0, _fleet_days(bundle, winter, unseen))
    april, *rest = sorted((folder / "live").glob("*.parquet"))
    print_odd(bundle.manifest, read_flights(bundle, [folder / "data" / "2013-q1.parquet", april, *rest]), rng)
    _print_april(bundle, read_flights(bundle, [april]), rng)


_DAY = Window("2013-02-01", Span.DAY)
"""Which day it is makes no difference to a judgement."""


def _days(bundle: Bundle, flights: Flights, labelled: NDArray[np.bool_]) -> tuple[list[Rows], list[Rows]]:
    """Return the rows of each day that the model learned from, and all of each day after that."""
    last = (bundle.manifest.provenance.training_end or "")[:10]
    days = flights.by_day(np.arange(len(flights)))
    learned = [rows[labelled[rows]] for day, rows in days.items() if day < last]
    return [rows for rows in learned if len(rows)], [rows for day, rows in days.items() if day > last]


def _any_rows(days: Sequence[Rows], many: int, rng: np.random.Generator) -> Draw:
    every = np.concatenate(days)
    return lambda: rng.choice(every, many, replace=False)


def _of_a_day(days: Sequence[Rows], many: int, rng: np.random.Generator) -> Draw:
    def draw() -> Rows:
        rows = days[int(rng.integers(len(days)))]
        return rng.choice(rows, min(many, len(rows)), replace=False)

    return draw


def _fleet_days(bundle: Bundle, flights: Flights, days: Sequence[Rows]) -> list[Period]:
    return [judge_period(bundle.manifest, _DAY, flights.count(rows)) for rows in days]


def _print_line(name: str, rows: int, periods: Sequence[Period]) -> None:
    found = [{one.name for one in period.findings if one.judgement is Judgement.ALARM} for period in periods]
    outputs = "unseen" in name
    alarms = Counter(one for names in found for one in names if outputs or not is_output(one))
    silent = sum(all(one.judgement is Judgement.INSUFFICIENT for one in period.findings) for period in periods)
    inputs = sum(period.inputs_drifted for period in periods)
    said = f"{sum(any(map(is_output, names)) for names in found) / len(found):.2%}" if outputs else ""
    most = ", ".join(f"{one} {many}" for one, many in alarms.most_common(2))
    print(f"{name:<44}{rows or '':>6}{silent / len(found):>10.0%}{inputs / len(found):>9.2%}{said:>9}   {most}")


def _print_april(bundle: Bundle, flights: Flights, rng: np.random.Generator) -> None:
    """Print day by day what a fleet of ten devices, which share April's flights, says of the temperature."""
    print(f"\nTemperature in April, {DEVICES} devices that share the flights of each day")
    print(f"{'day':<12}{'rows':>6}{'above all of training':>24}{'PSI*':>8}{'usual':>8}  judgement")
    bins = next(one for one in bundle.manifest.features if one.name == "temp").number_bins
    for day, rows in list(flights.by_day(np.arange(len(flights))).items())[:12]:
        owner = rng.integers(0, DEVICES, len(rows))
        window = Window(day, Span.DAY)
        devices = {f"device {one}": {window: flights.count(rows[owner == one])} for one in range(DEVICES)}
        (period,) = judge_fleet(bundle.manifest, devices, Span.DAY)
        found = next(one for one in period.judged.findings if one.name == "temp")
        above = period.counts.features["temp"][len(bins.edges)] / period.counts.rows
        far = f"{found.debiased:>8.2f}{found.threshold:>8.2f}"
        print(f"{day:<12}{len(rows):>6}{above:>24.0%}{far}  {found.judgement.value}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))

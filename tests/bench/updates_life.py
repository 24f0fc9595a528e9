"""What becomes of each simulated device, day by day: drawn from a seed, before anything is decided."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from updates_counts import SLOTS
from updates_depot import START

BUNDLES = (".hako", ".patch")
METADATA = ("timestamp", "snapshot", "targets.json", ".pumps.json", "channels/")
CUTS = (*METADATA, *BUNDLES * 6)
"""Which file breaks off when a download is cut: any of the metadata, the channel, the bundle, a patch."""
_MOST = 14
"""Batches on one day."""


class Breaks(StrEnum):
    """What the bad release does on a device."""

    NOTHING = "nothing"
    GOLDEN = "golden rows"
    """This processor computes something else."""
    REJECTS = "rejects"
    """Its sensor gives what the release rejects."""
    CRASHES = "crashes"


class Look(NamedTuple):
    """One look at the depot."""

    age: int
    """How many days ago the stick was written; 0 for the network."""
    cut: str
    """Which file breaks off; "" for none."""
    carrier: bool
    """Whether this is a stick."""


class Day(NamedTuple):
    """What a device does on one day: score, and then look at the depot, or not."""

    device: int
    batches: NDArray[np.int8]
    """How many rows of each batch fall into each slot; batches x slots."""
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Life:
    """One device: what it is like, and what happens to it."""

    number: int
    name: str
    joined: int
    """The day on which its program is started first."""
    breaks: Breaks
    wrong: int
    """The year that its clock says while it is wrong; 0 for a clock that is always right."""
    wrong_days: tuple[int, int]
    """From which day to which."""
    days: tuple[tuple[int, Day], ...]

    def clock(self, day: int) -> datetime:
        """Return what its clock says at noon of `day`."""
        if self.wrong and self.wrong_days[0] <= day < self.wrong_days[1]:
            return datetime(self.wrong, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
        return START + timedelta(days=day, hours=6)


def draw_life(seed: int, number: int, days: int) -> Life:
    """Draw the life of one device over so many days."""
    rng = np.random.default_rng((seed, number))
    joined = 0 if rng.random() < 0.93 else int(rng.integers(1, max(2, days * 3 // 4)))
    breaks = rng.choice(list(Breaks), p=[0.58, 0.12, 0.24, 0.06])
    wrong = int(rng.choice([0, 2000, 2100], p=[0.9, 0.05, 0.05]))
    since = int(rng.integers(0, days))
    until = days if rng.random() < 0.2 else since + int(rng.integers(5, 90))
    name = hashlib.sha256(f"{seed} {number}".encode()).hexdigest()[:24]
    plan = _plan(rng, number, joined, days)
    return Life(number, name, joined, Breaks(breaks), wrong, (since, until), plan)


def _plan(rng: np.random.Generator, number: int, joined: int, days: int) -> tuple[tuple[int, Day], ...]:
    """Draw on which days the device scores and looks; nothing happens while it sleeps."""
    by_stick = rng.random() < 0.25
    rarely = float(np.clip(rng.lognormal(2.7, 0.7), 2, 60)) * (2 if by_stick else 1)
    asleep = (0, 0)
    if rng.random() < 0.2:
        start = int(rng.integers(0, days))
        asleep = (start, start + int(rng.integers(days // 12, days * 2 // 3)))
    scores = rng.random(days) < 0.07
    looks = rng.random(days) < 1 / rarely
    rows = rng.integers(0, 9, (days, _MOST, SLOTS), dtype=np.int8)
    many = np.where(scores, rng.integers(6, _MOST + 1, days), 0)
    found = []
    for day in range(joined, days):
        if asleep[0] <= day < asleep[1] or not (scores[day] or looks[day]):
            continue
        batches = rows[day, : many[day]].copy()  # not the rows of the whole life, which would be kept with it
        found.append((day, Day(number, batches, _looks(rng, by_stick, day) if looks[day] else ())))
    return tuple(found)


def _looks(rng: np.random.Generator, by_stick: bool, day: int) -> tuple[Look, ...]:
    """Draw a look; one in eight breaks off, and a stick may come late, and twice on a day."""
    cut = str(rng.choice(CUTS)) if rng.random() < 0.125 else ""
    if not by_stick and rng.random() > 0.05:
        return (Look(0, cut, carrier=False),)
    age = min(day, int(rng.exponential(14)))
    again = (Look(age, "", carrier=True),) if rng.random() < 0.2 else ()
    return (Look(age, cut, carrier=True), *again)

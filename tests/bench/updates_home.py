"""The way home of the counts: at once, late, twice, in any order, or never; and the sum of all rows beside them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from hakobu_runtime.device.slots import Slot
from hakobu_runtime.format.tally import Tally
from updates_counts import NOTHING, Batch, Counted
from updates_device import Device
from updates_merge import Merged, Origin


class Parcel(NamedTuple):
    """What one device sent at one time."""

    device: Device
    tallies: tuple[Tally, ...]
    failed: frozenset[str]
    """Digests that it holds back."""


@dataclass(slots=True)
class Home:
    """Where parcels come in, and what is under way."""

    rng: np.random.Generator
    merged: Merged = field(default_factory=Merged)
    failures: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """For each digest, the devices that said that they hold it back."""
    rows: dict[Origin, Batch] = field(default_factory=dict)
    """All rows that were scored: counted where they arose, once."""
    came: dict[Origin, Batch] = field(default_factory=dict)
    """What the merge of all that came holds; known when all was gathered."""
    told: Counter[str] = field(default_factory=Counter)
    """How many parcels and tallies came, late, twice, or not at all."""
    _coming: defaultdict[int, list[Parcel]] = field(default_factory=lambda: defaultdict(list))
    _receipts: defaultdict[int, list[tuple[int, tuple[Tally, ...]]]] = field(default_factory=lambda: defaultdict(list))

    def count(self, device: Device, slot: Slot, batch: Batch) -> None:
        """Remember rows that are scored, apart from what the device counts."""
        origin = device.life.name, slot.digest
        self.rows[origin] = self.rows.get(origin, NOTHING).plus(batch)

    def send(self, device: Device, day: int, *, stick: bool) -> None:
        """Send what a device has to tell: over the network at once, on a stick some days later."""
        counted = device.counted
        if not isinstance(counted, Counted):
            raise TypeError("only what is counted in memory is sent")
        receipts = self._receipts[device.life.number]
        for receipt in [receipt for receipt in receipts if receipt[0] <= day]:
            counted.settle(receipt[1])
            receipts.remove(receipt)
        parcel = Parcel(device, tuple(counted.unsent()), device.failed)
        self.told["parcels"] += 1
        self.told["parcels on sticks"] += stick
        rng = self.rng
        if stick and rng.random() < 0.1:
            self.told["parcels lost"] += 1
            return
        self._put(parcel, day + (1 + int(rng.exponential(20)) if stick else 0))
        if rng.random() < 0.2:
            self.told["parcels doubled"] += 1
            self._put(parcel, day + int(rng.exponential(30)))

    def take(self, day: int) -> None:
        """Take in what comes on `day`."""
        self._take(self._coming.pop(day, ()))

    def gather(self, devices: Iterable[Device]) -> None:
        """Take in all that is still under way, and what every device has left, twice and in any order."""
        parcels = [parcel for late in self._coming.values() for parcel in late]
        for device in devices:
            if isinstance(device.counted, Counted):
                parcels += [Parcel(device, tuple(device.counted.unsent()), device.failed)] * 2
        self._coming.clear()
        self._take(parcels[place] for place in self.rng.permutation(len(parcels)))
        self.came = self.merged.totals()

    def compared(self) -> Iterator[tuple[bool, str]]:
        """Yield for each device and bundle whether what was merged is what was scored, and both in words."""
        for origin in sorted({*self.came, *self.rows}):
            one, other = self.rows.get(origin, NOTHING), self.came.get(origin, NOTHING)
            same = (one.slots, one.rejected) == (other.slots, other.rejected)
            words = f"device {origin[0]}, {origin[1][:8]}: {other.rows:,} rows came home, {one.rows:,} were scored"
            yield same, words

    def _put(self, parcel: Parcel, day: int) -> None:
        """Let a parcel come on `day`; its receipt goes lost once in ten times."""
        self._coming[day].append(parcel)
        if self.rng.random() < 0.9:
            self._receipts[parcel.device.life.number].append((day, parcel.tallies))

    def _take(self, parcels: Iterable[Parcel]) -> None:
        for parcel in parcels:
            self.told["tallies"] += len(parcel.tallies)
            self.merged.take(parcel.tallies)
            for digest in parcel.failed:
                self.failures[digest].add(parcel.device.life.number)

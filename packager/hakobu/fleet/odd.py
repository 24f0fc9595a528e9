"""Devices whose counts are odd, told apart from a fleet that drifts: a sensor that stands still, a unit mixed up.

**The rule.** For each feature, each device is held against the others by its share of rows in some slots: missing, not
a number, outside of the bins, one single bin, or one side of them. Honest devices differ, so the share of each is taken
as drawn from a beta distribution whose spread the other devices tell (the intraclass correlation by moments,
J. Kleinman, J. Am. Stat. Assoc. 68, 1973), and its rows from a binomial: how probable is it that a device like those
shows so many? Odd is what has a probability below `ALPHA`, over all devices, features and slots of the period together
(Bonferroni), and is large enough to matter.

**What keeps it honest.** Rows of one device hang together, and sites differ for good reasons that a period may not show
yet: devices are never taken to be more alike than `hakobu.fleet.likeness` says, so a thousand rows say little more than
twenty. An oddity is rare: what more than one device in ten shows is the fleet's, and stays in its drift. Which
categories a device sees is a matter of its site, and no oddity; those outside of training's are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from hakobu.fleet.likeness import chance
from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.drift import ALARM, share_text
from hakobu_runtime.format.feature import Feature, Kind
from hakobu_runtime.format.histogram import CategoryBins, Counts, edge_text
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.statistics import distance

ALPHA = 0.001
"""The probability that a period without any odd device shows one, over all devices and features together."""

FEWEST = 30
"""Rows below which nothing is said of a device."""


class Oddness(StrEnum):
    """In what a device is odd; in this order, the first that holds is told."""

    MISSING = "missing"
    INVALID = "invalid"
    OUTSIDE = "outside"
    FROZEN = "frozen"
    APART = "apart"


_MUCH, _STILL = 0.5, 0.95
"""The share of its rows that an odd device has in the slots, more than the others by as much; a frozen one has more."""

_RARE = 0.1
"""The share of the devices that can be odd in one way; a single one always can."""


@dataclass(frozen=True, slots=True)
class Oddity:
    """One feature of one device whose counts are not to be believed."""

    device: str
    feature: str
    kind: Oddness
    share: float
    """Of the device's rows, in the slots that tell it."""
    others: float
    """Of the rows of the other devices, in the same slots."""
    p_value: float
    """How probable such a share is in an honest device."""
    rows: int
    words: str
    days: tuple[str, ...] = ()
    """On which days, where it is odd on those alone: then `rows` are of all of them, the rest of the plainest one."""

    def when(self, start: str) -> tuple[str, ...]:
        """Return in what it is odd: its days, or else the period that starts at `start`."""
        return self.days or (start,)

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Trait:
    """Some slots that a device may have too much in."""

    kind: Oddness
    slots: NDArray[np.bool_]
    of: NDArray[np.bool_]
    """The slots that count as rows here: a share of the values alone, where `slots` are about values."""
    place: str
    """The slots as the end of a sentence about values."""


def odd(manifest: Manifest, by_device: Mapping[str, WindowCounts], alpha: float = ALPHA) -> tuple[Oddity, ...]:
    """Return what is odd in the counts of one period, by device and feature.

    `alpha` is how probable it may be that it shows any where none is. Of a single device nothing can be told, and of
    two only what does not reach one of them, if it did in training.

    Raises FormatError, which names the device, where counts do not fit the features.
    """
    if len(by_device) < 2:
        return ()
    devices = sorted(by_device)
    looks = [_Look(feature, _table(feature, devices, by_device)) for feature in manifest.features]
    each = alpha / max(sum(look.tests for look in looks), 1)
    found = [one.oddity(devices[one.row], look.feature) for look in looks for one in look.odd(each)]
    return tuple(sorted(found, key=lambda oddity: (oddity.device, oddity.feature)))


def _table(feature: Feature, devices: list[str], by_device: Mapping[str, WindowCounts]) -> Counts:
    """Return the counts of a feature, shape (devices, slots)."""
    size = feature.baseline.bins.size
    table = np.zeros((len(devices), size), dtype=np.int64)
    for row, device in enumerate(devices):
        counts = by_device[device].features.get(feature.name)
        if counts is not None and counts.shape != (size,):
            raise FormatError(f"device {device}: {feature.name}: {counts.size} counts for {size} slots")
        if counts is not None:
            table[row] = counts
    return table


def _traits(feature: Feature) -> Iterator[_Trait]:
    """Yield what is looked at in a feature, in the order of Oddness."""
    bins = feature.baseline.bins
    every = np.ones(bins.size, dtype=np.bool_)

    def only(*slots: int) -> NDArray[np.bool_]:
        mask = np.zeros(bins.size, dtype=np.bool_)
        mask[list(slots)] = True
        return mask

    yield _Trait(Oddness.MISSING, only(bins.missing), every, "are missing")
    if isinstance(bins, CategoryBins):
        yield _Trait(Oddness.OUTSIDE, only(bins.other), every, "are of no category that training knows well")
        return
    yield _Trait(Oddness.INVALID, only(bins.invalid), every, "are no numbers")
    top, labels = len(bins.edges), bins.labels()
    values = ~only(bins.missing, bins.invalid)
    for slot in (0, top):
        yield _Trait(Oddness.OUTSIDE, only(slot), values, f"are {labels[slot]}")
    if feature.kind is Kind.BOOLEAN:
        return
    for slot in range(1, top):
        yield _Trait(Oddness.FROZEN, only(slot), values, f"lie in one bin, {labels[slot]}")
    for slot in range(1, top):
        low, high = (edge_text(edge) for edge in bins.edges[slot - 1 : slot + 1])
        yield _Trait(Oddness.APART, only(*range(slot + 1)), values, f"are below {high}")
        yield _Trait(Oddness.APART, only(*range(slot, top + 1)), values, f"are {low} or more")


@dataclass(frozen=True, slots=True)
class _Found:
    """A device, by its row in the table, that is odd in a trait."""

    row: int
    trait: _Trait
    share: float
    others: float
    p_value: float
    rows: int

    def oddity(self, device: str, feature: Feature) -> Oddity:
        """Return it with its words."""
        words = (
            f"{share_text(self.share)} of its values of {feature.counted} {self.trait.place}, "
            f"of the other devices' {share_text(self.others)}: {_MEANING[self.trait.kind]}"
        )
        return Oddity(device, feature.name, self.trait.kind, self.share, self.others, self.p_value, self.rows, words)


_MEANING = {
    Oddness.MISSING: "they do not reach the device",
    Oddness.INVALID: "they are written in another way there",
    Oddness.OUTSIDE: "another unit, other codes, or a broken sensor",
    Oddness.FROZEN: "a sensor that stands still, or a site of its own kind",
    Oddness.APART: "a sensor that is off, or a site of its own kind",
}


class _Look:
    """The counts of one feature, a row a device, looked at trait by trait."""

    def __init__(self, feature: Feature, table: Counts) -> None:
        self.feature = feature
        self._table = table
        self._traits = tuple(_traits(feature))
        self._training = np.array(feature.baseline.counts, dtype=np.int64)

    @property
    def tests(self) -> int:
        """In how many ways a device can come out as odd by chance."""
        return len(self._traits) * int((self._table.sum(axis=1) >= FEWEST).sum())

    def odd(self, alpha: float) -> Iterator[_Found]:
        """Yield the devices that are odd, each in the first kind that holds, and there in what tells it best."""
        told: set[int] = set()
        for kind in Oddness:
            traits = [trait for trait in self._traits if trait.kind is kind]
            best: dict[int, _Found] = {}
            for one in self._of_kind(traits, alpha):
                if one.row not in told and (one.row not in best or one.p_value < best[one.row].p_value):
                    best[one.row] = one
            told |= best.keys()
            yield from best.values()

    def _of_kind(self, traits: list[_Trait], alpha: float) -> Iterator[_Found]:
        """Yield what is odd in traits of one kind; nothing where too many devices show it for an oddity."""
        rare = [self._rare(trait) for trait in traits]
        shown = np.unique(np.concatenate(rare)) if rare else np.empty(0, dtype=np.int64)
        many = int((self._table.sum(axis=1) >= FEWEST).sum())
        if 0 < len(shown) <= max(1, int(many * _RARE)):
            for trait, rows in zip(traits, rare, strict=True):
                yield from self._tested(trait, rows, shown, alpha)

    def _counted(self, trait: _Trait) -> tuple[Counts, Counts]:
        return self._table[:, trait.slots].sum(axis=1), self._table[:, trait.of].sum(axis=1)

    def _rare(self, trait: _Trait) -> NDArray[np.int64]:
        """Return the devices that show much of a trait, and much more than the others together."""
        hits, rows = self._counted(trait)
        known = rows >= FEWEST
        share = hits / np.maximum(rows, 1)
        others = (hits[known].sum() - hits) / np.maximum(rows[known].sum() - rows, 1)
        least = _STILL if trait.kind is Oddness.FROZEN else _MUCH
        return np.flatnonzero(known & (share >= least) & (share - others >= _MUCH / 2))

    def _tested(
        self, trait: _Trait, rare: NDArray[np.int64], shown: NDArray[np.int64], alpha: float
    ) -> Iterator[_Found]:
        """Yield those of the devices `rare` that the others, without those in `shown`, make improbable."""
        hits, rows = self._counted(trait)
        others = rows >= FEWEST
        others[shown] = False
        usual_hits, usual_rows = hits[others], rows[others]
        trained = (int(self._training[trait.slots].sum()), int(self._training[trait.of].sum()))
        if not len(usual_rows) or (trait.kind is Oddness.FROZEN and trained[0] > _MUCH * trained[1]):
            return
        if len(usual_rows) < 2 and trait.kind not in (Oddness.MISSING, Oddness.INVALID):
            return  # which of two devices is right nobody knows
        if len(usual_rows) < 2:
            usual_hits, usual_rows = np.append(usual_hits, trained[0]), np.append(usual_rows, trained[1])
        usual = float(usual_hits.sum() / usual_rows.sum())
        for row in rare.tolist():
            if trait.kind is Oddness.APART and self._as_trained(row):
                continue
            share = hits[row] / rows[row]
            p_value = chance(int(hits[row]), int(rows[row]), usual_hits, usual_rows)
            if trait.kind is Oddness.FROZEN:
                p_value = max(p_value, self._narrow(int(hits[row]), int(rows[row]), others, trait))
            if p_value < alpha and share - usual >= _MUCH:
                yield _Found(row, trait, float(share), usual, p_value, int(rows[row]))

    def _narrow(self, hits: int, rows: int, others: NDArray[np.bool_], trait: _Trait) -> float:
        """Return how probable so many rows in one bin are, whichever it is, in a device like the others.

        Where each site has values of its own, many are narrow.
        """
        table = np.vstack((self._table[others], self._training))
        return chance(
            hits, rows, table[:, 1 : self.feature.baseline.bins.missing - 1].max(axis=1), table[:, trait.of].sum(axis=1)
        )

    def _as_trained(self, row: int) -> bool:
        """Say whether a device is as in training: then it is the others that are not."""
        return distance(self._training, self._table[row]).debiased <= ALARM

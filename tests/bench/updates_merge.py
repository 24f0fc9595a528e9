"""The merge of the fleet's tallies: `hakobu.fleet.merge`, fed a few at a time, as a hub would."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain

from hakobu.fleet.merge import merge, total
from hakobu_runtime.format.tally import Tally
from updates_counts import Batch

Origin = tuple[str, str]
"""Where rows were scored: the name of the device, and the digest of the bundle."""
_MANY = 200
"""Of how many tallies of a device the merge is kept in their place."""


class Merged:
    """All that came home, as few tallies as say it all."""

    def __init__(self) -> None:
        self._kept: defaultdict[str, list[Tally]] = defaultdict(list)

    def take(self, tallies: Iterable[Tally]) -> None:
        """Take tallies in."""
        for tally in tallies:
            kept = self._kept[tally.device]
            kept.append(tally)
            if len(kept) >= _MANY and len(kept) % _MANY == 0:
                kept[:] = merge(kept)

    def totals(self) -> dict[Origin, Batch]:
        """Return the sums, for each device and bundle."""
        by: defaultdict[Origin, list[Tally]] = defaultdict(list)
        for tally in chain.from_iterable(merge(kept) for kept in self._kept.values()):
            by[tally.device, tally.model.digest].append(tally)
        found = {origin: total(tallies) for origin, tallies in by.items()}
        return {
            origin: Batch(tuple(counts.features["heat"].tolist()), counts.verdicts["rejected"])
            for origin, counts in found.items()
        }

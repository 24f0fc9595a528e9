"""The operator of the simulated fleet: a plan of releases, and what is done when failures come home."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from updates_depot import Depot
from updates_device import BAD

YEAR = 365
"""Days that the plan is written for; a shorter simulation has it shortened."""
REFRESH = 14
"""Days from one signing of the timestamp to the next."""
FIRST_SHARE = 10
"""Percent of the devices that get a release first."""
HARMFUL = "1.4.0"
"""The release that is revoked when all could have it."""
_STEPS = ((14, 9, 50), (28, 13, 100))
"""When a roll-out is widened, in days of the year and in days at least, and to how many percent."""

Act = Callable[[int], None]


class Mark(NamedTuple):
    """Something that was done, for the picture and the table."""

    day: int
    words: str


class Operator:
    """Publishes, widens, stops, revokes and rotates, day by day."""

    def __init__(self, depot: Depot, days: int, devices: int) -> None:
        self.marks: list[Mark] = []
        self.stopped: int | None = None
        """The day on which the bad release was withdrawn."""
        self.widest = FIRST_SHARE
        """The largest share, in percent, that the bad release was given."""
        self._failures: Mapping[str, int] = {}
        self._depot = depot
        self._most = max(2, devices // 1000)
        """How many devices may fail a release before it is withdrawn."""
        self._plan: defaultdict[int, list[Act]] = defaultdict(list)
        self._write(days)

    def morning(self, day: int, failures: Mapping[str, int]) -> None:
        """Do what is to be done on `day`; `failures` counts the devices that said that they hold a digest back."""
        self._failures = failures
        before = len(self._depot.states)
        bad = self._depot.published.get(BAD)
        if bad and self.stopped is None and failures.get(bad.digest, 0) >= self._most:
            self._stop(day)
        for act in self._plan[day]:
            act(day)
        if day % REFRESH == 0 and len(self._depot.states) == before:
            self._depot.refresh(day)

    def _write(self, days: int) -> None:
        """Write the plan of the year into so many days; the steps of a roll-out do not come closer than some days."""
        self._plan[0].append(lambda day: self._publish("1.0.0", 100, day))
        for begin, version in ((20, "1.1.0"), (85, BAD), (130, "1.3.0"), (190, HARMFUL), (272, "1.5.0")):
            first = _scaled(begin, days)
            self._plan[first].append(partial(self._publish, version, FIRST_SHARE))
            for later, nearest, share in _STEPS:
                self._plan[first + max(_scaled(later, days), nearest)].append(partial(self._widen, version, share))
        self._plan[_scaled(170, days)].append(self._rotate)
        self._plan[_scaled(250, days)].append(self._revoke)

    def _publish(self, version: str, share: int, day: int) -> None:
        self._depot.publish(version, share, day)
        self.marks.append(Mark(day, f"{version} to {share}%"))

    def _widen(self, version: str, share: int, day: int) -> None:
        newest = self._depot.now.channel.releases[0]
        if newest.version != version or self._failures.get(newest.digest, 0):
            return  # it was withdrawn, or fails somewhere, which is looked at first
        self.widest = max(self.widest, share) if version == BAD else self.widest
        self._depot.widen(share, day)
        self.marks.append(Mark(day, f"{version} to {share}%"))

    def _stop(self, day: int) -> None:
        """Withdraw the bad release; where a newer one was published meanwhile, only revoking does it."""
        newest = self._depot.now.channel.releases[0].version == BAD
        if newest:
            self._depot.roll_back(day)
        else:
            self._depot.revoke(BAD, day)
        self.stopped = day
        self.marks.append(Mark(day, f"{BAD} {'withdrawn' if newest else 'stopped'}"))

    def _rotate(self, day: int) -> None:
        self._depot.rotate("timestamp", day)
        self.marks.append(Mark(day, "timestamp key changed"))

    def _revoke(self, day: int) -> None:
        self._depot.revoke(HARMFUL, day)
        self.marks.append(Mark(day, f"{HARMFUL} revoked"))


def _scaled(day: int, days: int) -> int:
    return day * days // YEAR

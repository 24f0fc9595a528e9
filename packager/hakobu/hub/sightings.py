"""What judged periods say of a matter, and when that is an alarm: opened once, kept while it lasts, closed when quiet.

The rule, for each matter (a feature, an output, a measure, an odd device, of one version, in the fleet or a group):

- A period that is judged an alarm *stands* until enough later periods of its length were judged ok: three days, a week,
  a month. Nothing else answers it: a warning is not quiet yet, and too few rows say nothing either way.
- A matter with a period that stands has one open alarm. It closes when none stands any more.
- Once closed, by itself or by hand, only a period that begins after all that it told of opens another one. So what
  wavers around a limit, and counts that come late for days that are over, call nobody up twice.
- What the whole fleet shows is not told again for each group: while its alarm is open, and in periods that are an alarm
  of the fleet, groups open none, and theirs are closed. Once it is closed, a group that still drifts opens its own.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from hakobu_runtime.format.drift import Judgement
from hakobu_runtime.format.window import Span, Window, ends

QUIET = {Span.HOUR: 3, Span.DAY: 3, Span.WEEK: 1, Span.MONTH: 1}
"""How many later periods have to be ok before one that was an alarm stands no longer.

Of days three, as one alone may be a Sunday. Weeks and months are long enough to be believed at once.
"""


class Kind(StrEnum):
    """What calls for somebody."""

    DRIFT = "drift"
    """An input, or an output, lies far from training."""
    OUTCOME = "outcome"
    """Labels show that the model became worse."""
    DEVICE = "device"
    """One device counts what the others do not: a frozen sensor, another unit."""


@dataclass(frozen=True, slots=True, order=True)
class Matter:
    """What an alarm is about: of each there is one open alarm at most."""

    model: str
    version: str
    kind: Kind
    subject: str
    """The feature, the output in brackets, or the measure."""
    group: str = ""
    """ "" for the whole fleet."""
    device: str = ""

    @property
    def of_fleet(self) -> "Matter":
        """The same matter in the whole fleet."""
        return replace(self, group="")


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one complete period says of a matter."""

    window: Window
    judgement: Judgement
    words: str


@dataclass(frozen=True, slots=True)
class Last:
    """The newest alarm of a matter, as far as it matters for what is next."""

    window: Window
    """The newest period that it told of."""
    words: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Open:
    """An alarm is opened."""

    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Keep:
    """The open alarm tells of a newer period, or of the same one in other words."""

    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Close:
    """The open alarm is over."""


Change = Open | Keep | Close
Seen = Mapping[Matter, Collection[Sighting]]


def changes(seen: Seen, last: Mapping[Matter, Last]) -> dict[Matter, Change]:
    """Return what changes by what was `seen`, where `last` are the newest alarms; what does not change is left out.

    The fleet is decided on before its groups. To decide again with the result changes nothing more.
    """
    found: dict[Matter, Change] = {}
    for matter in sorted({*seen, *last}, key=lambda one: (bool(one.group), one)):
        known, sightings = last.get(matter), seen.get(matter, ())
        fleet = matter.of_fleet
        if matter.group and _is_open(fleet, found, last):
            change: Change | None = Close() if known is not None and known.is_open else None
        else:
            told = _alarming(seen.get(fleet, ())) if matter.group else frozenset()
            change = _change([one for one in sightings if not _is_told(one, told)], known)
        if change is not None:
            found[matter] = change
    return found


def _change(sightings: Collection[Sighting], last: Last | None) -> Change | None:
    """Return what becomes of one matter."""
    standing = [
        one for one in sightings if one.judgement is Judgement.ALARM and not _is_answered(one.window, sightings)
    ]
    if last is None or not last.is_open:
        fresh = [one for one in standing if last is None or one.window.begins >= ends(last.window)]
        return Open(_newest(fresh)) if fresh else None
    if not standing:
        return Close() if _is_answered(last.window, sightings) else None
    newest = _newest(standing)
    if _place(newest.window) < _place(last.window) or (newest.window, newest.words) == (last.window, last.words):
        return None
    return Keep(newest)


def _is_answered(window: Window, sightings: Iterable[Sighting]) -> bool:
    """Say whether enough periods of its length after `window` were judged ok."""
    quiet = (
        one.window.span is window.span and one.window.begins >= ends(window) and one.judgement is Judgement.OK
        for one in sightings
    )
    return sum(quiet) >= QUIET[window.span]


def _is_open(matter: Matter, found: Mapping[Matter, Change], last: Mapping[Matter, Last]) -> bool:
    """Say whether a matter that was decided on has an open alarm now."""
    known, change = last.get(matter), found.get(matter)
    return isinstance(change, Open | Keep) or (known is not None and known.is_open and not isinstance(change, Close))


def _alarming(sightings: Iterable[Sighting]) -> frozenset[Window]:
    return frozenset(one.window for one in sightings if one.judgement is Judgement.ALARM)


def _is_told(sighting: Sighting, told: Collection[Window]) -> bool:
    """Say whether an alarm of a group is one of the fleet in the same period."""
    return sighting.judgement is Judgement.ALARM and sighting.window in told


def _newest(sightings: Iterable[Sighting]) -> Sighting:
    return max(sightings, key=lambda one: _place(one.window))


def _place(window: Window) -> tuple[float, float]:
    """Sort periods by when they end; of two that end together the longer one is the surer."""
    return ends(window).timestamp(), -window.begins.timestamp()

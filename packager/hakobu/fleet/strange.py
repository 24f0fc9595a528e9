"""What is odd in a period, and left out of its judgement: on its days, and in the whole of it.

A device that was odd on one day alone must not drift a whole month of the fleet, and the month may not show it: so days
are looked at one by one, and what an odd one counted is left out of the week or month around it. In the whole of a week
or month, devices are compared that counted in about the same part of it: one that changed over to another version
midway has seen other weather than those that did not, and is looked at by its days.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from hakobu.fleet.odd import ALPHA, FEWEST, Oddity, odd
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.histogram import Counts
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.periods import gathered
from hakobu_runtime.format.window import Span, Window, ends

Pair = tuple[str, str]
"""A device and a feature."""

_AS_LONG = 0.7
"""How much of the time in which most devices counted, and of its own, a device shares with them to be one of them."""
_DAYS = ALPHA / 100
"""As `ALPHA`, of all days of a period together, and stricter: where sites work at different hours, a day shows each of
them another weather. Values missing for a day are found in one of four devices, one that stands still in one of ten."""
_SHORT = (Span.HOUR, Span.DAY)


@dataclass(frozen=True, slots=True)
class Part:
    """What one device counted in one period, and from when until when."""

    counts: WindowCounts
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Strange:
    """What is odd, and what was counted there."""

    odd: tuple[Oddity, ...] = ()
    apart: Mapping[Pair, Counts] = field(default_factory=dict)

    def of(self, devices: Collection[str]) -> "Strange":
        """Return what there is of it in some devices."""
        return Strange(
            tuple(one for one in self.odd if one.device in devices),
            {pair: counts for pair, counts in self.apart.items() if pair[0] in devices},
        )


def parts_of(windows: Mapping[Window, WindowCounts], span: Span) -> dict[Window, Part]:
    """Return what a device counted in its windows by periods of `span`; a longer window is a period of its own."""
    between: dict[Window, tuple[datetime, datetime]] = {}
    for window in windows:
        period = window.widen(span)
        begins, end = between.get(period, (window.begins, ends(window)))
        between[period] = min(begins, window.begins), max(end, ends(window))
    return {window: Part(counts, *between[window]) for window, counts in gathered(windows.items(), span).items()}


def days_of(windows: Mapping[Window, WindowCounts], span: Span) -> dict[Window, WindowCounts]:
    """Return by day what a device counted, of days with rows enough to tell if they are odd.

    Nothing where periods of `span` are no longer than a day. Windows that are longer cannot be cut into days.
    """
    if span in _SHORT:
        return {}
    short = {window: counts for window, counts in windows.items() if window.span in _SHORT}
    if any(window.span is Span.HOUR for window in short):
        short = gathered(short.items(), Span.DAY)
    return {window: counts for window, counts in short.items() if counts.rows >= FEWEST}


def odd_day(manifest: Manifest, day: Window, by_device: Mapping[str, WindowCounts], span: Span) -> Strange:
    """Return what is odd on one day of a period of `span`, all of whose days share one probability to be wrong.

    Raises FormatError, which names the device, where counts do not fit the features.
    """
    period = day.widen(span)
    found = odd(manifest, by_device, _DAYS / (ends(period) - period.begins).days)
    return Strange(tuple(replace(one, days=(day.start,)) for one in found), _apart(found, by_device))


def strange(manifest: Manifest, window: Window, parts: Mapping[str, Part], days: Iterable[Strange] = ()) -> Strange:
    """Return what is odd in a period, by device and feature; `days` are what `odd_day` says of its days, in any order.

    What is odd in the whole of it is left out as a whole. Raises FormatError as `odd` does.
    """
    by_device = {device: part.counts for device, part in _compared(window, parts).items()}
    whole = odd(manifest, by_device)
    apart = _apart(whole, by_device)
    daily: dict[Pair, list[Oddity]] = {}
    left: dict[Pair, Counts] = {}
    for day in days:
        for one in day.odd:
            pair = one.device, one.feature
            if pair not in apart:
                daily.setdefault(pair, []).append(one)
                left[pair] = day.apart[pair] + left.get(pair, 0)
    found = (*whole, *map(_told, daily.values()))
    return Strange(tuple(sorted(found, key=lambda one: (one.device, one.feature))), apart | left)


def _compared(window: Window, parts: Mapping[str, Part]) -> Mapping[str, Part]:
    """Return those of the devices that counted in about the part of a week or month that most of them did.

    Of a day all: a site with work in the morning alone counts in no other hours.
    """
    if window.span in _SHORT or not parts:
        return parts
    first = sorted(part.begins for part in parts.values())[(len(parts) - 1) // 2]
    last = sorted(part.ends for part in parts.values())[len(parts) // 2]
    return {
        device: part
        for device, part in parts.items()
        if min(part.ends, last) - max(part.begins, first) >= _AS_LONG * max(last - first, part.ends - part.begins)
    }


def _apart(found: Iterable[Oddity], by_device: Mapping[str, WindowCounts]) -> dict[Pair, Counts]:
    return {(one.device, one.feature): by_device[one.device].features[one.feature] for one in found}


def _told(days: Collection[Oddity]) -> Oddity:
    """Return the one that tells best of some days of one device and feature, with the rows of all."""
    best = min(days, key=lambda one: (one.p_value, one.days))
    return replace(best, rows=sum(one.rows for one in days), days=tuple(sorted(one.days[0] for one in days)))

"""Periods of a fleet from the hub's windows, judged as `hakobu drift` judges a folder of parcels: to the last count."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import numpy as np
from sqlalchemy import Connection, select

from hakobu.fleet.judging import FleetPeriod, Judged, judged_without, told_of
from hakobu.fleet.odd import FEWEST
from hakobu.fleet.strange import Part, Strange, odd_day, strange
from hakobu.hub.block import counts_of, unpack_row
from hakobu.hub.bundles import KnownBundle
from hakobu.hub.outcome_totals import by_group, together
from hakobu.hub.tables import devices, windows
from hakobu_runtime.format.histogram import Counts
from hakobu_runtime.format.results import Judge
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window, ends

_SPANS = {13: Span.HOUR, 10: Span.DAY, 7: Span.MONTH}


@dataclass(frozen=True, slots=True)
class Counted:
    """What each device counted with one bundle in one period, and the group that it is in."""

    window: Window
    devices: Mapping[str, Part]
    groups: Mapping[str, str]
    """By device; "" for none."""
    sums: Mapping[str, Counts]
    """By group, what its devices counted together, as a row of the bundle's layout."""

    def odd_day(self, bundle: KnownBundle, span: Span) -> Strange:
        """Return what is odd on this day, for the period of `span` around it."""
        known = {name: part.counts for name, part in self.devices.items() if part.counts.rows >= FEWEST}
        return odd_day(bundle.manifest, self.window, known, span)

    def judged(
        self, bundle: KnownBundle, odd_days: Iterable[Strange] = ()
    ) -> tuple[FleetPeriod, dict[str, FleetPeriod]]:
        """Judge the whole fleet, and each group of it where there are two or more: what is odd is told by the whole.

        `odd_days` are what is odd on single days of it.
        """
        found = strange(bundle.manifest, self.window, self.devices, odd_days)
        fleet = self._judged(bundle, np.sum(list(self.sums.values()), axis=0), self.devices, found)
        groups: dict[str, FleetPeriod] = {}
        for group in sorted(self.sums) if len(self.sums) > 1 else ():
            parts = {name: part for name, part in self.devices.items() if self.groups[name] == group}
            groups[group] = self._judged(bundle, self.sums[group], parts, found.of(parts))
        return fleet, groups

    def _judged(self, bundle: KnownBundle, row: Counts, parts: Mapping[str, Part], left_out: Strange) -> FleetPeriod:
        counts, told = counts_of(bundle.layout, row), told_of(self.window, parts)
        return judged_without(bundle.manifest, self.window, len(parts), counts, left_out, told)


def periods(
    connection: Connection,
    bundle: KnownBundle,
    span: Span,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Counted]:
    """Yield the periods of `span` in which something was counted with a bundle, oldest first, one at a time.

    Of the windows that end after `since` and not after `until`. A window that is longer than `span`, because it was
    folded on its device, is a period of its own.
    """
    for window, inside in _gathered(_windows(connection, bundle, since, until), span).items():
        if (counted := _counted(connection, bundle, window, inside)).devices:
            yield counted


def _windows(
    connection: Connection, bundle: KnownBundle, since: datetime | None, until: datetime | None = None
) -> list[Window]:
    """Return the windows in which something was counted with a bundle."""
    query = select(windows.c.start).where(windows.c.bundle_id == bundle.id).distinct()
    if since is not None:
        query = query.where(windows.c.start >= since.isoformat()[:7])
    found = map(_window, connection.scalars(query))
    return [one for one in found if (since is None or ends(one) > since) and (until is None or ends(one) <= until)]


def _gathered(found: Iterable[Window], span: Span) -> dict[Window, list[Window]]:
    """Return windows by the period of `span` that they are in, oldest first."""
    gathered: dict[Window, list[Window]] = {}
    for one in found:
        gathered.setdefault(one.widen(span), []).append(one)
    return dict(sorted(gathered.items(), key=lambda item: (item[0].begins, item[0].span)))


def _counted(
    connection: Connection,
    bundle: KnownBundle,
    window: Window,
    inside: Iterable[Window],
    group: str | None = None,
) -> Counted:
    """Return what the devices of `group`, None for all, counted in some windows inside of one period."""
    known = {one.start: one for one in inside}
    query = (
        select(devices.c.name, devices.c.group_name, windows.c.start, windows.c.counts)
        .join(devices, devices.c.id == windows.c.device_id)
        .where(windows.c.bundle_id == bundle.id, windows.c.start.in_(sorted(known)))
        .order_by(devices.c.id)
    )
    if group is not None:
        query = query.where(devices.c.group_name == group)
    parts, groups = {}, {}
    sums: dict[str, Counts] = {}
    for (name, of), rows in groupby(connection.execute(query), key=lambda row: (row.name, row.group_name)):
        row, its = np.zeros(bundle.layout.size, dtype=np.int64), []
        for found in rows:
            row += unpack_row(found.counts, bundle.layout.size)
            its.append(known[found.start])
        begins, end = min(one.begins for one in its), max(map(ends, its))
        parts[name], groups[name] = Part(counts_of(bundle.layout, row), begins, end), of
        sums[of] = row + sums.get(of, 0)
    return Counted(window, dict(sorted(parts.items())), groups, sums)


def _window(start: str) -> Window:
    return Window(start, _SPANS[len(start)])


def judge_bundle(
    connection: Connection, bundle: KnownBundle, span: Span, since: datetime | None = None, group: str | None = None
) -> Judged:
    """Judge what was counted with a bundle in windows that end after `since`, of all devices or those of `group`.

    That is the fleet, each group of it, and the outcomes. One period at a time is held in memory, or one day of it.
    """
    fleet: list[FleetPeriod] = []
    groups: dict[str, list[FleetPeriod]] = {}
    seen: set[str] = set()
    for window, inside in _gathered(_windows(connection, bundle, since), span).items():
        counted = _counted(connection, bundle, window, inside, group)
        if not counted.devices:
            continue
        whole, parts = counted.judged(bundle, _odd_days(connection, bundle, span, inside, group))
        fleet.append(whole)
        seen.update(counted.devices)
        for name, part in parts.items():
            groups.setdefault(name, []).append(part)
    labelled = by_group(connection, bundle, None if group is None else (group,), since.date() if since else None)
    results = Judge.of(bundle.manifest, bundle.validation, bundle.digest).results(
        {period.window: period.counts for period in fleet},
        together(labelled).items(),
        span,
        {period.window.start for period in fleet if period.judged.inputs_drifted},
    )
    return Judged(
        ModelName(bundle.model, bundle.version, bundle.digest),
        bundle.manifest,
        span,
        len(seen),
        tuple(fleet),
        results,
        {name: tuple(found) for name, found in sorted(groups.items())},
    )


def _odd_days(
    connection: Connection, bundle: KnownBundle, span: Span, inside: Iterable[Window], group: str | None
) -> Iterator[Strange]:
    """Yield what is odd on the days of a period of `span`, of its windows `inside`."""
    short = (one for one in inside if one.span is not Span.MONTH)
    for day, hours in _gathered(short, Span.DAY).items() if span in (Span.WEEK, Span.MONTH) else ():
        yield _counted(connection, bundle, day, hours, group).odd_day(bundle, span)

"""A fleet's counts, judged period by period: without what odd devices counted, which is told apart."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec

from hakobu.fleet.gather import Counted
from hakobu.fleet.odd import Oddity
from hakobu.fleet.results import results_of
from hakobu.fleet.strange import Pair, Part, Strange, days_of, odd_day, parts_of, strange
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.drift import Finding
from hakobu_runtime.format.histogram import Counts
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.periods import Period, judge_period, live_counts, told_between, without
from hakobu_runtime.format.results import Results
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.validation import Validation
from hakobu_runtime.format.window import Span, Window

Devices = Mapping[str, Mapping[Window, WindowCounts]]
"""What each device counted, by window."""


@dataclass(frozen=True, slots=True)
class FleetPeriod:
    """One span of time with what all devices counted in it, and what that says."""

    window: Window
    devices: int
    """How many counted in it."""
    counts: WindowCounts
    """Of all of them, odd or not."""
    odd: tuple[Oddity, ...]
    apart: Mapping[Pair, Counts]
    """What odd devices counted, in all of it or on their odd days, by device and feature: not in the judgement."""
    judged: Period
    told: Span
    """How long the part of it was that was counted, where that is known."""

    @property
    def alarm(self) -> bool:
        """Whether the fleet, without what is odd, has drifted."""
        return self.judged.alarm

    def finding(self, name: str) -> Finding:
        """Return what it says of the feature, or the output, of that name."""
        return next(one for one in self.judged.findings if one.name == name)

    def live(self, manifest: Manifest) -> dict[str, Counts]:
        """Return the counts that were judged, by the names of the findings."""
        return live_counts(manifest, without(self.counts, _sums(self.apart)))

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            **self.judged.plain(),
            "span": self.window.span,
            "devices": self.devices,
            "verdicts": self.counts.verdicts,
            "breaches": self.counts.breaches,
            "odd": [one.plain() for one in self.odd],
        }


@dataclass(frozen=True)
class Judged:
    """All that the counts of one bundle say of a fleet."""

    model: ModelName
    manifest: Manifest
    span: Span
    devices: int
    periods: tuple[FleetPeriod, ...]
    results: tuple[Results, ...]
    groups: Mapping[str, tuple[FleetPeriod, ...]]
    """By the name of the group; empty where there are not two or more."""

    @cached_property
    def rows(self) -> int:
        """How many rows were scored."""
        return sum(period.counts.rows for period in self.periods)

    def alarm(self, last: int) -> bool:
        """Say whether one of the last periods is an alarm: of the fleet, of a group, or of the outcomes."""
        recent = {period.window for period in self.periods[-last:]}
        groups = (period for periods in self.groups.values() for period in periods if period.window in recent)
        inputs = any(period.alarm for period in (*self.periods[-last:], *groups))
        return inputs or any(one.alarm for one in self.results[-last:])

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            "model": msgspec.to_builtins(self.model),
            "by": self.span,
            "devices": self.devices,
            "rows": self.rows,
            "periods": [period.plain() for period in self.periods],
            **({"outcomes": [one.plain() for one in self.results]} if self.results else {}),
            **(
                {"groups": {name: [one.plain() for one in found] for name, found in self.groups.items()}}
                if self.groups
                else {}
            ),
        }


def judge_window(manifest: Manifest, window: Window, parts: Mapping[str, Part], left_out: Strange) -> FleetPeriod:
    """Judge what the devices counted in one period, without what is odd in it.

    Raises FormatError where counts do not fit the bundle.
    """
    counts = WindowCounts()
    for part in parts.values():
        counts.add(part.counts)
    return judged_without(manifest, window, len(parts), counts, left_out, told_of(window, parts))


def judged_without(
    manifest: Manifest, window: Window, devices: int, counts: WindowCounts, left_out: Strange, told: Span
) -> FleetPeriod:
    """Judge the counts of so many devices without what was found odd in them; `told` is as `told_of` says."""
    judged = judge_period(manifest, window, counts, _sums(left_out.apart), told)
    return FleetPeriod(window, devices, counts, left_out.odd, left_out.apart, judged, told)


def told_of(window: Window, parts: Mapping[str, Part]) -> Span:
    """Return how long the part of `window` is that these devices counted in."""
    return told_between(window, min(part.begins for part in parts.values()), max(part.ends for part in parts.values()))


def judge_fleet(manifest: Manifest, devices: Devices, span: Span) -> tuple[FleetPeriod, ...]:
    """Judge what each device counted by periods of `span`, oldest first.

    A window that is longer than `span`, because it was folded on its device, is a period of its own.
    """
    days = _odd_days(manifest, devices, span)
    return tuple(
        judge_window(manifest, window, parts, strange(manifest, window, parts, days.get(window, ())))
        for window, parts in _periods(devices, span).items()
    )


def judge_group(
    manifest: Manifest, devices: Devices, span: Span, fleet: Iterable[FleetPeriod]
) -> tuple[FleetPeriod, ...]:
    """Judge some devices of a fleet that was judged: what is odd is told by the whole of it."""
    known = {period.window: Strange(period.odd, period.apart) for period in fleet}
    return tuple(
        judge_window(manifest, window, parts, known[window].of(parts))
        for window, parts in _periods(devices, span).items()
    )


def _periods(devices: Devices, span: Span) -> dict[Window, dict[str, Part]]:
    periods: dict[Window, dict[str, Part]] = {}
    for device, windows in devices.items():
        for window, part in parts_of(windows, span).items():
            periods.setdefault(window, {})[device] = part
    return dict(sorted(periods.items(), key=lambda item: (item[0].begins, item[0].span)))


def _odd_days(manifest: Manifest, devices: Devices, span: Span) -> dict[Window, list[Strange]]:
    """Return what is odd on single days, by the period of `span` that they are in."""
    days: dict[Window, dict[str, WindowCounts]] = {}
    for device, windows in devices.items():
        for day, counts in days_of(windows, span).items():
            days.setdefault(day, {})[device] = counts
    found: dict[Window, list[Strange]] = {}
    for day, by_device in sorted(days.items()):
        found.setdefault(day.widen(span), []).append(odd_day(manifest, day, by_device, span))
    return found


def _sums(apart: Mapping[Pair, Counts]) -> dict[str, Counts]:
    """Return the sums by feature."""
    found: dict[str, Counts] = {}
    for (_, feature), counts in apart.items():
        found[feature] = found[feature] + counts if feature in found else counts
    return found


def judge_bundle(manifest: Manifest, validation: Validation, counted: Counted, span: Span) -> Judged:
    """Judge what was counted with one bundle: the fleet, each group of it, and the outcomes."""
    periods = judge_fleet(manifest, counted.devices, span)
    groups = {name: judge_group(manifest, part.devices, span, periods) for name, part in counted.by_group()}
    results = results_of(
        manifest,
        validation,
        counted.model.digest,
        {period.window: period.counts for period in periods},
        counted.outcomes,
        span,
        {period.window.start for period in periods if period.judged.inputs_drifted},
    )
    return Judged(counted.model, manifest, span, len(counted.devices), periods, results, groups)

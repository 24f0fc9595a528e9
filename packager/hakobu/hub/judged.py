"""What the latest counts of a bundle say: of the whole fleet, of each group, and of devices that are odd."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from hakobu.fleet.judging import FleetPeriod
from hakobu.fleet.odd import FEWEST
from hakobu.fleet.strange import Pair, Strange
from hakobu.hub.bundles import KnownBundle
from hakobu.hub.judged_outcomes import judge_outcomes
from hakobu.hub.lookback import Lookback
from hakobu.hub.periods import Counted, periods
from hakobu.hub.sightings import Kind, Matter, Sighting
from hakobu_runtime.format.drift import Finding, Judgement
from hakobu_runtime.format.window import Span, Window

_MOST_GROUPS = 5
"""That are named in one sentence."""

Found = dict[Matter, list[Sighting]]


def judged(connection: Connection, bundle: KnownBundle, back: Lookback, watched: Collection[Pair]) -> Found:
    """Return what complete periods say of each matter of a bundle; of devices those that are odd, or are `watched`."""
    found: Found = {}
    pairs = dict.fromkeys(watched)
    odd_days: dict[Window, list[Strange]] = {}
    for span in (Span.DAY, Span.WEEK):
        for counted in periods(connection, bundle, span, back.begins, back.ends):
            fleet, groups = counted.judged(bundle, odd_days.get(counted.window, ()))
            week = counted.window.widen(Span.WEEK)
            if counted.window.span is Span.DAY and back.holds(week):
                odd_days.setdefault(week, []).append(counted.odd_day(bundle, Span.WEEK))
            if back.holds(counted.window):
                _judge_inputs(bundle, fleet, {name: group for name, group in groups.items() if name}, found)
                pairs |= dict.fromkeys((one.device, one.feature) for one in fleet.odd if not one.days)
                _judge_devices(bundle, counted, fleet, pairs, found)
    for group, metric, sighting in judge_outcomes(connection, bundle, back):
        _add(found, bundle, Kind.OUTCOME, metric, sighting, group=group)
    return found


def _judge_inputs(bundle: KnownBundle, fleet: FleetPeriod, groups: Mapping[str, FleetPeriod], found: Found) -> None:
    """Note what one period says of the inputs and outputs, of the fleet and of its groups."""
    shown: dict[str, list[str]] = {}
    for group, period in groups.items():
        for finding in period.judged.findings:
            if finding.judgement is Judgement.ALARM:
                shown.setdefault(finding.name, []).append(group)
            _add(found, bundle, Kind.DRIFT, finding.name, _sighting(bundle, period, finding), group=group)
    for finding in fleet.judged.findings:
        words = _in_groups(shown.get(finding.name, ()), len(groups))
        _add(found, bundle, Kind.DRIFT, finding.name, _sighting(bundle, fleet, finding, words))


def _sighting(bundle: KnownBundle, period: FleetPeriod, finding: Finding, more: str = "") -> Sighting:
    """Return what a finding says, and without how many odd devices it was made."""
    counted_as = {feature.name: feature.counted for feature in bundle.manifest.features}
    odd = sum(counted_as[feature] == finding.name for _, feature in period.apart)
    without = f" (without {odd} odd device{'s' if odd > 1 else ''})" if odd else ""
    return Sighting(period.window, finding.judgement, finding.words() + more + without)


def _judge_devices(
    bundle: KnownBundle, counted: Counted, fleet: FleetPeriod, pairs: Collection[Pair], found: Found
) -> None:
    """Note what one period says of the devices and features in `pairs`; nothing of those with too few rows.

    What is odd on single days of a week those days tell themselves.
    """
    oddities = {(one.device, one.feature): one for one in fleet.odd if not one.days}
    for device, feature in pairs:
        if oddity := oddities.get((device, feature)):
            sighting = Sighting(counted.window, Judgement.ALARM, oddity.words)
        elif device in counted.devices and counted.devices[device].counts.features[feature].sum() >= FEWEST:
            sighting = Sighting(counted.window, Judgement.OK, "")
        else:
            continue
        _add(found, bundle, Kind.DEVICE, feature, sighting, device=device)


def _in_groups(shown: Collection[str], many: int) -> str:
    """Say which groups show what the fleet does, where not all of them do."""
    if not shown or len(shown) == many:
        return ""
    named = sorted(shown)
    rest = f" and {len(named) - _MOST_GROUPS} more" if len(named) > _MOST_GROUPS else ""
    return f"; in {len(named)} of {many} groups: {', '.join(named[:_MOST_GROUPS])}{rest}"


def _add(
    found: Found, bundle: KnownBundle, kind: Kind, subject: str, sighting: Sighting, group: str = "", device: str = ""
) -> None:
    matter = Matter(bundle.model, bundle.version, kind, subject[:500], group, device)
    found.setdefault(matter, []).append(sighting)

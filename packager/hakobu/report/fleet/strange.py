"""Devices whose counts are odd: beside the others of the fleet."""

from collections.abc import Sequence
from dataclasses import dataclass

from hakobu.fleet.judging import FleetPeriod, Judged
from hakobu.fleet.odd import Oddity, Oddness
from hakobu.report.draw.figure import Figure
from hakobu.report.fleet.charts import Side, histograms
from hakobu.report.fleet.words import dates_text

_TAGS = {
    Oddness.MISSING: "missing",
    Oddness.INVALID: "not a value",
    Oddness.OUTSIDE: "outside",
    Oddness.FROZEN: "stands still",
    Oddness.APART: "apart",
}


@dataclass(frozen=True, slots=True)
class OddCard:
    """One odd feature of one device."""

    device: str
    feature: str
    tag: str
    words: str
    when: str
    chance: str
    figure: Figure


def odd_cards(judged: Judged, recent: Sequence[FleetPeriod]) -> tuple[OddCard, ...]:
    """Return what is odd in the recent periods, each feature of a device once, with its newest counts."""
    newest: dict[tuple[str, str], tuple[Oddity, FleetPeriod]] = {}
    starts: dict[tuple[str, str], list[str]] = {}
    for period in recent:
        for one in period.odd:
            newest[one.device, one.feature] = (one, period)
            starts.setdefault((one.device, one.feature), []).extend(one.when(period.window.start))
    return tuple(_card(judged, *found, starts[place]) for place, found in sorted(newest.items()))


def _card(judged: Judged, one: Oddity, period: FleetPeriod, starts: Sequence[str]) -> OddCard:
    feature = next(found for found in judged.manifest.features if found.name == one.feature)
    others = Side("the other devices", period.live(judged.manifest)[feature.counted])
    its = Side("this device", period.apart[one.device, one.feature])
    legend = (("f-old", f"{others.name}, {period.window.start}"), ("f1", f"{its.name}, {one.rows:,} values"))
    return OddCard(
        device=one.device,
        feature=one.feature,
        tag=_TAGS[one.kind],
        words=one.words,
        when=dates_text(starts),
        chance=f"{one.p_value:.0e}",
        figure=Figure("Share of rows", histograms(feature.baseline.bins, others, its, "f1"), legend),
    )

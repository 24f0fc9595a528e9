"""One feature, or output, that has moved: what it was, what it is, and since when."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hakobu.fleet.judging import FleetPeriod, Judged
from hakobu.report.draw.figure import Figure
from hakobu.report.draw.scale import figure_of
from hakobu.report.fleet.charts import (
    Side,
    breaches_over_time,
    divergence_over_time,
    histograms,
    psi_over_time,
)
from hakobu_runtime.format.drift import Finding, Judgement
from hakobu_runtime.format.feature import Feature
from hakobu_runtime.format.periods import baselines


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """What one period says of it, in numbers."""

    start: str
    rows: str
    judgement: str
    psi: str
    usual: str
    js: str
    kl: str
    p_value: str
    breaches: str


@dataclass(frozen=True, slots=True)
class FeatureView:
    """All that is shown of it."""

    name: str
    anchor: str
    unit: str
    description: str
    judgement: str
    words: str
    histogram: Figure
    over_time: tuple[Figure, ...]
    lines: tuple[PeriodLine, ...]


def feature_view(judged: Judged, name: str, recent: Sequence[FleetPeriod], anchor: str) -> FeatureView:
    """Return what there is to show of the feature, or output, of that name."""
    feature = next((one for one in judged.manifest.features if one.counted == name), None)
    every = [period.finding(name) for period in judged.periods]
    shown = _telling(recent, name)
    finding = shown.finding(name)
    return FeatureView(
        name=name,
        anchor=anchor,
        unit=feature.unit if feature else "",
        description=feature.description if feature else "what the model says, held against the hold-out",
        judgement=finding.judgement.value,
        words=f"{shown.window.start}: {finding.words()}",
        histogram=_histogram(judged, name, shown),
        over_time=tuple(_over_time(judged.periods, every, feature)),
        lines=tuple(_line(period, period.finding(name), feature) for period in reversed(recent)),
    )


def _telling(recent: Sequence[FleetPeriod], name: str) -> FleetPeriod:
    """Return the newest period that is not insufficient, or else the newest."""
    told = [period for period in recent if period.finding(name).judgement is not Judgement.INSUFFICIENT]
    return (told or list(recent))[-1]


def _histogram(judged: Judged, name: str, period: FleetPeriod) -> Figure:
    baseline = baselines(judged.manifest)[name]
    before = Side("training", np.array(baseline.counts, dtype=np.int64))
    live = Side(
        period.window.start, period.live(judged.manifest).get(name, np.zeros(baseline.bins.size, dtype=np.int64))
    )
    known = "hold-out" if name.startswith("(") else "training"
    legend = (("f-old", f"{known}, {before.counts.sum():,} rows"), ("f0", f"{live.name}, {live.counts.sum():,} rows"))
    return Figure("Share of rows", histograms(baseline.bins, before, live), legend)


def _over_time(periods: Sequence[FleetPeriod], findings: Sequence[Finding], feature: Feature | None) -> list[Figure]:
    starts = [period.window.start for period in periods]
    usual = any(one.threshold > 0 for one in findings)
    legend = [("bad dashed", "alarm"), ("warn dashed", "warning")]
    legend += [("faint", "the most that was usual in training")] if usual else []
    figures = [
        Figure("How far from training", psi_over_time(starts, findings), tuple(legend)),
        Figure("Jensen-Shannon divergence, bits", divergence_over_time(starts, [one.js for one in findings], "JS")),
        Figure("Kullback-Leibler divergence, nats", divergence_over_time(starts, [one.kl for one in findings], "KL")),
    ]
    if feature is not None:
        shares = [_broken(period, feature) / max(period.counts.rows, 1) for period in periods]
        if any(shares):
            figures.append(Figure("Cells that broke a rule", breaches_over_time(starts, shares)))
    return figures


def _broken(period: FleetPeriod, feature: Feature) -> int:
    return sum(period.counts.breaches.get(feature.name, {}).values())


def _line(period: FleetPeriod, one: Finding, feature: Feature | None) -> PeriodLine:
    rules = period.counts.breaches.get(feature.name, {}) if feature is not None else {}
    return PeriodLine(
        start=period.window.start,
        rows=f"{one.rows:,}",
        judgement=one.judgement.value,
        psi=f"{one.debiased:.3f}",
        usual=f"{one.threshold:.3f}" if one.threshold else "",
        js=figure_of(round(one.js, 6)),
        kl=figure_of(round(one.kl, 6)),
        p_value="under 0.0001" if one.p_value < 1e-4 else f"{one.p_value:.4f}",
        breaches=", ".join(f"{rule} {many:,}" for rule, many in sorted(rules.items()) if many),
    )

"""This device's own counts, held against what training saw."""

from dataclasses import dataclass
from pathlib import Path

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.slots import open_active
from hakobu_runtime.device.state import open_state
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.drift import Finding, Judgement, judge
from hakobu_runtime.format.feature import Baseline
from hakobu_runtime.format.manifest import Manifest, Regression
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal import Journal


@dataclass(frozen=True, slots=True)
class Period:
    """One span of time with its counts and what they say."""

    start: str
    """How the period's window is named, like 2026-11; longer than asked for where counts were folded."""
    rows: int
    findings: tuple[Finding, ...]

    def plain(self) -> dict[str, object]:
        """Return the period for JSON."""
        return {"start": self.start, "rows": self.rows, "findings": self.findings}

    @property
    def alarm(self) -> bool:
        """Whether any finding is an alarm."""
        return any(finding.judgement is Judgement.ALARM for finding in self.findings)


def baselines(manifest: Manifest) -> dict[str, Baseline]:
    """Return what live counts are held against: every feature, then the outputs in brackets."""
    found = {feature.counted: feature.baseline for feature in manifest.features}
    outputs = manifest.outputs
    if not isinstance(outputs, Regression):
        found["(label)"] = outputs.labels
    if outputs.scores is not None:
        found["(score)"] = outputs.scores
    return found


def device_drift(bundle: Bundle, journal: Journal, span: Span) -> tuple[Period, ...]:
    """Judge the journal's windows of this bundle, gathered into periods of `span`, oldest first.

    A window that is longer than `span`, because it was folded, is a period of its own.
    """
    manifest = bundle.manifest
    model = ModelName(manifest.name, manifest.version, bundle.digest)
    periods: dict[Window, WindowCounts] = {}
    for window, counts in journal.windows(model).items():
        periods.setdefault(window.widen(span), WindowCounts()).add(counts)
    found = sorted(periods.items(), key=lambda item: item[0].begins)
    return tuple(_period(window, counts, manifest) for window, counts in found)


def _period(window: Window, counts: WindowCounts, manifest: Manifest) -> Period:
    names = {feature.name: feature.counted for feature in manifest.features}
    live = {names.get(name, name): found for name, found in counts.features.items()}
    live |= {f"({name.removesuffix('s')})": found for name, found in counts.outputs.items()}
    return Period(window.start, counts.rows, judge(baselines(manifest), live, window.span))


def drift_command(folder: Path | None, model: str | None, by: str) -> tuple[str, tuple[Period, ...]]:
    """Return the installed model's name and version, and its periods."""
    state = open_state(folder)
    bundle = open_active(state, model)
    with open_journal(state) as journal:
        periods = device_drift(bundle, journal, Span(by))
    return f"{bundle.manifest.name} {bundle.manifest.version}", periods

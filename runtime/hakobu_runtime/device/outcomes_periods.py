"""How good the predictions were over time, as far as labels have come, and what is to be expected of the rest."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.drift import Period, device_drift
from hakobu_runtime.device.outcomes_store import Store
from hakobu_runtime.device.slots import open_active
from hakobu_runtime.device.state import State, open_state
from hakobu_runtime.format.concept import Standing, judge_outcomes
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.drift import Judgement
from hakobu_runtime.format.histogram import NumberBins
from hakobu_runtime.format.manifest import Classification
from hakobu_runtime.format.measures import (
    Measured,
    accuracy,
    auc,
    bias,
    brier,
    calibration,
    expected_accuracy,
    mean_absolute,
    mean_square,
)
from hakobu_runtime.format.outcome import OutcomeCounts, Subject
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.validation import Outcome as Verdict
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal import Journal


@dataclass(frozen=True, slots=True)
class Results:
    """The outcomes of one period."""

    start: str
    scored: int
    """How many rows were scored in it."""
    subject: Subject
    counts: OutcomeCounts
    standings: tuple[Standing, ...]
    estimate: Measured | None
    """The accuracy that a calibrated model expects of itself, before labels come."""

    @property
    def alarm(self) -> bool:
        """Whether any measure is an alarm."""
        return any(one.judgement is Judgement.ALARM for one in self.standings)

    def plain(self) -> dict[str, object]:
        """Return the period for JSON."""
        found: dict[str, object] = {"start": self.start, "rows": self.scored, "labels": self.counts.rows}
        if self.counts.rows:
            found |= {
                "measures": measures(self.subject, self.counts),
                "standings": self.standings,
                "counts": self.counts,
            }
        if self.estimate is not None:
            found["estimate"] = {
                "accuracy": _plain(self.estimate),
                "of": "the histogram of scores; no label was needed",
            }
        return found


def measures(subject: Subject, counts: OutcomeCounts) -> dict[str, object]:
    """Return all that can be said of the predictions from counts alone."""
    if not subject.classes:
        return {
            "mean_absolute_error": _plain(mean_absolute(counts, subject.unit)),
            "root_mean_squared_error": mean_square(counts, subject.unit) ** 0.5,
            "bias": bias(counts, subject.unit),
        }
    found: dict[str, object] = {"accuracy": _plain(accuracy(counts))}
    if subject.probable:
        name = "roc_auc" if len(subject.classes) == 2 else "auc_right_against_wrong"
        found |= {name: _plain(auc(counts)), "brier": brier(counts, subject.unit)}
        found["calibration"] = [
            {"from": one.low, "rows": one.rows, "so": one.so if one.rows else None} for one in calibration(counts)
        ]
    return found


def results_of(
    bundle: Bundle, journal: Journal, store: Store | None, span: Span, drifted: Collection[str]
) -> tuple[Results, ...]:
    """Judge the outcomes of this bundle by periods of `span`, oldest first, and estimate where that is sound.

    `drifted` names the periods in which an input raises an alarm.
    """
    subject = Subject.of(bundle.manifest, bundle.digest)
    counted: dict[Window, WindowCounts] = {}
    for window, more in journal.windows(subject.model).items():
        counted.setdefault(window.widen(span), WindowCounts()).add(more)
    known = _known(subject.model, store, span)
    if not known and not is_calibrated(bundle):
        return ()
    found = []
    for window in sorted({*counted, *known}, key=lambda one: one.begins):
        days, live = known.get(window, []), counted.get(window, WindowCounts())
        standings = judge_outcomes(subject, days, inputs_drifted=window.start in drifted)
        counts = reduce(OutcomeCounts.plus, days, OutcomeCounts())
        found.append(Results(window.start, live.rows, subject, counts, standings, _estimate(bundle, live)))
    return tuple(found)


def is_calibrated(bundle: Bundle) -> bool:
    """Say whether the builder set a limit to the calibration error, and the model kept it."""
    gates = bundle.validation.gates
    return any(gate.name == "calibration" and gate.outcome is Verdict.PASSED for gate in gates)


def results_command(
    folder: Path | None, model: str | None, by: str, periods: Sequence[Period] | None = None
) -> tuple[str, tuple[Results, ...]]:
    """Return the installed model's name and version, and its results; `periods` are its drift where that is known."""
    state = open_state(folder)
    bundle = open_active(state, model)
    with open_journal(state) as journal:
        found = device_drift(bundle, journal, Span(by)) if periods is None else periods
        drifted = {period.start for period in found if _inputs_drifted(period)}
        return f"{bundle.manifest.name} {bundle.manifest.version}", _results(state, bundle, journal, Span(by), drifted)


def _results(
    state: State, bundle: Bundle, journal: Journal, span: Span, drifted: Collection[str]
) -> tuple[Results, ...]:
    if not state.predictions.exists():
        return results_of(bundle, journal, None, span, drifted)
    with Store.open(state.predictions) as store:
        return results_of(bundle, journal, store, span, drifted)


def _inputs_drifted(period: Period) -> bool:
    """Say whether an input, not an output, raises an alarm."""
    return any(one.judgement is Judgement.ALARM and not one.name.startswith("(") for one in period.findings)


def _known(model: ModelName, store: Store | None, span: Span) -> Mapping[Window, list[OutcomeCounts]]:
    """Return the counts of each day with labels, by period."""
    found: dict[Window, list[OutcomeCounts]] = {}
    for outcome in store.outcomes() if store is not None else ():
        if outcome.model == model and outcome.counts.rows:
            found.setdefault(outcome.window.widen(span), []).append(outcome.counts)
    return found


def _estimate(bundle: Bundle, live: WindowCounts) -> Measured | None:
    outputs = bundle.manifest.outputs
    if not isinstance(outputs, Classification) or outputs.scores is None or not is_calibrated(bundle):
        return None
    bins, counts = outputs.scores.bins, live.outputs.get("scores")
    if not isinstance(bins, NumberBins) or counts is None:
        return None
    return expected_accuracy(bins, counts, len(outputs.classes))


def _plain(measured: Measured | None) -> dict[str, float] | None:
    return None if measured is None else {"value": measured.value, "low": measured.low, "high": measured.high}

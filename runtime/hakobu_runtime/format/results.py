"""How good predictions were by periods, as far as labels have come, and what is to be expected of the rest."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

from hakobu_runtime.format.concept import Standing, judge_outcomes
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.drift import Judgement
from hakobu_runtime.format.histogram import NumberBins
from hakobu_runtime.format.manifest import Classification, Manifest
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
from hakobu_runtime.format.validation import Outcome as Verdict
from hakobu_runtime.format.validation import Validation
from hakobu_runtime.format.window import Span, Window


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


@dataclass(frozen=True, slots=True)
class Judge:
    """What of a bundle it takes to judge outcomes, and to estimate them."""

    manifest: Manifest
    subject: Subject
    calibrated: bool
    """Whether the builder set a limit to the calibration error, and the model kept it."""

    @classmethod
    def of(cls, manifest: Manifest, validation: Validation, digest: str) -> "Judge":
        """Return the judge of the bundle that has this manifest, validation and digest."""
        kept = any(gate.name == "calibration" and gate.outcome is Verdict.PASSED for gate in validation.gates)
        return cls(manifest, Subject.of(manifest, digest), kept)

    def results(
        self,
        counted: Mapping[Window, WindowCounts],
        labelled: Iterable[tuple[Window, OutcomeCounts]],
        span: Span,
        drifted: Collection[str],
    ) -> tuple[Results, ...]:
        """Judge outcomes by periods, oldest first, and estimate where that is sound; () where neither can be.

        `counted` are the counts of the periods of `span`; `labelled` are outcomes by day; `drifted` names the periods
        in which an input raises an alarm.
        """
        known: dict[Window, list[OutcomeCounts]] = {}
        for window, outcomes in labelled:
            if outcomes.rows:
                known.setdefault(window.widen(span), []).append(outcomes)
        if not known and not self.calibrated:
            return ()
        found = []
        for window in sorted({*counted, *known}, key=lambda one: (one.begins, one.span)):
            days, live = known.get(window, []), counted.get(window, WindowCounts())
            standings = judge_outcomes(self.subject, days, inputs_drifted=window.start in drifted)
            counts = reduce(OutcomeCounts.plus, days, OutcomeCounts())
            found.append(Results(window.start, live.rows, self.subject, counts, standings, self._estimate(live)))
        return tuple(found)

    def _estimate(self, live: WindowCounts) -> Measured | None:
        outputs = self.manifest.outputs
        if not isinstance(outputs, Classification) or outputs.scores is None or not self.calibrated:
            return None
        bins, counts = outputs.scores.bins, live.outputs.get("scores")
        if not isinstance(bins, NumberBins) or counts is None:
            return None
        return expected_accuracy(bins, counts, len(outputs.classes))


def _plain(measured: Measured | None) -> dict[str, float] | None:
    return None if measured is None else {"value": measured.value, "low": measured.low, "high": measured.high}

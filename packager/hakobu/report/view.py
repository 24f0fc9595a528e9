"""What a report shows of a build: everything drawn and worded, in the order of the page."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from hakobu.gates.answers import Answers
from hakobu.gates.evidence import Evidence, Interval, Rival
from hakobu.gates.judge import Rule
from hakobu.gates.ratchet import answers_of
from hakobu.pack.build import Built
from hakobu.report.charts.confusion import confusion
from hakobu.report.charts.curves import Ranking, curves
from hakobu.report.charts.features import FeatureCard, feature_card
from hakobu.report.charts.groups import GroupTable, group_tables
from hakobu.report.charts.importance import dependences, importance_bars
from hakobu.report.charts.intervals import Known, duel, gain_line, interval_words, spans, strip
from hakobu.report.charts.latency import latency
from hakobu.report.charts.predictions import classes_said, probabilities_said, values_said
from hakobu.report.charts.residuals import residuals
from hakobu.report.draw.figure import Figure
from hakobu.report.draw.label import cut
from hakobu.report.draw.scale import figure_of
from hakobu.report.review import Review, reviews
from hakobu_runtime.format.manifest import Regression
from hakobu_runtime.format.validation import Gate, Outcome, Stage

_ORDER = {Outcome.FAILED: 0, Outcome.NOT_JUDGED: 1, Outcome.PASSED: 2}
_STAGES = {
    Stage.DATA: ("Data", "whether the table can be learned from, and gave the model an honest chance"),
    Stage.MODEL: ("Model", "whether the model is good, and good for the right reasons"),
    Stage.EXPORT: ("Export", "whether what travels is the trained model, small and fast enough"),
}


@dataclass(frozen=True, slots=True)
class GateGroup:
    """The gates of one stage, the failed ones first."""

    title: str
    asks: str
    gates: tuple[Gate, ...]

    def counted(self, outcome: str) -> int:
        """Return how many gates ended so."""
        return sum(gate.outcome == outcome for gate in self.gates)


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One metric on both sides, with what is known of its luck."""

    name: str
    holdout: str
    bounds: str
    train: str
    folds: str
    rule: str
    drawing: Markup


@dataclass(frozen=True, slots=True)
class Contest:
    """The champion beside the challenger."""

    champion: str
    digest: str
    gain: str
    bounds: str
    figures: tuple[Figure, ...]
    changes: tuple[Review, ...]


@dataclass(frozen=True, slots=True)
class View:
    """All of it; an empty part is left out of the page."""

    groups: tuple[GateGroup, ...]
    pressing: tuple[Gate, ...]
    """The gates that failed or could not be judged, the failed ones first."""
    metrics: tuple[MetricLine, ...]
    contest: Contest | None
    performance: tuple[Figure, ...]
    importances: tuple[tuple[str, Markup, str], ...]
    dependences: tuple[Figure, ...]
    features: tuple[FeatureCard, ...]
    fairness: tuple[GroupTable, ...]
    latency: Figure | None
    exported: bool
    """Whether it was the exported model that answered, in the runtime of the devices."""


def view_of(built: Built) -> View:
    """Return what there is to show of `built`."""
    evidence = built.evidence
    spoken = _spoken(evidence)
    gives = f"probability of {cut(_named(evidence.classes[1]), 24)}" if len(evidence.classes) == 2 else "prediction"
    return View(
        groups=tuple(_groups(built)),
        pressing=tuple(gate for gate in _sorted(built.gates) if gate.outcome is not Outcome.PASSED),
        metrics=tuple(_metrics(built)),
        contest=None if evidence.rival is None else _contest(built, evidence.rival),
        performance=() if spoken is None else (*spoken.performance(), *spoken.predictions()),
        importances=importance_bars(evidence.importances),
        dependences=tuple(dependences(evidence.dependences, gives)),
        features=_features(evidence),
        fairness=group_tables(evidence.groups, {name: one.value for name, one in evidence.intervals.items()}),
        latency=latency(evidence.latency) if evidence.latency else None,
        exported=evidence.predicted is not None,
    )


def _sorted(gates: tuple[Gate, ...]) -> list[Gate]:
    return sorted(gates, key=lambda gate: _ORDER[gate.outcome])


def _groups(built: Built) -> Iterator[GateGroup]:
    for stage, (title, asks) in _STAGES.items():
        gates = tuple(_sorted(tuple(gate for gate in built.gates if gate.stage is stage)))
        if gates:
            yield GateGroup(title, asks, gates)


def _metrics(built: Built) -> Iterator[MetricLine]:
    evidence, rules = built.evidence, built.project.file.gates.metrics
    lines = [
        Known(
            name,
            metric.holdout,
            metric.train,
            evidence.intervals.get(name),
            evidence.folds.get(name, ()),
            Rule.of(name, rules[name]).limit if name in rules else None,
        )
        for name, metric in built.metrics.items()
    ]
    for one, span in zip(lines, spans(lines), strict=True):
        folds = [value for value in one.folds if isfinite(value)]
        yield MetricLine(
            name=one.name,
            holdout=figure_of(one.holdout),
            bounds=interval_words(one.interval) if one.interval is not None else "",
            train=figure_of(one.train),
            folds=f"{figure_of(min(folds))} to {figure_of(max(folds))}" if folds else "",
            rule=rules.get(one.name, ""),
            drawing=strip(one, span),
        )


def _contest(built: Built, rival: Rival) -> Contest:
    limits = built.project.file.gates.ratchet
    least = limits.min_gain if limits.min_gain is not None else -limits.max_loss
    champion = f"{rival.manifest.name} {rival.manifest.version}"
    names = (f"champion {rival.manifest.version}", f"challenger {built.project.file.model.version}")
    asked = "the least gain that is asked for" if limits.min_gain is not None else "the most that may be lost"
    figures = (
        Figure(f"{rival.metric} on the same rows", duel(rival.metric, rival.champion, rival.challenger, names)),
        Figure(f"Gain in {rival.metric}", gain_line(rival.metric, rival.gain, least), (("limitmark", asked),)),
    )
    return Contest(
        champion=champion,
        digest=rival.digest,
        gain=_signed(rival.gain),
        bounds=interval_words(rival.gain),
        figures=figures,
        changes=reviews(rival.changes),
    )


def _signed(gain: Interval) -> str:
    return f"{gain.value:+.4g}"


def _features(evidence: Evidence) -> tuple[FeatureCard, ...]:
    """Return the inputs, the most important first."""
    drops = {one.feature: one.drop for one in evidence.importances}
    ranked = sorted(evidence.seen, key=lambda one: -drops.get(one.name, 0.0))
    return tuple(feature_card(one, figure_of(drops[one.name]) if one.name in drops else "") for one in ranked)


@dataclass(frozen=True, slots=True)
class _Spoken:
    """What the models say of the hold-out."""

    target: NDArray[Any]
    classes: tuple[str, ...]
    mine: Answers
    its: Answers | None
    names: tuple[str, str]

    def performance(self) -> Iterator[Figure]:
        """Yield how right the model is."""
        if self.mine.classes is None:
            yield from residuals(*self._numbers())
            return
        codes = self._codes(self.target)
        models = [
            Ranking(name, answers.by_method["predict_proba"])
            for name, answers in zip(self.names, (self.mine, self.its), strict=True)
            if answers is not None and "predict_proba" in answers.by_method
        ]
        if models:
            yield from curves(codes, self.classes, models)
        yield from confusion(codes, self._codes(self.mine.by_method["predict"]), self.classes)

    def predictions(self) -> Iterator[Figure]:
        """Yield what the model says of all rows together."""
        if self.mine.classes is None:
            yield from values_said(*self._numbers())
            return
        codes = self._codes(self.target)
        odds = self.mine.by_method.get("predict_proba")
        if odds is not None:
            yield from probabilities_said(codes, odds, self.classes)
        yield from classes_said(codes, self._codes(self.mine.by_method["predict"]), self.classes)

    def _numbers(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        said = np.asarray(self.mine.by_method["predict"], dtype=np.float64).reshape(-1)
        return self.target.astype(np.float64), said

    def _codes(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        known = [] if self.mine.classes is None else self.mine.classes.tolist()
        place = {label: code for code, label in enumerate(known)}
        return np.array([place[label] for label in labels.tolist()], dtype=np.int64)


def _spoken(evidence: Evidence) -> _Spoken | None:
    """Return the answers to draw: the exported model's, or the pipeline's where it got no further."""
    y, rival = evidence.target, evidence.rival
    if y is None or evidence.answers is None:
        return None
    mine = evidence.answers
    if evidence.predicted is not None:
        mine = answers_of(evidence.predicted, evidence.classes, y)
    if mine.classes is not None and not set(y.tolist()) <= set(mine.classes.tolist()):
        return None  # a model that was brought may know other classes
    its, other = None, "champion"
    if rival is not None:
        outputs = rival.manifest.outputs
        its = answers_of(rival.predicted, () if isinstance(outputs, Regression) else outputs.classes, y)
        other = f"champion {rival.manifest.version}"
    name = "this model" if rival is None else "challenger"
    return _Spoken(y, tuple(map(_named, evidence.classes)), mine, its, (name, other))


def _named(label: object) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)

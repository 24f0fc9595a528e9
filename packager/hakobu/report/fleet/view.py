"""What a page shows of a fleet's drift: everything drawn and worded, in the order of the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hakobu.fleet.judging import FleetPeriod, Judged
from hakobu.report.draw.figure import Tile
from hakobu.report.draw.scale import figure_of
from hakobu.report.fleet.feature import FeatureView, feature_view
from hakobu.report.fleet.outcomes import OutcomeView, outcome_view
from hakobu.report.fleet.strange import OddCard, odd_cards
from hakobu_runtime.format.drift import Finding, Judgement
from hakobu_runtime.format.periods import is_output

_NAMED = 4
"""How many features a sentence names."""
_ROOM = 14
"""Up to how many periods a cell of the map has room for its number."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One feature in one period."""

    judgement: str
    text: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """One feature in the map."""

    name: str
    anchor: str
    """Of its own section, "" when it has none."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Features by periods, the most drifted first."""

    starts: tuple[str, ...]
    rows: tuple[str, ...]
    """How many were scored in each."""
    lines: tuple[Line, ...]
    dense: bool
    """Whether there are so many periods that cells hold no numbers."""


@dataclass(frozen=True, slots=True)
class GroupLine:
    """What raises an alarm in one group of devices, by period."""

    name: str
    devices: str
    alarms: tuple[tuple[str, str], ...]
    """The worst judgement, and the names of what raises an alarm."""


@dataclass(frozen=True, slots=True)
class Section:
    """All that is shown of one bundle."""

    anchor: str
    title: str
    version: str
    about: str
    look: str
    word: str
    sentence: str
    tiles: tuple[Tile, ...]
    heat: HeatMap | None
    features: tuple[FeatureView, ...]
    """Those that drift or have drifted."""
    odd: tuple[OddCard, ...]
    outcomes: OutcomeView | None
    groups: tuple[GroupLine, ...]
    starts: tuple[str, ...]


def section_of(judged: Judged, last: int, number: int) -> Section:
    """Return what there is to show of one bundle, the `number`th of the page."""
    anchor, recent = f"b{number}", judged.periods[-last:]
    ranked = _ranked(judged.periods)
    moved = [name for name in ranked if _worst(recent, name) in (Judgement.ALARM, Judgement.WARN)]
    views = tuple(
        feature_view(judged, name, recent, f"{anchor}-f{place}") for place, name in enumerate(moved) if recent
    )
    anchors = {view.name: view.anchor for view in views}
    look, word, sentence = _verdict(judged, recent)
    return Section(
        anchor=anchor,
        title=judged.model.name,
        version=judged.model.version,
        about=_about(judged),
        look=look,
        word=word,
        sentence=sentence,
        tiles=tuple(_tiles(judged, recent)),
        heat=_heat(judged.periods, ranked, anchors) if judged.periods else None,
        features=views,
        odd=odd_cards(judged, recent),
        outcomes=outcome_view(judged, recent),
        groups=tuple(_groups(judged, recent)),
        starts=tuple(period.window.start for period in recent),
    )


def _ranked(periods: Sequence[FleetPeriod]) -> list[str]:
    """Return the names of all that is judged, the most drifted first."""
    names = [one.name for one in periods[-1].judged.findings] if periods else []
    most = {name: max((one.finding(name) for one in periods), key=_serious) for name in names}
    return sorted(names, key=lambda name: _serious(most[name]), reverse=True)


def _serious(finding: Finding) -> tuple[int, float]:
    return finding.judgement.rank, finding.debiased


def _worst(periods: Sequence[FleetPeriod], name: str) -> Judgement:
    found = (period.finding(name).judgement for period in periods)
    return max(found, key=lambda judgement: judgement.rank, default=Judgement.INSUFFICIENT)


def _about(judged: Judged) -> str:
    source, starts = judged.manifest.provenance, [period.window.start for period in judged.periods]
    learned = f"{source.training_rows:,} rows"
    if source.training_start and source.training_end:
        learned += f" of {source.training_start[:10]} to {source.training_end[:10]}"
    when = f", {starts[0]} to {starts[-1]}" if starts else ""
    words = f"The counts of a fleet{when}, held against the {learned} that it learned from. No row left a device."
    return words.replace("-", "\u2011")  # hyphens that no line ends at


def _verdict(judged: Judged, recent: Sequence[FleetPeriod]) -> tuple[str, str, str]:
    """Return the look, a word and a sentence, by the newest period that says something."""
    told = [period for period in recent if any(_judged(one) for one in period.judged.findings)]
    if not told:
        return "faint", "Too few rows", "In none of the periods there are enough rows to judge anything yet."
    period = told[-1]
    worse = [one for one in judged.results[-len(recent) :] if one.alarm]
    outcomes = (
        f" The outcomes were worse than on the hold-out in {worse[-1].start}, more than days differ." if worse else ""
    )
    for judgement, look, word in ((Judgement.ALARM, "bad", "Drifted"), (Judgement.WARN, "warn", "Drifting")):
        names = [one.name for one in _sorted(period) if one.judgement is judgement]
        if names:
            verb = "has" if len(names) == 1 else "have"
            tail = "moved away from training" if judgement is Judgement.ALARM else "begun to move away from training"
            return look, word, f"In {period.window.start} {_listed(names)} {verb} {tail}.{outcomes}"
    if worse:
        return "bad", "Worse", f"The inputs look as in training.{outcomes}"
    return "good", "As in training", f"In {period.window.start} nothing differs more than such periods did in training."


def _listed(names: list[str]) -> str:
    """Return names as in a sentence; of many the first ones, and how many more."""
    shown = names if len(names) <= _NAMED + 1 else [*names[:_NAMED], f"{len(names) - _NAMED} more"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _judged(finding: Finding) -> bool:
    return finding.judgement is not Judgement.INSUFFICIENT


def _sorted(period: FleetPeriod) -> list[Finding]:
    return sorted(period.judged.findings, key=_serious, reverse=True)


def _tiles(judged: Judged, recent: Sequence[FleetPeriod]) -> Iterator[Tile]:
    yield Tile("devices", f"{judged.devices:,}", "sent their counts")
    yield Tile("rows", f"{judged.rows:,}", f"scored in {_plural(len(judged.periods), judged.span)}")
    if not recent:
        return
    newest = recent[-1]
    alarms = [one for one in newest.judged.findings if one.judgement is Judgement.ALARM]
    inputs = sum(not is_output(one.name) for one in alarms)
    note = f"of {len(judged.manifest.features)} inputs, in {newest.window.start}"
    yield Tile("in alarm", f"{inputs}", note, "bad" if inputs else "good")
    odd = {one.device for period in recent for one in period.odd}
    yield Tile("odd devices", f"{len(odd)}", "left out of the judgement" if odd else "none", "warn" if odd else "good")
    broken = newest.counts.rows - newest.counts.verdicts.get("ok", 0)
    if newest.counts.rows:
        yield Tile("broke a rule", f"{broken / newest.counts.rows:.0%}", f"of the rows of {newest.window.start}")
    measured = [(result.start, one) for result in judged.results for one in result.standings[:1]]
    if measured:
        start, one = measured[-1]
        note = f"{figure_of(one.low)} to {figure_of(one.high)} (95%), in {start}"
        yield Tile(one.metric.replace("_", " "), figure_of(one.value), note)


def _plural(many: int, noun: str) -> str:
    return f"{many} {noun}{'' if many == 1 else 's'}"


def _heat(periods: Sequence[FleetPeriod], ranked: Sequence[str], anchors: dict[str, str]) -> HeatMap:
    dense = len(periods) > _ROOM
    lines = []
    for name in ranked:
        findings = [(period, period.finding(name)) for period in periods]
        cells = tuple(
            Cell(
                one.judgement.value,
                "" if dense or one.judgement is Judgement.INSUFFICIENT else _short(one.debiased),
                f"{name}, {period.window.start}: {one.judgement.value}, PSI* {one.debiased:.3g} on {one.rows:,} rows",
            )
            for period, one in findings
        )
        lines.append(Line(name, anchors.get(name, ""), cells))
    return HeatMap(
        tuple(period.window.start for period in periods),
        tuple(f"{period.counts.rows:,}" for period in periods),
        tuple(lines),
        dense,
    )


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _groups(judged: Judged, recent: Sequence[FleetPeriod]) -> Iterator[GroupLine]:
    for name, periods in judged.groups.items():
        by_window = {period.window: period for period in periods}
        cells = []
        for period in recent:
            found = by_window.get(period.window)
            alarms = [one.name for one in _sorted(found) if one.judgement is Judgement.ALARM] if found else []
            worst = _sorted(found)[0].judgement.value if found else ""
            cells.append((worst, ", ".join(alarms[:_NAMED])))
        devices = max((period.devices for period in periods), default=0)
        yield GroupLine(name or "(no group)", f"{devices:,}", tuple(cells))

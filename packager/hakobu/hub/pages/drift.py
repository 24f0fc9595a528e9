"""Drift of one version: which input or output strayed from training, in which window, and how seriously."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy import Connection, func, select

from hakobu.hub.alarms import Alarm, open_alarms
from hakobu.hub.bundles import KnownBundle, of_model
from hakobu.hub.pages import outcomes
from hakobu.hub.pages.outcomes import OutcomesView
from hakobu.hub.pages.subjects import Shown, Subject, shown, subjects
from hakobu.hub.sightings import Kind
from hakobu.hub.tables import totals
from hakobu.hub.totals import series
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.drift import Finding, Judgement
from hakobu_runtime.format.periods import Period, drifted, judge_periods
from hakobu_runtime.format.window import Span, Window

MOST_WORST = 5
"""How many sentences stand at the top."""


class Heat(StrEnum):
    """What a cell of the map shows."""

    NONE = "none"
    """Nothing was counted."""
    INSUFFICIENT = "insufficient"
    OK = "ok"
    WARN = "warn"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Cell:
    """One input in one window."""

    start: str
    heat: Heat
    debiased: float


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One input or output over the windows."""

    name: str
    is_output: bool
    cells: tuple[Cell, ...]
    alarms: int
    warnings: int


@dataclass(frozen=True, slots=True)
class DriftView:
    """The page; `shown` is None where nothing was counted."""

    model: str
    version: str
    versions: tuple[str, ...]
    span: Span
    group: str | None
    groups: tuple[str, ...]
    shown: Shown | None
    rows: tuple[HeatRow, ...]
    """The most serious first."""
    counted: tuple[int, ...]
    """The rows of each window."""
    latest: str
    """The newest window that something could be judged in; "" where there is none."""
    worst: tuple[Finding, ...]
    """What is serious in it."""
    judged: int
    """How many inputs and outputs could be judged in it."""
    odd: tuple[Alarm, ...]
    """Open alarms of single devices that count what the others do not."""
    outcomes: OutcomesView | None


def view(connection: Connection, bundle: KnownBundle, span: Span, group: str | None, until: date | None) -> DriftView:
    """Return the drift of `bundle`, in all groups of devices or in one."""
    found = shown(connection, bundle, group, span, until)
    counted: Mapping[Window, WindowCounts] = {}
    if found is not None:
        groups = None if group is None else (group,)
        counted = dict(series(connection, bundle, groups, span, found.since, found.until))
    periods = judge_periods(bundle.manifest, counted, span)
    by_start = {period.start: period for period in periods}
    latest = next((period for period in reversed(periods) if _judged(period)), None)
    return DriftView(
        model=bundle.model,
        version=bundle.version,
        versions=tuple(dict.fromkeys(one.version for one in of_model(connection, bundle.model))),
        span=span,
        group=group,
        groups=groups_of(connection, bundle),
        shown=found,
        rows=_rows(subjects(bundle.manifest), by_start, found),
        counted=tuple(by_start[one.start].rows if one.start in by_start else 0 for one in found.windows)
        if found
        else (),
        latest=latest.start if latest else "",
        worst=() if latest is None else _worst(latest),
        judged=0 if latest is None else len(_judged(latest)),
        odd=tuple(
            alarm
            for alarm in open_alarms(connection, bundle.model)
            if alarm.matter.kind is Kind.DEVICE and alarm.matter.version == bundle.version
        ),
        outcomes=outcomes.view(connection, bundle, span, group, found, counted, drifted(periods)) if found else None,
    )


def groups_of(connection: Connection, bundle: KnownBundle) -> tuple[str, ...]:
    """Return the groups whose devices counted something of `bundle`, the one with most rows first."""
    query = (
        select(totals.c.group_name)
        .where(totals.c.bundle_id == bundle.id, func.length(totals.c.start) == len("2026-01"))
        .group_by(totals.c.group_name)
        .order_by(func.sum(totals.c.rows).desc(), totals.c.group_name)
    )
    return tuple(connection.scalars(query))


def _judged(period: Period) -> list[Finding]:
    return [one for one in period.findings if one.judgement is not Judgement.INSUFFICIENT]


def _worst(period: Period) -> tuple[Finding, ...]:
    serious = [one for one in period.findings if one.judgement in (Judgement.WARN, Judgement.ALARM)]
    return tuple(sorted(serious, key=lambda one: (-one.judgement.rank, -one.debiased, one.name)))


def _rows(known: Sequence[Subject], by_start: Mapping[str, Period], found: Shown | None) -> tuple[HeatRow, ...]:
    if found is None:
        return ()
    cells: dict[str, list[Cell]] = {subject.name: [] for subject in known}
    for window in found.windows:
        period = by_start.get(window.start)
        judged = {one.name: one for one in period.findings} if period else {}
        for name, row in cells.items():
            one = judged.get(name)
            if one is None or one.rows == 0:
                row.append(Cell(window.start, Heat.NONE, 0.0))
            else:
                row.append(Cell(window.start, Heat(one.judgement.value), one.debiased))
    rows = [
        HeatRow(
            subject.name,
            subject.feature is None,
            tuple(cells[subject.name]),
            sum(cell.heat is Heat.ALARM for cell in cells[subject.name]),
            sum(cell.heat is Heat.WARN for cell in cells[subject.name]),
        )
        for subject in known
    ]
    return tuple(sorted(rows, key=lambda row: (row.is_output, -row.alarms, -row.warnings)))

"""What is judged of a bundle: each input, then the outputs in brackets; and the windows that a page shows."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, func, select

from hakobu.hub.bundles import KnownBundle
from hakobu.hub.tables import totals
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.feature import Baseline, Feature
from hakobu_runtime.format.histogram import Counts
from hakobu_runtime.format.manifest import Classification, Manifest
from hakobu_runtime.format.window import Span, Window, parse_start

SHOWN = {Span.DAY: 60, Span.WEEK: 30, Span.MONTH: 24}
"""How many windows a page shows at once."""
_DAYS = {Span.DAY: 1, Span.WEEK: 7}


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that has a histogram in training."""

    name: str
    """As findings call it: the input, or the output in brackets."""
    baseline: Baseline
    feature: Feature | None
    """None for an output."""
    key: str
    """How counts call it."""

    def live(self, counts: WindowCounts) -> Counts | None:
        """Return its part of some counts; None where it was not counted."""
        return (counts.outputs if self.feature is None else counts.features).get(self.key)

    def breaches(self, counts: WindowCounts) -> dict[str, int]:
        """Return how often its cells, or the column that it is taken from, broke which rule."""
        if self.feature is None:
            return {}
        found: dict[str, int] = {}
        for name in {self.feature.name, self.feature.column}:
            for rule, many in counts.breaches.get(name, {}).items():
                found[rule] = found.get(rule, 0) + many
        return found


def subjects(manifest: Manifest) -> tuple[Subject, ...]:
    """Return all of them, in the order of the manifest."""
    found = [Subject(feature.counted, feature.baseline, feature, feature.name) for feature in manifest.features]
    outputs = manifest.outputs
    if isinstance(outputs, Classification):
        found.append(Subject("(label)", outputs.labels, None, "labels"))
    if outputs.scores is not None:
        found.append(Subject("(score)", outputs.scores, None, "scores"))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Shown:
    """Which windows a page shows, and where the pages before and after it end."""

    windows: tuple[Window, ...]
    """The oldest first; those without a row are among them."""
    older: date | None
    """The last day of the page before; None where there is none."""
    newer: date | None

    @property
    def since(self) -> date:
        """The first day."""
        return self.windows[0].begins.date()

    @property
    def until(self) -> date:
        """The first day of the last window."""
        return self.windows[-1].begins.date()


def shown(
    connection: Connection, bundle: KnownBundle, group: str | None, span: Span, until: date | None
) -> Shown | None:
    """Return the windows up to the one that holds `until`, or to the newest; None where nothing was counted."""
    part = Span.MONTH if span is Span.MONTH else Span.DAY
    query = select(func.min(totals.c.start), func.max(totals.c.start)).where(
        totals.c.bundle_id == bundle.id, func.length(totals.c.start) == (7 if span is Span.MONTH else 10)
    )
    if group is not None:
        query = query.where(totals.c.group_name == group)
    first, last = connection.execute(query).one()
    if first is None:
        return None
    start = Window(first, part).widen(span).begins.date()
    newest = Window(last, part).widen(span).begins.date()
    end = newest if until is None else min(max(_start(until, span), start), newest)
    days = [end]
    while len(days) < SHOWN[span] and days[-1] > start:
        days.append(before(days[-1], span))
    days.reverse()
    older = before(days[0], span) if days[0] > start else None
    newer = min(newest, _later(end, span, SHOWN[span])) if end < newest else None
    return Shown(tuple(_window(day, span) for day in days), older, newer)


def before(day: date, span: Span) -> date:
    """Return the first day of the window before the one that begins on `day`."""
    return (day - timedelta(days=1)).replace(day=1) if span is Span.MONTH else day - timedelta(days=_DAYS[span])


def _later(day: date, span: Span, many: int) -> date:
    if span is Span.MONTH:
        months = day.year * 12 + day.month - 1 + many
        return date(months // 12, months % 12 + 1, 1)
    return day + timedelta(days=_DAYS[span] * many)


def _start(day: date, span: Span) -> date:
    return _window(day, span).begins.date()


def _window(day: date, span: Span) -> Window:
    text = day.isoformat()
    return Window(text, Span.DAY).widen(span)


def day_of(text: str) -> date | None:
    """Return the day that an address names; None for anything that is none."""
    try:
        return parse_start(text, Span.DAY).date()
    except ValueError:
        return None

"""What the labels of a bundle say, week by week: of the whole fleet, and of each group."""

from collections.abc import Iterator

from sqlalchemy import Connection

from hakobu.hub import outcome_totals, totals
from hakobu.hub.bundles import KnownBundle
from hakobu.hub.lookback import Lookback
from hakobu.hub.sightings import Sighting
from hakobu_runtime.format.periods import drifted, judge_periods
from hakobu_runtime.format.results import Judge
from hakobu_runtime.format.window import Span, Window


def judge_outcomes(connection: Connection, bundle: KnownBundle, back: Lookback) -> Iterator[tuple[str, str, Sighting]]:
    """Yield, for each group and "" for the fleet, each measure and what a complete week says of it."""
    by_group = outcome_totals.by_group(connection, bundle, None, back.quarter, back.sunday)
    parts = {group: found for group, found in by_group.items() if group and len(by_group) > 1}
    if by_group:
        parts[""] = outcome_totals.together(by_group)
    judge = Judge.of(bundle.manifest, bundle.validation, bundle.digest)
    for group, known in parts.items():
        asked = (group,) if group else None
        weeks = dict(totals.series(connection, bundle, asked, Span.WEEK, back.quarter, back.sunday))
        moved = drifted(judge_periods(bundle.manifest, weeks, Span.WEEK))
        for result in judge.results({}, known.items(), Span.WEEK, moved):
            for standing in result.standings:
                window = Window(result.start, Span.WEEK)
                yield group, standing.metric, Sighting(window, standing.judgement, standing.words())

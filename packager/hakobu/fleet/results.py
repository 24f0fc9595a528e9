"""How good the predictions of a whole fleet were, as far as labels have come to its devices."""

from collections.abc import Collection, Iterable, Mapping

from hakobu.fleet.merge import outcome_totals
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.outcome import Outcome
from hakobu_runtime.format.results import Judge, Results
from hakobu_runtime.format.validation import Validation
from hakobu_runtime.format.window import Span, Window


def results_of(
    manifest: Manifest,
    validation: Validation,
    digest: str,
    counted: Mapping[Window, WindowCounts],
    outcomes: Iterable[Outcome],
    span: Span,
    drifted: Collection[str],
) -> tuple[Results, ...]:
    """Judge merged outcomes of one bundle by periods, oldest first; () where nothing is known and nothing estimated.

    `counted` are the fleet's counts by period, `drifted` names the periods in which an input raises an alarm: a fall
    where none does is concept drift. Raises FormatError, naming the device, where outcomes cannot be added.
    """
    judge = Judge.of(manifest, validation, digest)
    totals = outcome_totals(one for one in outcomes if one.model == judge.subject.model)
    return judge.results(counted, ((window, found) for (_, window), found in totals.items()), span, drifted)

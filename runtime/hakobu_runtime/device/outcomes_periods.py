"""How good this device's predictions were over time, as far as labels have come to it."""

from collections.abc import Collection, Sequence
from pathlib import Path

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.drift import device_drift
from hakobu_runtime.device.outcomes_store import Store
from hakobu_runtime.device.slots import open_active
from hakobu_runtime.device.state import State, open_state
from hakobu_runtime.format.periods import Period, drifted, gathered
from hakobu_runtime.format.results import Judge, Results
from hakobu_runtime.format.window import Span
from hakobu_runtime.journal import Journal


def results_of(
    bundle: Bundle, journal: Journal, store: Store | None, span: Span, drifted: Collection[str]
) -> tuple[Results, ...]:
    """Judge the outcomes of this bundle by periods of `span`, oldest first, and estimate where that is sound.

    `drifted` names the periods in which an input raises an alarm.
    """
    judge = Judge.of(bundle.manifest, bundle.validation, bundle.digest)
    counted = gathered(journal.windows(judge.subject.model).items(), span)
    outcomes = store.outcomes() if store is not None else ()
    labelled = ((one.window, one.counts) for one in outcomes if one.model == judge.subject.model)
    return judge.results(counted, labelled, span, drifted)


def results_command(
    folder: Path | None, model: str | None, by: str, periods: Sequence[Period] | None = None
) -> tuple[str, tuple[Results, ...]]:
    """Return the installed model's name and version, and its results; `periods` are its drift where that is known."""
    state = open_state(folder)
    bundle = open_active(state, model)
    with open_journal(state) as journal:
        found = device_drift(bundle, journal, Span(by)) if periods is None else periods
        results = _results(state, bundle, journal, Span(by), drifted(found))
        return f"{bundle.manifest.name} {bundle.manifest.version}", results


def _results(
    state: State, bundle: Bundle, journal: Journal, span: Span, drifted: Collection[str]
) -> tuple[Results, ...]:
    if not state.predictions.exists():
        return results_of(bundle, journal, None, span, drifted)
    with Store.open(state.predictions) as store:
        return results_of(bundle, journal, store, span, drifted)

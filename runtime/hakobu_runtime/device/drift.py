"""This device's own counts, held against what training saw."""

from pathlib import Path

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.slots import open_active
from hakobu_runtime.device.state import open_state
from hakobu_runtime.format.periods import Period, judge_periods
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span
from hakobu_runtime.journal import Journal


def device_drift(bundle: Bundle, journal: Journal, span: Span) -> tuple[Period, ...]:
    """Judge the journal's windows of this bundle, gathered into periods of `span`, oldest first.

    A window that is longer than `span`, because it was folded, is a period of its own.
    """
    manifest = bundle.manifest
    windows = journal.windows(ModelName(manifest.name, manifest.version, bundle.digest))
    return judge_periods(manifest, windows, span)


def drift_command(folder: Path | None, model: str | None, by: str) -> tuple[str, tuple[Period, ...]]:
    """Return the installed model's name and version, and its periods."""
    state = open_state(folder)
    bundle = open_active(state, model)
    with open_journal(state) as journal:
        periods = device_drift(bundle, journal, Span(by))
    return f"{bundle.manifest.name} {bundle.manifest.version}", periods

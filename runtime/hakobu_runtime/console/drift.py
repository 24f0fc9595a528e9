"""The drift of a device as a table: a line a feature, a column a period."""

from collections.abc import Sequence
from typing import Any

from hakobu_runtime.console.table import bar, style, table
from hakobu_runtime.format.drift import Finding, Judgement
from hakobu_runtime.format.periods import Period

_LOOKS: dict[Judgement, dict[str, Any]] = {
    Judgement.ALARM: {"fg": "red", "bold": True},
    Judgement.WARN: {"fg": "yellow"},
    Judgement.OK: {"fg": "green"},
    Judgement.INSUFFICIENT: {"dim": True},
}


def looks(judgement: Judgement) -> dict[str, Any]:
    """Return the colours of a judgement."""
    return _LOOKS[judgement]


def drift_table(periods: Sequence[Period], last: int, most: int = 40) -> str:
    """Return the table of the `last` periods, the most drifted features first, and what the worst mean in words."""
    earlier, periods = len(periods) - last, periods[-last:]
    names = sorted(
        {finding.name for period in periods for finding in period.findings}, key=lambda name: -_most(periods, name)
    )
    header = ["PSI* against training", *(f"{period.start} ({period.rows:,} rows)" for period in periods)]
    rows = [[name, *(_cell(period, name) for period in periods)] for name in names[:most]]
    lines = [table(header, rows)]
    if len(names) > most:
        lines.append(f"and {len(names) - most} more features; --json shows them all")
    if earlier > 0:
        lines.append(f"and {earlier} earlier periods; --last {earlier + last} or --json shows them all")
    worst = sorted(
        (finding for finding in periods[-1].findings if finding.judgement in (Judgement.ALARM, Judgement.WARN)),
        key=lambda finding: -finding.debiased,
    )
    lines += ["", *(f"{periods[-1].start}: {finding.words()}" for finding in worst[:3])] if worst else []
    return "\n".join(lines)


def _most(periods: Sequence[Period], name: str) -> float:
    return max(finding.debiased for period in periods for finding in period.findings if finding.name == name)


def _cell(period: Period, name: str) -> str:
    found: Finding | None = next((finding for finding in period.findings if finding.name == name), None)
    if found is None:
        return ""
    return f"{bar(found.debiased)} {found.debiased:6.2f} {style(str(found.judgement.value), **looks(found.judgement))}"

"""What the counts of a fleet say, in the lines of a terminal."""

from collections.abc import Iterator, Sequence

from hakobu.fleet.judging import FleetPeriod, Judged
from hakobu.fleet.odd import Oddity
from hakobu_runtime.console.drift import drift_table
from hakobu_runtime.console.results import results_table
from hakobu_runtime.console.table import style, table
from hakobu_runtime.format.drift import Judgement

_MOST = 12
"""How many odd features of devices are told one by one."""
_MOST_DATES = 6
"""How many days and periods of one are named."""


def fleet_words(found: Sequence[Judged], last: int) -> str:
    """Return all that is to be said of each bundle, by its last periods."""
    return "\n\n".join("\n".join(_bundle(one, last)) for one in found) or "nothing was counted"


def _bundle(judged: Judged, last: int) -> Iterator[str]:
    name = f"{judged.model.name} {judged.model.version}"
    yield f"{style(name, bold=True)}: {counted(judged.rows, 'row')} of {counted(judged.devices, 'device')}"
    if judged.periods:
        yield ""
        yield drift_table([period.judged for period in judged.periods], last)
    recent = judged.periods[-last:]
    yield from _odd(recent)
    if judged.groups:
        yield ""
        yield _groups(judged, recent)
    if judged.results:
        yield ""
        yield results_table(judged.results, last)


def _odd(periods: Sequence[FleetPeriod]) -> Iterator[str]:
    """Say which devices are odd, the latest period first; what is the same in several is told once."""
    told: dict[tuple[str, str, str], tuple[Oddity, list[str]]] = {}
    for period in reversed(periods):
        for one in period.odd:
            told.setdefault((one.device, one.feature, one.kind), (one, []))[1].extend(
                reversed(one.when(period.window.start))
            )
    if not told:
        return
    yield ""
    devices = len({device for device, *_ in told})
    yield f"odd, and left out of the above: {counted(len(told), 'feature')} of {counted(devices, 'device')}"
    for one, starts in list(told.values())[:_MOST]:
        yield f"  {one.device} ({dates_text(starts[::-1])}): {one.words}"
    if len(told) > _MOST:
        yield f"  and {len(told) - _MOST} more; --json shows them all"


def _groups(judged: Judged, recent: Sequence[FleetPeriod]) -> str:
    """Return a line a group: what raises an alarm in it, by period."""
    windows = [period.window for period in recent]
    rows = []
    for name, periods in judged.groups.items():
        by_window = {period.window: period for period in periods}
        rows.append([name or "(no group)", *(_alarms(by_window.get(window)) for window in windows)])
    return table(["alarms by group", *(window.start for window in windows)], rows)


def _alarms(period: FleetPeriod | None) -> str:
    if period is None:
        return ""
    names = [one.name for one in period.judged.findings if one.judgement is Judgement.ALARM]
    return style(", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""), fg="red")


def dates_text(starts: Sequence[str]) -> str:
    """Return `2026-03-02, 2026-03-03`, or the first and the last of many."""
    if len(starts) <= _MOST_DATES:
        return ", ".join(starts)
    return f"{counted(len(starts), 'time')} from {starts[0]} to {starts[-1]}"


def counted(many: int, noun: str) -> str:
    """Return `1 device` or `2 devices`."""
    return f"{many:,} {noun}{'' if many == 1 else 's'}"

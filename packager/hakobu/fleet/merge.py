"""Merging tallies and outcomes: state, not changes, so that order, repetition and loss on the way do no harm.

`merge` of tallies that were merged before and of new ones is what it would be of all of them at once (and so is
`merge_outcomes`): whoever keeps the result may forget what went into it.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec
import numpy as np

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.outcome import Outcome, OutcomeCounts
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Span, Window

Place = tuple[str, ModelName, str, Window]
"""What a tally, or an outcome, is the state of: device, model, epoch and window."""
State = TypeVar("State", Tally, Outcome)
_LONGER = {Span.HOUR: (Span.DAY, Span.MONTH), Span.DAY: (Span.MONTH,)}


def merge(tallies: Iterable[Tally]) -> tuple[Tally, ...]:
    """Return the tallies that count: of each place the highest revision, and none that a longer window covers.

    Two contents of one revision, which no honest device has, come to the same one in whatever order they come.
    """
    newest = _newest(tallies)
    kept = (place for place in newest if not any(longer in newest for longer in _around(place)))
    return tuple(newest[place] for place in sorted(kept))


def merge_outcomes(outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """Return the outcomes that count: of each place the highest revision; they are all of days.

    Two contents of one revision, which no honest device has, come to the same one in whatever order they come.
    """
    newest = _newest(outcomes)
    return tuple(newest[place] for place in sorted(newest))


def outcome_totals(outcomes: Iterable[Outcome]) -> dict[tuple[ModelName, Window], OutcomeCounts]:
    """Return the sums over all devices of outcomes that were merged, of each bundle and day.

    Raises FormatError, which names the device, where one counted otherwise than those before it.
    """
    found: dict[tuple[ModelName, Window], OutcomeCounts] = {}
    units: dict[ModelName, int] = {}
    for one in outcomes:
        place, where = (one.model, one.window), f"device {one.device}, {one.model.name} {one.window.start}"
        if units.setdefault(one.model, one.unit) != one.unit:
            raise FormatError(f"{where}: errors in units of 2^{one.unit}, where others count in 2^{units[one.model]}")
        try:
            found[place] = found.get(place, OutcomeCounts()).plus(one.counts)
        except FormatError as error:
            raise FormatError(f"{where}: {error}") from error
    return found


def place_of(found: Tally | Outcome) -> Place:
    """Return what `found` is the state of."""
    return found.device, found.model, found.epoch, found.window


def total(tallies: Iterable[Tally]) -> WindowCounts:
    """Return the sum of tallies of one bundle, which were merged: the counts of all its rows, as if in one place.

    Raises FormatError, which names the device, where one counted over other slots than those before it.
    """
    found = WindowCounts()
    for tally in tallies:
        try:
            found.add(counts_of(tally))
        except FormatError as error:
            raise FormatError(f"device {tally.device}, {tally.model.name} {tally.window.start}: {error}") from error
    return found


def counts_of(tally: Tally) -> WindowCounts:
    """Return the counts that `tally` holds."""
    counts = WindowCounts(
        rows=tally.rows,
        verdicts=dict(tally.verdicts),
        features={name: np.array(found, dtype=np.int64) for name, found in tally.features.items()},
        outputs={name: np.array(found, dtype=np.int64) for name, found in tally.outputs.items()},
        breaches={name: dict(rules) for name, rules in tally.breaches.items()},
    )
    if tally.latency:
        counts.latency = np.array(tally.latency, dtype=np.int64)
    return counts


def _around(place: Place) -> Iterator[Place]:
    """Yield the places whose windows hold the one of `place`."""
    device, model, epoch, window = place
    for span in _LONGER.get(window.span, ()):
        yield device, model, epoch, window.widen(span)


def _newest(found: Iterable[State]) -> dict[Place, State]:
    """Return of each place what has the highest revision."""
    newest: dict[Place, State] = {}
    for one in found:
        place = place_of(one)
        held = newest.get(place)
        if held is None or _is_newer(one, held):
            newest[place] = one
    return newest


def _is_newer(found: Tally | Outcome, held: Tally | Outcome) -> bool:
    if found.revision != held.revision or found == held:
        return found.revision > held.revision
    return _order(found) > _order(held)


def _order(found: Tally | Outcome) -> tuple[int, bytes, bytes]:
    plain = msgspec.json.encode(found, order="sorted")
    return (*order(counts_of(found)), plain) if isinstance(found, Tally) else (found.counts.rows, plain, b"")


def order(counts: WindowCounts) -> tuple[int, bytes]:
    """Return what decides between two counts of one revision: the same however zeros are written, or left out."""
    arrays = {
        part: {name: array.tolist() for name, array in found.items() if array.any()}
        for part, found in (("features", counts.features), ("outputs", counts.outputs), ("", {"": counts.latency}))
    }
    rules = {name: {rule: many for rule, many in found.items() if many} for name, found in counts.breaches.items()}
    named = {
        "verdicts": {name: many for name, many in counts.verdicts.items() if many},
        "breaches": {name: found for name, found in rules.items() if found},
    }
    return counts.rows, msgspec.json.encode({**arrays, **named}, order="sorted")

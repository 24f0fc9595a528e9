"""Merging tallies: state, not changes, so that order, repetition and loss on the way do no harm.

`merge` of tallies that were merged before and of new ones is what it would be of all of them at once: whoever keeps the
result may forget what went into it.
"""

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Span, Window

Place = tuple[str, ModelName, str, Window]
"""What a tally is the state of: device, model, epoch and window."""
_LONGER = {Span.HOUR: (Span.DAY, Span.MONTH), Span.DAY: (Span.MONTH,)}


def merge(tallies: Iterable[Tally]) -> tuple[Tally, ...]:
    """Return the tallies that count: of each place the highest revision, and none that a longer window covers.

    Two contents of one revision, which no honest device has, come to the same one in whatever order they come.
    """
    newest: dict[Place, Tally] = {}
    for tally in tallies:
        place = place_of(tally)
        held = newest.get(place)
        if held is None or _is_newer(tally, held):
            newest[place] = tally
    kept = (place for place in newest if not any(longer in newest for longer in _around(place)))
    return tuple(newest[place] for place in sorted(kept))


def place_of(tally: Tally) -> Place:
    """Return what `tally` is the state of."""
    return tally.device, tally.model, tally.epoch, tally.window


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


def _is_newer(tally: Tally, held: Tally) -> bool:
    if tally.revision != held.revision or tally == held:
        return tally.revision > held.revision
    return _order(tally) > _order(held)


def _order(tally: Tally) -> tuple[int, bytes]:
    return tally.rows, msgspec.json.encode(tally, order="sorted")

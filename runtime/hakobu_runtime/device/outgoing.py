"""What this device sends home, gathered from its slots, its journal and what it knows of its channels."""

import platform
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from hakobu_runtime.device import barred, events, facts
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.follow import followed
from hakobu_runtime.device.homecoming import note_outcomes, outcomes_of
from hakobu_runtime.device.identity import device_key
from hakobu_runtime.device.ledger import device_id, last_serial, reading, stamp, take_serial
from hakobu_runtime.device.probation import trial_words
from hakobu_runtime.device.slots import Slot, active_slots, former_slots
from hakobu_runtime.device.state import State
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import TransferError
from hakobu_runtime.format.manifest import VERSION
from hakobu_runtime.format.outcome import Outcome
from hakobu_runtime.format.parcel import (
    LARGEST,
    MOST_EVENTS,
    MOST_OUTCOMES,
    MOST_TALLIES,
    SCHEMA,
    Box,
    Happened,
    HeldBack,
    ModelState,
    Parcel,
    plain_words,
)
from hakobu_runtime.format.tally import Tally
from hakobu_runtime.journal import Journal
from hakobu_runtime.uplink.parcel import pack_parcel, read_parcel
from hakobu_runtime.version import __version__

_ROOM = LARGEST // 2
"""Bytes of JSON that the windows of one parcel take; where there are more, they go in several."""
_MOST = min(MOST_TALLIES, MOST_OUTCOMES)

Counts = Tally | Outcome
"""What is counted, of the inputs of a window, or of what came of the predictions of a day."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A parcel that is ready to go."""

    parcel: Parcel
    content: bytes
    digest: str
    """The sha256 of what was signed, in hex, by which a receipt names it."""


def waiting(
    state: State,
    *,
    every: bool = False,
    models: Collection[str] | None = None,
    opened: Callable[[State], Journal] = open_journal,
) -> tuple[Counts, ...]:
    """Return the counts that are to leave: those that are not known to have come home, or `every` one.

    Of these `models`, or of all; and of no fewer rows than what is followed lets leave. `opened` opens the journal,
    which is not made where none is.
    """
    device = device_id(state)
    least = {follow.model: follow.least_rows for follow in followed(state)}
    counted: list[Counts] = []
    if state.journal.exists():
        with opened(state) as journal:
            counted += journal.tallies(device, unsent=not every)
    counted += outcomes_of(state, device, unsent=not every)
    wanted = [one for one in counted if models is None or one.model.name in models]
    return tuple(one for one in wanted if _is_enough(one, least.get(one.model.name, 0)))


def portions(found: Sequence[Counts]) -> Iterator[tuple[Counts, ...]]:
    """Cut `found` so that each part fits into a parcel; the last part may be empty, as a parcel may."""
    portion: list[Counts] = []
    size = 0
    for one in found:
        weight = len(msgspec.json.encode(one))
        if portion and (size + weight > _ROOM or len(portion) == _MOST):
            yield tuple(portion)
            portion, size = [], 0
        portion.append(one)
        size += weight
    yield tuple(portion)


def gather(state: State, now: datetime, *, every: bool = False) -> tuple[Parcel, ...]:
    """Return what would leave now, in as many parcels as it takes: nothing is taken note of, and no serial is used.

    With `every` window, not only with those that are not known to have come home.
    """
    first = last_serial(state) + 1
    parts = portions(waiting(state, every=every))
    return tuple(_parcel(state, now, part, first + place) for place, part in enumerate(parts))


def pack(state: State, now: datetime, *, beyond: int = 0, every: bool = False) -> tuple[Packed, ...]:
    """Return what leaves now, each parcel with a serial of its own, above `beyond`, and noted before it goes anywhere.

    Killed in between, a serial is missing, and the counts go with the next parcel.
    """
    return tuple(pack_portion(state, now, part, beyond=beyond) for part in portions(waiting(state, every=every)))


def pack_portion(
    state: State, now: datetime, portion: Sequence[Counts], *, beyond: int = 0, models: Collection[str] | None = None
) -> Packed:
    """Return a parcel of these counts, and of the state of these `models` or of all; see `pack`."""
    parcel = _parcel(state, now, portion, take_serial(state, beyond), models)
    content = pack_parcel(parcel, device_key(state))
    digest = read_parcel(content, "this device's parcel").digest  # what nobody could read must not leave
    with open_journal(state) as journal:
        journal.note_parcel(parcel.serial, digest, parcel.tallies)
    note_outcomes(state, parcel.serial, digest, parcel.outcomes)
    return Packed(parcel, content, digest)


def export(state: State, path: Path, now: datetime, *, every: bool = False) -> Packed:
    """Write what leaves now to the file at `path`; raise TransferError when it takes several, or cannot be written."""
    packed = pack(state, now, every=every)
    if len(packed) > 1:
        raise TransferError(
            f"{path}: the counts take {len(packed)} parcels, too many for one file; take a stick, or any folder with a "
            "folder 'hakobu' in it: hakobu-run sync --from FOLDER"
        )
    try:
        write_whole(path, packed[0].content)
    except OSError as error:
        raise TransferError(
            f"{path}: cannot be written: {error.strerror}; free some space there, or name another file with -o"
        ) from error
    return packed[0]


def _parcel(
    state: State, now: datetime, portion: Sequence[Counts], serial: int, models: Collection[str] | None = None
) -> Parcel:
    key = device_key(state).public.pem.decode()
    states = tuple(one for one in _models(state) if models is None or one.name in models)
    where = (__version__, _platform())
    return Parcel(SCHEMA, device_id(state), key, serial, stamp(now), *where, states, *_apart(portion))


def _is_enough(found: Counts, least: int) -> bool:
    """Say whether `found` counts `least` rows; outcomes that were all taken back tell of none, and go in any case."""
    rows = found.rows if isinstance(found, Tally) else found.counts.rows
    return rows >= least or (rows == 0 and isinstance(found, Outcome))


def _apart(portion: Sequence[Counts]) -> tuple[tuple[Tally, ...], tuple[Outcome, ...]]:
    return (
        tuple(one for one in portion if isinstance(one, Tally)),
        tuple(one for one in portion if isinstance(one, Outcome)),
    )


def _models(state: State) -> Iterator[ModelState]:
    """Yield the state of each model that this device has, follows, or has had."""
    active = {slot.model: slot for slot in active_slots(state)}
    former = {slot.model: slot for slot in former_slots(state)}
    channels = {follow.model: follow.channel for follow in followed(state)}
    held = {one.model for one in barred.held_back(state)}
    for name in sorted({*active, *former, *channels, *held}):
        yield _model(state, name, channels.get(name, ""), active.get(name), former.get(name))


def _model(state: State, name: str, channel: str, active: Slot | None, former: Slot | None) -> ModelState:
    known = facts.facts_of(state, name)
    with reading(state) as ledger:
        ban = barred.why_barred(ledger.read, name, active.version, active.digest) if active else ""
    happened = [event for event in events.events_of(state, name) if VERSION.fullmatch(event.version)]
    return ModelState(
        name,
        channel,
        _box(active),
        _box(former),
        tuple(
            HeldBack(one.version, one.digest, plain_words(one.reason), one.since)
            for one in barred.held_back(state, name)
        ),
        tuple(
            Happened(event.number, event.time, event.kind, event.version, event.digest, plain_words(event.words))
            for event in happened[-MOST_EVENTS:]
        ),
        barred=plain_words(ban),
        trial=plain_words(trial_words(state, active)) if active else "",
        offered=plain_words(known.get(facts.OFFERED, "")),
        contact=known.get(facts.CONTACT, ""),
        tried=known.get(facts.TRIED, ""),
        trouble=plain_words(known.get(facts.TROUBLE, "")),
    )


def _box(slot: Slot | None) -> Box | None:
    return Box(slot.version, slot.digest, slot.installed) if slot else None


def _platform() -> str:
    """Return the system, the kind of processor and the Python here."""
    return plain_words(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")

"""The state of every device's outcomes: what became of its predictions, the highest revision of each day."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, delete, select

from hakobu.hub.bulk import find, put
from hakobu.hub.bundles import KnownBundle
from hakobu.hub.outcome_totals import OutcomeChanges
from hakobu.hub.tables import outcomes
from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import decode
from hakobu_runtime.format.outcome import Outcome, OutcomeCounts, Subject

_COLUMNS = (outcomes.c.device_id, outcomes.c.bundle_id, outcomes.c.epoch, outcomes.c.start)

Key = tuple[int, int, str, str]
"""Device, bundle, epoch and start."""


@dataclass(frozen=True, slots=True)
class OutcomeState:
    """The outcomes of one window of one device, as they came."""

    key: Key
    group: str
    """That the device is in."""
    revision: int
    counts: OutcomeCounts
    content: bytes
    """A hakobu.outcome/1."""


def outcome_state(key: Key, group: str, outcome: Outcome, bundle: KnownBundle) -> OutcomeState:
    """Return an outcome as it is kept; raise FormatError where it is of another kind of model than its bundle."""
    subject, counts = Subject.of(bundle.manifest, bundle.digest), outcome.counts
    if outcome.unit != subject.unit:
        raise FormatError(f"errors are counted in units of 2^{outcome.unit}, those of the bundle are 2^{subject.unit}")
    most = len(subject.classes)
    if counts.rows and (bool(counts.confusion), bool(counts.so)) != (most > 0, subject.probable and most > 0):
        raise FormatError("what became of predictions is counted as of another kind of model")
    if any(truth >= most or code >= most for truth, code, _ in counts.confusion):
        raise FormatError(f"a class is counted beyond the {most} that the bundle has")
    return OutcomeState(key, group, outcome.revision, counts, msgspec.json.encode(outcome, order="sorted"))


def put_outcomes(connection: Connection, states: Sequence[OutcomeState]) -> int:
    """Take outcomes in, of each place the highest revision, change the totals, and return how many said something new.

    The rows of their devices must be locked by the caller. Raises CountError when a sum passes int64: then the whole
    transaction must be given up.
    """
    held = _held(connection, states)
    taken: dict[Key, OutcomeState] = {}
    for state in states:
        former = taken.get(state.key) or held.get(state.key)
        if former is None or _order(state) > _order(former):
            taken[state.key] = state
    changes = OutcomeChanges()
    for key, state in taken.items():
        _, bundle, _, start = key
        if key in held:
            changes.take(bundle, state.group, start, held[key].counts)
        changes.add(bundle, state.group, start, state.counts)
    put(connection, outcomes, [_stored(state) for state in taken.values()])
    changes.apply(connection)
    return len(taken)


def remove_device(connection: Connection, device: int, group: str) -> None:
    """Take the outcomes of a device of `group` away, and out of the totals."""
    _leave(connection, device, group, None)
    connection.execute(delete(outcomes).where(outcomes.c.device_id == device))


def move_device(connection: Connection, device: int, former: str, group: str) -> None:
    """Take the outcomes of a device out of the totals of the group `former` and into those of `group`."""
    _leave(connection, device, former, group)


def _leave(connection: Connection, device: int, former: str, group: str | None) -> None:
    """Take the outcomes of a device out of the totals of a group, and into those of another unless that is None."""
    changes = OutcomeChanges()
    query = select(outcomes.c.bundle_id, outcomes.c.start, outcomes.c.content).where(outcomes.c.device_id == device)
    for bundle, start, content in connection.execute(query):
        counts = _read(content).counts
        changes.take(bundle, former, start, counts)
        if group is not None:
            changes.add(bundle, group, start, counts)
    changes.apply(connection)


def _order(state: OutcomeState) -> tuple[int, int, bytes]:
    """Return what decides between two: as `hakobu.fleet.merge` does, the revision, and of one revision the content."""
    return state.revision, state.counts.rows, state.content


def _held(connection: Connection, states: Sequence[OutcomeState]) -> dict[Key, OutcomeState]:
    found, groups = {}, {state.key: state.group for state in states}
    for row in find(connection, tuple(outcomes.c), _COLUMNS, groups):
        key = (row.device_id, row.bundle_id, row.epoch, row.start)
        found[key] = OutcomeState(key, groups[key], row.revision, _read(row.content).counts, row.content)
    return found


def _read(content: bytes) -> Outcome:
    return decode(content, Outcome, "outcomes in the hub")


def _stored(state: OutcomeState) -> dict[str, object]:
    device, bundle, epoch, start = state.key
    return {
        "device_id": device,
        "bundle_id": bundle,
        "epoch": epoch,
        "start": start,
        "revision": state.revision,
        "content": state.content,
    }

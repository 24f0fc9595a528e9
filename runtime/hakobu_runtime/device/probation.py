"""Probation: a new release proves itself on this device, or the former bundle takes its place again by itself."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device import events, inflight
from hakobu_runtime.device.ledger import changing, reading
from hakobu_runtime.device.slots import NoFormerError, Slot, choose, former_slots, go_back, open_slot
from hakobu_runtime.device.state import State
from hakobu_runtime.device.stop import StopAsked
from hakobu_runtime.errors import BundleError, HakobuError, TooNewError
from hakobu_runtime.format.channel import Probation
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName

T = TypeVar("T")
Warn = Callable[[str], None]
"""Hears one line about what a person should know."""

ENOUGH = 100
"""How many rows must have been seen for their rejected share to say something before the probation ends."""


class UnfitError(BundleError):
    """A bundle that did not come through its probation; the former one is active again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a bundle has come in its probation."""

    batches: int
    """How many batches are watched: blocks of rows that are counted together, at least one a file."""
    share: float
    """The largest share of the rows that it may reject."""
    most_crashes: int
    seen: int
    """How many batches were."""
    rows: int
    rejected: int
    crashes: int

    @property
    def deaths(self) -> str:
        """How many processes died, in words."""
        return f"{self.crashes} processes died" if self.crashes > 1 else "a process died"

    @property
    def over(self) -> bool:
        """Whether all batches were seen."""
        return self.seen >= self.batches

    @property
    def rejects_much(self) -> bool:
        """Whether it rejects more than it may, as far as that can be said by now."""
        return (self.over or self.rows >= ENOUGH) and self.rejected > self.share * self.rows


def begin(ledger: sqlite3.Connection, model: str, digest: str, terms: Probation) -> None:
    """Watch a bundle, from its golden rows on; one that is watched already stays where it stands."""
    ledger.execute(
        "INSERT OR IGNORE INTO probation (model, digest, batches, share, most_crashes) VALUES (?, ?, ?, ?, ?)",
        (model, digest, terms.batches, terms.rejected, terms.crashes),
    )


def standing_of(state: State, model: str, digest: str) -> Standing | None:
    """Return how a bundle stands; None when it is not on probation."""
    with reading(state) as ledger:
        rows = ledger.read(_STANDING, (model, digest))
    return Standing(*rows[0]) if rows else None


_STANDING = """SELECT batches, share, most_crashes, seen, rows, rejected, crashes FROM probation
WHERE model = ? AND digest = ?"""


def crashes_of(state: State, model: str, digest: str) -> Standing | None:
    """Count the death of processes that worked with a bundle on probation; return how it stands then."""
    if inflight.take_abandoned(_marks(state, model), digest[:16]):
        with changing(state) as ledger:
            query = "UPDATE probation SET crashes = crashes + 1 WHERE model = ? AND digest = ?"
            ledger.execute(query, (model, digest))
    return standing_of(state, model, digest)


@contextmanager
def marked(state: State, model: str, digest: str) -> Iterator[None]:
    """Let the death of this process in the block count as a crash of the bundle, and an error that is a bug as well."""
    try:
        with inflight.in_flight(_marks(state, model), digest[:16]):
            yield
    except (HakobuError, OSError, StopAsked):
        raise
    except Exception:
        with changing(state) as ledger:
            query = "UPDATE probation SET crashes = crashes + 1 WHERE model = ? AND digest = ?"
            ledger.execute(query, (model, digest))
        raise


class Trial:
    """The active bundle, on probation, while this process scores with it; threads may share it."""

    def __init__(self, state: State, slot: Slot) -> None:
        self.failed = ""
        """Why the former bundle is active again; "" while this one is."""
        self._state = state
        self._slot = slot

    def note(self, counts: Iterable[WindowCounts]) -> None:
        """Take in a batch whose counts are in the journal, and judge."""
        found = list(counts)
        rows, rejected = (sum(c.rows for c in found), sum(c.verdicts.get("rejected", 0) for c in found))
        standing = self._add(rows, rejected) if rows and not self.failed else None
        if standing is None:
            return
        if standing.rejects_much:
            before = self._former_share()
            if standing.rejected > before * standing.rows:
                words = f"it rejected {standing.rejected:,} of {standing.rows:,} rows, the former bundle {before:.0%}"
                self.give_up(words)
                return
        if standing.over:
            self._end(events.Kind.PROVEN, "")

    def give_up(self, reason: str) -> bool:
        """Make the former bundle the active one, and say whether there is one; else this goes on, watched no more."""
        try:
            left, active = go_back(self._state, self._slot.model, _now(), reason, only=self._slot.digest)
        except NoFormerError:
            self._end(events.Kind.FAILED, reason)
            return False
        self.failed = (
            f"{left.model} {self._slot.version} failed its probation: {reason}; {active.version} is used again, and "
            f"{self._slot.version} is not tried any more"
        )
        return True

    def check(self) -> None:
        """Raise UnfitError once the bundle was given up."""
        if self.failed:
            raise UnfitError(self.failed)

    def _add(self, rows: int, rejected: int) -> Standing | None:
        key = (self._slot.model, self._slot.digest)
        with changing(self._state) as ledger:
            query = "UPDATE probation SET seen = seen + 1, rows = rows + ?, rejected = rejected + ?"
            ledger.execute(f"{query} WHERE model = ? AND digest = ?", (rows, rejected, *key))
            row = ledger.execute(_STANDING, key).fetchone()
        return Standing(*row) if row else None

    def _end(self, kind: events.Kind, words: str) -> None:
        slot = self._slot
        with changing(self._state) as ledger:
            query = "DELETE FROM probation WHERE model = ? AND digest = ?"
            if ledger.execute(query, (slot.model, slot.digest)).rowcount:
                events.record(ledger, slot.model, _now(), kind, slot.version, slot.digest, words)

    def _former_share(self) -> float:
        """Return which share of its rows the former bundle rejected here, 0 to 1."""
        from hakobu_runtime.device.counting import open_journal  # here, since few bundles come to that

        former = next((slot for slot in former_slots(self._state) if slot.model == self._slot.model), None)
        if former is None:
            return 0.0
        with open_journal(self._state) as journal:
            total = journal.total(ModelName(former.model, former.version, former.digest))
        return total.verdicts.get("rejected", 0) / total.rows if total.rows else 0.0


def on_trial(state: State, slot: Slot, warn: Warn) -> Trial | None:
    """Return the trial of the active bundle; None when it is not on probation, or has just failed it by its crashes."""
    if standing_of(state, slot.model, slot.digest) is None:
        return None
    standing = crashes_of(state, slot.model, slot.digest)
    if standing is None:
        return None
    trial = Trial(state, slot)
    if standing.crashes >= standing.most_crashes:
        if not trial.give_up(f"{standing.deaths} while scoring with it"):
            return None
        warn(trial.failed)
    return trial


def with_active(state: State, model: str | None, warn: Warn, work: Callable[[Bundle, Trial | None], T]) -> T:
    """Do `work` with the active bundle of `model`; with the former one anew, when the active one fails its probation.

    It fails when too many processes died while they scored with it, when it cannot be opened or raises, and when it
    rejects too many rows; `warn` hears so.
    """
    while True:
        slot = choose(state, model)
        trial = on_trial(state, slot, warn)
        if trial is None:
            return work(open_slot(state, slot), None)
        if trial.failed:
            continue
        with marked(state, slot.model, slot.digest):
            try:
                done = work(open_slot(state, slot), trial)
            except TooNewError:
                raise
            except BundleError as error:
                if not trial.failed and not trial.give_up(f"it failed while scoring: {error}"):
                    raise
                warn(trial.failed)
                continue
        if trial.failed:
            warn(f"{trial.failed}; what was just scored, and cannot be read again, was scored with it")
        return done


def _marks(state: State, model: str) -> Path:
    return state.updates / model / "in-flight"


def _now() -> datetime:
    return datetime.now(UTC)


def trial_words(state: State, slot: Slot) -> str:
    """Say how far the active bundle has come in its probation; "" when it is on none."""
    standing = standing_of(state, slot.model, slot.digest)
    if standing is None:
        return ""
    crashes = f", {standing.crashes} of {standing.most_crashes} crashes" if standing.crashes else ""
    return (
        f"{slot.model} {slot.version} is on probation: {standing.seen} of {standing.batches} batches, "
        f"{standing.rejected:,} of {standing.rows:,} rows rejected{crashes}"
    )

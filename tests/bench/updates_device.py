"""A simulated device: `sync`, probation and ledger are the real ones; its hours, its rows and its death are not.

The same device works in two worlds. `updates_files` gives it folders of its own, SQLite files and TUF's client, as on
a PC. `updates_memory` puts one ledger in memory in the place of 10,000 files, and remembered answers in that of the
client.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device import arrival
from hakobu_runtime.device import sync as syncing
from hakobu_runtime.device.arrival import Listener
from hakobu_runtime.device.barred import held_back
from hakobu_runtime.device.facts import FLOOR, facts_of
from hakobu_runtime.device.probation import Trial, standing_of, with_active
from hakobu_runtime.device.slots import Slot, active_slots, choose, former_slots
from hakobu_runtime.device.state import State
from hakobu_runtime.errors import HakobuError, StateError
from hakobu_runtime.format.tally import ModelName
from updates_boxes import MODEL
from updates_counts import Batch, batch_of, batches_of
from updates_depot import Copy
from updates_life import Breaks, Life

BAD = "1.2.0"
"""The release that fails its golden rows on some processors, and its probation on other devices."""
Seen = Callable[[Slot, Batch], None]
"""Hears with which bundle some rows were scored."""
_SILENT = Listener()


class Notebook(Protocol):
    """Where a device counts."""

    def add(self, model: ModelName, now: datetime, batch: Batch) -> None:
        """Count rows that were scored with `model`."""


class Standing(NamedTuple):
    """How a device stands at the end of a day."""

    active: Slot | None
    former: Slot | None
    failed: frozenset[str]
    usable: bool
    watched: bool
    floor: str
    """The time that it cannot be earlier than."""


@dataclass(slots=True)
class Device:
    """One device."""

    life: Life
    state: State
    counted: Notebook
    active: Slot | None = None
    former: Slot | None = None
    failed: frozenset[str] = frozenset()
    """Digests that are held back."""
    usable: bool = True
    """Whether what is active may be used."""
    watched: bool = False
    """Whether it is on probation."""
    refusals: int = 0
    """How often its golden rows differed."""

    def look(self, now: datetime, copy: Copy, cut: str) -> str:
        """Look at a copy of the depot, with the real `sync`; return which error came of it, "" for none."""
        copy.cut = cut
        trouble = ""
        try:
            with self._doors(copy):
                list(syncing.sync(self.state, now, syncing.Asked(model=MODEL), _SILENT))
        except HakobuError as error:
            trouble = type(error).__name__
        finally:
            copy.cut = ""
        self.learn()
        return trouble

    def score(self, now: datetime, batches: NDArray[np.int8], seen: Seen) -> None:
        """Score some batches; `seen` hears of each."""
        if not self.watched:
            if not self.usable or self.active is None:
                return
            self._count(now, self.active, batch_of(batches), seen)
            return
        left = batches_of(batches)
        while left:
            if self._dies():
                return
            try:
                with_active(
                    self.state, MODEL, lambda words: None, lambda bundle, trial: self._try(now, left, trial, seen)
                )
            except StateError:
                self.learn()
                return
            self.learn()

    def learn(self) -> None:
        """Read from the ledger what this device has now."""
        self.active = next(iter(active_slots(self.state)), None)
        self.former = next(iter(former_slots(self.state)), None)
        self.failed = frozenset(held.digest for held in held_back(self.state, MODEL))
        try:
            self.usable = choose(self.state, MODEL) == self.active
        except StateError:
            self.usable = False
        self.watched = self.active is not None and standing_of(self.state, MODEL, self.active.digest) is not None

    def standing(self) -> Standing:
        """Return what can be said of it."""
        floor = facts_of(self.state, MODEL).get(FLOOR, "")
        return Standing(self.active, self.former, self.failed, self.usable, self.watched, floor)

    def _try(self, now: datetime, left: list[Batch], trial: Trial | None, seen: Seen) -> None:
        """Score what is left with the active bundle, until that is given up."""
        slot = choose(self.state, MODEL)
        while left and not (trial and trial.failed):
            batch = left.pop(0)
            if slot.version == BAD and self.life.breaks is Breaks.REJECTS:
                batch = Batch(batch.slots, batch.rows)
            self._count(now, slot, batch, seen)
            if trial:
                trial.note([batch.counts()])

    def _count(self, now: datetime, slot: Slot, batch: Batch, seen: Seen) -> None:
        seen(slot, batch)
        self.counted.add(ModelName(slot.model, slot.version, slot.digest), now, batch)

    def _dies(self) -> bool:
        """Leave what a process leaves that dies while it scores with the bad release, where it does."""
        if self.active is None or self.active.version != BAD or self.life.breaks is not Breaks.CRASHES:
            return False
        standing = standing_of(self.state, MODEL, self.active.digest)
        if standing is None or standing.crashes >= standing.most_crashes:
            return False
        marks = self.state.updates / MODEL / "in-flight"
        marks.mkdir(parents=True, exist_ok=True)
        name = f"{self.active.digest[:16]}-"
        if any(path.name.startswith(name) for path in marks.iterdir()):
            return False  # that one is to be counted first
        (marks / f"{name}dead.lock").write_bytes(b"\0\n")
        return True

    @contextmanager
    def _doors(self, copy: Copy) -> Iterator[None]:
        """Let `sync` read `copy` in place of a network, and the golden rows differ where the device is of that kind."""
        replay: Callable[[Bundle], str] = vars(arrival)["golden_difference"]  # that of the files, or of the memory

        def tried(bundle: Bundle) -> str:
            if bundle.manifest.version == BAD and self.life.breaks is Breaks.GOLDEN:
                self.refusals += 1
                return "row 1 differs (a processor of the simulation)"
            return replay(bundle)

        fetchers, trials = vars(syncing), vars(arrival)
        former = fetchers["open_fetcher"]
        fetchers["open_fetcher"], trials["golden_difference"] = (lambda address, rate=None: copy), tried
        try:
            yield
        finally:
            fetchers["open_fetcher"], trials["golden_difference"] = former, replay

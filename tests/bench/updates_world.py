"""The simulated year: an operator, a fleet, and what is proven of them, day by day."""

from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.device.slots import Slot
from hakobu_runtime.device.state import change_keyring, open_state
from hakobu_runtime.trust import Pin
from updates_counts import Batch
from updates_depot import Depot
from updates_device import BAD, Device, Standing
from updates_home import Home
from updates_life import Day, Look, draw_life
from updates_memory import Memory
from updates_operator import Operator
from updates_proof import Proof, share_of

SILENCES = (7, 30, 90)
"""Days."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How large the simulation is."""

    devices: int
    days: int
    seed: int


class Seen(NamedTuple):
    """One look, as it went."""

    state: int
    """Which state of the depot was seen."""
    cut: str
    trouble: str


class Entry(NamedTuple):
    """One day in the diary of a device."""

    day: int
    what: Day
    looks: tuple[Seen, ...]
    standing: Standing
    """At its end."""


@dataclass(slots=True)
class World:
    """The year and its fleet; `run` lets it pass."""

    plan: Plan
    folder: Path
    proof: Proof = field(default_factory=Proof)
    told: Counter[str] = field(default_factory=Counter)
    """What happened, and how often."""
    adoption: list[Counter[str]] = field(default_factory=list)
    """For each day, how many devices have each version at its end."""
    silent: list[tuple[float, ...]] = field(default_factory=list)
    """For each day, which share of the devices has heard nothing for more than each of SILENCES days, 0 to 1."""
    diary: defaultdict[int, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    """For each device that keeps one, its days."""
    witnesses: int = 0
    """How many devices, from the first, keep a diary."""
    home: Home = field(init=False)
    depot: Depot = field(init=False)
    operator: Operator = field(init=False)
    memory: Memory = field(init=False)
    devices: dict[int, Device] = field(default_factory=dict)
    _heard: NDArray[np.int32] = field(init=False)
    """For each device, the day on which it last heard something, its first at the earliest; -1 before that."""
    _shown: list[int] = field(default_factory=list)
    """For each day, the state of the depot that it ended with."""

    def __post_init__(self) -> None:
        self._heard = np.full(self.plan.devices, -1, dtype=np.int32)
        self.home = Home(np.random.default_rng((self.plan.seed, self.plan.devices)))
        self.depot = Depot(self.folder / "builder", self.plan.seed)
        self.operator = Operator(self.depot, self.plan.days, self.plan.devices)
        state = open_state(self.folder / "state")
        change_keyring(state, lambda keyring: keyring.add(Pin(self.depot.release_key.public)))
        self.memory = Memory(state.root, self.depot.follow(), self.depot.first)

    def run(self, tell: Callable[[str], None] = lambda words: None) -> None:
        """Let all days pass, and judge what came of them."""
        plan = self.plan
        agenda: dict[int, list[Day]] = defaultdict(list)
        lives = [draw_life(plan.seed, number, plan.days) for number in range(plan.devices)]
        joining = defaultdict(list)
        for life in lives:
            joining[life.joined].append(life)
            for day, what in life.days:
                agenda[day].append(what)
        with self.memory.doors():
            for day in range(plan.days):
                self.home.take(day)
                self.operator.morning(day, {digest: len(those) for digest, those in self.home.failures.items()})
                self._shown.append(self.depot.now.number)
                for life in joining[day]:
                    self.devices[life.number] = self.memory.add(life)
                    self._heard[life.number] = day
                for what in agenda[day]:
                    self._live(self.devices[what.device], what, day)
                self._take_stock(day)
                if day % 30 == 29:
                    tell(f"day {day + 1} of {plan.days}")
            self.home.gather(self.devices.values())
        for same, words in self.home.compared():
            self.proof.rule("every row is counted once", same, words)
        for number in self.proof.had_bad:
            share = share_of(self.devices[number].life.name, self.depot.published[BAD].digest)
            self.proof.rule("the bad release stays in its share", share < self.operator.widest, f"device {number}")

    def _take_stock(self, day: int) -> None:
        """Note at the end of a day who has what, and who has heard nothing for how long."""
        self.adoption.append(Counter(one.active.version for one in self.devices.values() if one.active))
        since = day - self._heard[self._heard >= 0]
        self.silent.append(tuple(float((since > days).mean()) for days in SILENCES))

    def _live(self, device: Device, what: Day, day: int) -> None:
        """Let a device have one day."""
        now = device.life.clock(day)

        def scored(slot: Slot, batch: Batch) -> None:
            self.home.count(device, slot, batch)
            self.proof.scored(device, slot, day)

        looks = []
        keeps_diary = device.life.number < self.witnesses
        quiet = not (what.looks or device.watched or keeps_diary)  # then nothing asks for the ledger
        with nullcontext() if quiet else self.memory.turn_of(device):
            if len(what.batches):
                device.score(now, what.batches, scored)
            for look in what.looks:
                self.home.send(device, day, stick=look.carrier)
                looks.append(self._look(device, look, day))
            self.proof.ended(device, day)
            if keeps_diary:
                self.diary[device.life.number].append(Entry(day, what, tuple(looks), device.standing()))

    def _look(self, device: Device, look: Look, day: int) -> Seen:
        """Let a device look, and judge what came of it."""
        copy = self.depot.states[self._shown[day - look.age]]
        before, failed = device.active, device.failed
        self.memory.client = None
        trouble = device.look(device.life.clock(day), copy, look.cut)
        if self.memory.client is None:
            raise AssertionError(f"device {device.life.number} looked at nothing")
        learned = self.memory.client.learned
        self.proof.looked(device, before, learned, copy.number, day)
        if learned is not None:
            self._heard[device.life.number] = day
        if learned is not None and not trouble:
            self.proof.settled(device, learned, failed, day)
        self._note(look, trouble, moved=device.active != before, believed=learned is not None)
        return Seen(copy.number, look.cut, trouble)

    def _note(self, look: Look, trouble: str, *, moved: bool, believed: bool) -> None:
        self.told["looks"] += 1
        self.told["looks at sticks"] += look.carrier
        self.told["looks that broke off"] += bool(look.cut and trouble in ("TransferError", "BrokenError"))
        self.told["looks not believed"] += not believed and not look.cut
        self.told["installs"] += moved
        if trouble:
            self.told[trouble] += 1

    def share(self, version: str) -> NDArray[np.float64]:
        """Return for each day which share of the devices has `version`, 0 to 1."""
        return np.array([day[version] / max(1, day.total()) for day in self.adoption])

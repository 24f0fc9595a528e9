"""The witnesses: some of the simulated devices live the same days again on files of their own, and must end the same.

Nothing of the product is replaced here but the network, the clock and the processor: `sync` reads the depot's states
with TUF's client into its own folder, every bundle is verified and its golden rows are run, the ledger and the journal
are SQLite files, and downloads that broke off are gone on with.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

from hakobu_runtime.device import counting
from hakobu_runtime.device.follow import take_follow
from hakobu_runtime.device.install import install
from hakobu_runtime.device.state import State, change_keyring, open_state
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal import Journal
from hakobu_runtime.trust import Pin
from updates_counts import Batch, Counted
from updates_depot import Depot
from updates_device import Device
from updates_memory import name_device
from updates_world import Entry, World


class Written:
    """What a device counts, in its real journal."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add(self, model: ModelName, now: datetime, batch: Batch) -> None:
        """Count rows that were scored with `model`."""
        with Journal.open(self._state.journal, clock=lambda: now) as journal:
            journal.add(model, {Window.of(now, Span.HOUR): batch.counts()})


def live_again(world: World, number: int, folder: Path) -> list[str]:
    """Let device `number` live its diary on real files in `folder`; say where it came out otherwise."""
    first = world.devices[number]
    state = open_state(folder)
    change_keyring(state, lambda keyring: keyring.add(Pin(world.depot.release_key.public)))
    name_device(state, first.life.name)
    take_follow(state, world.depot.follow())
    install(state, world.depot.first, first.life.clock(first.life.joined))
    device = Device(first.life, state, Written(state))
    device.learn()
    for entry in world.diary[number]:
        different = _live(device, entry, world.depot)
        if different:
            return [f"device {number}, day {entry.day}: {different}"]
    return _compare_counts(first, state)


def _live(device: Device, entry: Entry, depot: Depot) -> str:
    """Live one day again; say what is different at its end."""
    now = device.life.clock(entry.day)
    with _clock(now):
        if len(entry.what.batches):
            device.score(now, entry.what.batches, lambda slot, batch: None)
        for look in entry.looks:
            trouble = device.look(now, depot.states[look.state], look.cut)
            if trouble != look.trouble:
                return f"{look}: {trouble or 'nothing'} came of it"
    standing = device.standing()
    return "" if standing == entry.standing else f"{entry.standing} became {standing}"


def _compare_counts(first: Device, state: State) -> list[str]:
    """Say where the real journal holds other tallies than the one in memory."""
    if not isinstance(first.counted, Counted):
        raise TypeError("the first one counted in memory")
    with Journal.open(state.journal, clock=lambda: first.life.clock(0)) as journal:
        every = [(model, window) for model in journal.models() for window in journal.windows(model)]
        tallies = [journal.tally(first.life.name, model, window) for model, window in every]
    real = {_place(tally): _content(tally) for tally in tallies}
    simulated = {_place(tally): _content(tally) for tally in first.counted.every()}
    places = sorted(place for place in {*real, *simulated} if real.get(place) != simulated.get(place))
    return [f"device {first.life.number}: its journal differs in {len(places)} windows: {places[:3]}"] if places else []


def _place(tally: Tally) -> tuple[str, str]:
    return tally.model.version, tally.window.start


def _content(tally: Tally) -> tuple[object, ...]:
    verdicts = {verdict: count for verdict, count in tally.verdicts.items() if count}
    return tally.rows, tally.revision, verdicts, tally.features


@contextmanager
def _clock(now: datetime) -> Iterator[None]:
    """Let the journal that a probation asks go by the device's clock."""
    with patch.object(counting, "open_journal", lambda state: Journal.open(state.journal, clock=lambda: now)):
        yield

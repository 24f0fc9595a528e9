"""What waits on this device: predictions for their labels, and counts for their way to a hub."""

from collections.abc import Callable
from dataclasses import dataclass

from hakobu_runtime.device import hubs
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.outcomes_setting import read_keep
from hakobu_runtime.device.outcomes_store import Store
from hakobu_runtime.device.outgoing import waiting
from hakobu_runtime.device.state import State
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.tally import Tally
from hakobu_runtime.journal import Journal

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """The predictions that wait for their labels."""

    days: int | None
    """For how many days of use they are kept; None where none are from now on."""
    rows: int
    labels: int
    """Of how many rows it is known what came true, with those whose predictions are gone."""
    size: int
    """Bytes of the file."""
    damage: str
    """Why it cannot be read; "" when it can."""

    def words(self) -> str:
        """Return it in one line."""
        if self.damage:
            return self.damage
        setting = f"predictions for {self.days} days of use" if self.days else "no predictions from now on"
        return f"{setting}: {self.rows:,} are here, {self.labels:,} have got their label ({self.size / _MB:.1f} MB)"


@dataclass(frozen=True, slots=True)
class HubStanding:
    """How it stands between this device and a hub."""

    facts: hubs.HubFacts
    windows: int
    """How many are not known to have come home."""
    days: int
    """Of outcomes, the same."""

    def known(self) -> str:
        """Say where the hub is, and whether it knows this device."""
        group = f", in the group {self.facts.group}" if self.facts.group else ""
        if not self.facts.enrolled:
            return f"{self.facts.place}, not enrolled there: hakobu-run enrol CODE"
        return f"{self.facts.place}, enrolled {self.facts.enrolled}{group}"

    def home(self) -> str:
        """Say when counts came home, and what waits."""
        parts = [_many(self.windows, "window")] if self.windows else []
        parts += [f"{_many(self.days, 'day')} of outcomes"] if self.days else []
        waits = f"what waits: {' and '.join(parts)}" if parts else "nothing waits"
        return f"{f'counts came home {self.facts.home}' if self.facts.home else 'no counts came home yet'}; {waits}"

    def trouble(self) -> str:
        """Say what went wrong when it was last tried; "" when nothing did."""
        words = self.facts.refusal or self.facts.trouble
        return f"{self.facts.tried}: {words}" if words else ""


def kept(state: State) -> Kept | None:
    """Return how the keeping of predictions stands; None where none are, nor were."""
    days, damage = None, ""
    try:
        keep = read_keep(state)
        days = keep.days if keep else None
    except StateError as error:
        damage = str(error)
    if not state.predictions.exists():
        return Kept(days, 0, 0, 0, damage) if days or damage else None
    rows = labels = 0
    try:
        with Store.open(state.predictions) as store:
            rows = sum(one.rows for one in store.waiting())
            labels = sum(one.counts.rows for one in store.outcomes())
    except StateError as error:
        damage = damage or str(error)
    return Kept(days, rows, labels, state.predictions.stat().st_size, damage)


def standings(state: State) -> tuple[HubStanding, ...]:
    """Return how it stands with each hub that counts go to."""
    return tuple(standing_of(state, *hub) for hub in hubs.hubs_of(state).items())


def standing_of(
    state: State, address: str, models: frozenset[str], opened: Callable[[State], Journal] = open_journal
) -> HubStanding:
    """Return how it stands with the hub at `address`, which gets the counts of `models`."""
    counts = waiting(state, models=models, opened=opened)
    windows = sum(isinstance(one, Tally) for one in counts)
    return HubStanding(hubs.facts_of(state, address), windows, len(counts) - windows)


def _many(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"

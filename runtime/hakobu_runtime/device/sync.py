"""Keeping a model current: one look at the depot, and at most one switch; killed anywhere, the device goes on scoring.

The order: believe the depot's metadata, obey what it forbids, decide, fetch, verify, try the golden rows, and only
then one transaction makes the new bundle the active one. The former one stays.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from hakobu_runtime.channel.client import Client, open_fetcher
from hakobu_runtime.channel.decide import Decision, Held, Step, decide
from hakobu_runtime.device import barred, facts
from hakobu_runtime.device.arrival import Arrival, Listener
from hakobu_runtime.device.follow import chosen, depot_of, followed, place_of, read_follow
from hakobu_runtime.device.install import clean
from hakobu_runtime.device.ledger import changing, device_id, stamp
from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.slots import Slot, active_slots, choose, leave_barred
from hakobu_runtime.device.state import State
from hakobu_runtime.errors import HakobuError, StateError, UsageError
from hakobu_runtime.format.channel import Channel
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.version import __version__

_SLOW = timedelta(days=1)
"""How far a clock may be behind what was signed before it is called wrong."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What one look at a depot came to, for one model."""

    schema: ClassVar = "hakobu.sync/1"

    model: str
    channel: str
    step: str
    """What the channel had for this device; see channel.decide.Step."""
    words: str
    active: str
    """The version that is active now; "" when none is."""
    installed: str = ""
    """The version that was made active now, "" when none was."""
    notes: str = ""
    """What the builder says of it."""

    @property
    def about(self) -> str:
        """What it speaks of."""
        return self.model

    def said(self) -> str:
        """Return it for a person."""
        return f"{self.words}{f' ({self.notes})' if self.notes else ''}"

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the flags of `sync` ask for."""

    model: str | None = None
    """None for all that follow a channel."""
    source: str | None = None
    """A stick, a depot's folder or its address, to look at instead of the one that is followed."""
    again: bool = False
    """Whether what was held back is tried once more."""
    rate: int | None = None
    """How many kilobytes a second may come from a network; None for all it has."""


def sync(state: State, now: datetime, asked: Asked, listener: Listener) -> Iterator[Synced]:
    """Look at the depots that are asked for, each for its model; yield what it came to for each.

    Where several models are followed, the trouble of one is told, and raised when the others are done. A model that
    has a hub and no depot is passed over, unless a source is named. Raises TransferError when nothing can be learned,
    StateError when another one is at it.
    """
    found = (read_follow(state, asked.model),) if asked.model else followed(state) or (chosen(state, None),)
    follows = tuple(follow for follow in found if asked.source or follow.depot or not follow.hub)
    failed: list[HakobuError] = []
    for follow in follows:
        try:
            yield _Look(state, follow, now, asked, listener).run()
        except HakobuError as error:
            failed.append(error)
            if len(follows) > 1:
                listener.warn(f"error: {error}")
    if failed:
        raise _told(failed, len(follows))


def _told(failed: list[HakobuError], many: int) -> HakobuError:
    if many == 1:
        return failed[0]
    worst = max(failed, key=lambda error: error.exit_code)
    return type(worst)(f"{len(failed)} of {many} models could not be looked after; the reasons stand above")


class _Look:
    """One look at the depot of one model."""

    def __init__(self, state: State, follow: Follow, now: datetime, asked: Asked, listener: Listener) -> None:
        self._state = state
        self._follow = follow
        self._model = follow.model
        self._now = now
        self._asked = asked
        self._listener = listener
        self._place = place_of(state, follow.model)

    def run(self) -> Synced:
        """Do all of it, alone."""
        with _writable(self._place.folder), locked(self._place.look):
            try:
                client = self._client()
                client.refresh()
                with changing(self._state) as ledger:  # whatever else comes of this look
                    facts.raise_floor(ledger, self._model, max(client.made, self._follow.earliest))
                channel = client.channel()
                self._learn(client, channel)
                return self._act(client, channel)
            except UsageError:
                raise
            except HakobuError as error:
                self._note(str(error))
                raise type(error)(f"{error}{self._goes_on()}") from error

    def _client(self) -> Client:
        address = depot_of(self._asked.source or self._follow.depot, self._model)
        floor = max(facts.floor_in(facts.facts_of(self._state, self._model)), self._follow.earliest)
        if self._now < floor - _SLOW:
            self._listener.warn(
                f"the clock of this PC says {self._now:%Y-%m-%d}, yet something was signed on {floor:%Y-%m-%d}: "
                "set the clock"
            )
        rate = 1000 * self._asked.rate if self._asked.rate else None
        fetcher = open_fetcher(address, rate=rate)
        return Client(self._place.metadata, self._follow, fetcher, self._now, floor)

    def _learn(self, client: Client, channel: Channel) -> None:
        """Remember what outlives this look, and leave a bundle that must not be used any more."""
        known = client.known()
        with changing(self._state) as ledger:
            barred.learn(ledger, channel)
            left = leave_barred(ledger, self._model, self._now)
            for name in (facts.CONTACT, facts.TRIED):
                facts.note(ledger, self._model, name, stamp(self._now))
            facts.note(ledger, self._model, facts.TROUBLE, "")
            if known is not None:
                facts.note(ledger, self._model, facts.EXPIRES, stamp(known.expires))
        if left:
            self._listener.warn(left)

    def _act(self, client: Client, channel: Channel) -> Synced:
        """Decide, and do it."""
        active = self._active()
        held_back = () if self._asked.again else barred.held_back(self._state, self._model)
        failed = {held.digest for held in held_back}
        held = Held(active.version, active.digest) if active else None
        decision = decide(channel, device_id(self._state), __version__, held, failed)
        with changing(self._state) as ledger:
            facts.note(ledger, self._model, facts.OFFERED, decision.words)
        installed = ""
        if decision.step is Step.INSTALL and decision.release is not None:
            Arrival(self._state, client, decision.release, self._model, self._now, self._listener).install()
            installed = decision.release.version
            with changing(self._state) as ledger:
                facts.note(ledger, self._model, facts.OFFERED, f"{self._model} {installed} is what the channel offers")
        self._tidy()
        return self._synced(channel, decision, installed)

    def _tidy(self) -> None:
        """Remove what nothing needs any more; what was fetched of a release that was refused is not among it."""
        clean(self._state)
        downloads = self._place.downloads
        for path in downloads.iterdir() if downloads.is_dir() else ():
            path.unlink(missing_ok=True)

    def _synced(self, channel: Channel, decision: Decision, installed: str) -> Synced:
        active, words = self._active(), decision.words
        if installed:
            words = f"{self._model} {installed} is installed"
        elif decision.barred:
            words = f"{decision.barred}; nothing is scored until another one comes; {words}"
        notes = decision.release.notes if installed and decision.release else ""
        version = active.version if active else ""
        return Synced(self._model, channel.name, decision.step.value, words, version, installed, notes)

    def _active(self) -> Slot | None:
        return next((slot for slot in active_slots(self._state) if slot.model == self._model), None)

    def _note(self, trouble: str) -> None:
        with suppress(StateError), changing(self._state) as ledger:  # the trouble itself may be a full disk
            facts.note(ledger, self._model, facts.TRIED, stamp(self._now))
            facts.note(ledger, self._model, facts.TROUBLE, trouble)

    def _goes_on(self) -> str:
        with suppress(StateError):
            active = choose(self._state, self._model)
            return f"; {active.model} {active.version} stays in use"
        return ""


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Turn what the system says about the state into words."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"{error.filename or folder}: cannot be written: {error.strerror}; free some space or mend the permissions "
            "there: nothing was changed, and scoring goes on"
        ) from error

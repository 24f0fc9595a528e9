"""Counts that go home over a network: posted to the hub, and settled by the receipt that comes back.

They leave after the look for updates, as they do on a stick, so that one post tells what is installed now. Nothing is
lost by the wait: whatever becomes of the update, they leave, and until a receipt has come the journal holds them.
Killed at any moment, the same counts go once more, and the hub counts them once.
"""

from base64 import b64decode
from binascii import Error as NoBase64
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from time import sleep
from typing import ClassVar

from hakobu_runtime.channel.post import Poster
from hakobu_runtime.device import hubs
from hakobu_runtime.device.arrival import Warn
from hakobu_runtime.device.asking import BusyError, RefusedError, ask
from hakobu_runtime.device.homecoming import homes_of, settle
from hakobu_runtime.device.hubs import HubFacts
from hakobu_runtime.device.ledger import stamp
from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.outgoing import Counts, Packed, pack_portion, portions, waiting
from hakobu_runtime.device.state import State
from hakobu_runtime.errors import FormatError, HakobuError, TransferError, TrustError
from hakobu_runtime.format.parcel import plain_words
from hakobu_runtime.format.receipt import MOST_PARCELS
from hakobu_runtime.format.reply import PARCELS, Taken

_PATIENCE = 30.0
_AHEAD = timedelta(days=1)
_SHORT = 10.0
"""Up to how many seconds are waited for a hub that is busy; for longer, another look does it."""
_LONGEST = timedelta(days=1)
"""For how long a hub can ask to be left alone."""
_OF_ONE_BUNDLE = frozenset({"unknown-bundle", "other-bins", "impossible-counts"})
"""The refusals that another bundle's counts are not to blame for, so that those go by themselves."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What went to a hub, and what came back."""

    schema: ClassVar = "hakobu.sent/1"

    hub: str
    serials: tuple[int, ...] = field(compare=False)
    """Of the parcels that it took."""
    windows: int
    """That they hold."""
    days: int
    """Of outcomes, that they hold."""
    size: int = field(compare=False)
    """Bytes."""
    settled: int
    """How many windows and days need not be sent any more."""
    kept: int
    """How many were taken and yet go again, since the hub did not say that it has them whole."""

    @property
    def about(self) -> str:
        """What it speaks of."""
        return self.hub

    def said(self) -> str:
        """Return it for a person."""
        parts = [_many(self.windows, "window")] if self.windows else []
        parts += [f"{_many(self.days, 'day')} of outcomes"] if self.days else []
        what = f"counts of {' and '.join(parts)}" if parts else "no new counts, but how it stands here,"
        again = f"; {self.kept:,} of them go again at the next look" if self.kept else ""
        numbers = ", ".join(map(str, self.serials))
        return f"{what} went to {self.hub} (parcel {numbers}, {self.size:,} bytes){again}"

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


def send(state: State, address: str, now: datetime, warn: Warn, rate: int | None = None) -> Sent:
    """Post to the hub at `address` what is to go home to it; `warn` hears what was not believed.

    `rate`: bytes a second at most. Raises TransferError when it cannot be reached, or is busy, RefusedError when it
    refused something: what could be sent without that is sent. All of it is remembered, for status.
    """
    with locked(state.root / "hub", patience=_PATIENCE):
        try:
            sent = _Sending(state, address, now, warn, Poster(address, rate=rate)).run()
        except RefusedError as error:
            unknown = {"enrolled": "", "group": ""} if error.kind == "unknown-device" else {}
            hubs.change(state, address, tried=stamp(now), trouble="", refusal=plain_words(str(error)), **unknown)
            raise
        except HakobuError as error:
            hubs.change(state, address, tried=stamp(now), trouble=plain_words(str(error)))
            raise
        hubs.change(state, address, tried=stamp(now), trouble="", refusal="")
        return sent


class _Sending:
    """One visit at a hub."""

    def __init__(self, state: State, address: str, now: datetime, warn: Warn, poster: Poster) -> None:
        self._state, self._address, self._now, self._warn, self._poster = state, address, now, warn, poster
        self._models = hubs.hubs_of(state).get(address, frozenset())
        self._taken: list[Packed] = []
        self._homes: dict[int, str] = {}
        self._refused: list[RefusedError] = []
        self._settled = 0

    def run(self) -> Sent:
        """Send all that waits; once more, and everything, where the hub turns out to have lost what it had."""
        known = self._facts()
        self._heed_wait(known)
        self._deliver(every=known.again)
        if not known.again and self._facts().again:
            self._warn(f"{self._poster.place} has lost what came home before, so everything is sent again")
            self._deliver(every=True)
        if self._refused:
            raise self._refused[0]
        hubs.change(self._state, self._address, again=False)
        kept = [one for one in self._taken if self._homes.get(one.parcel.serial) != one.digest]
        return Sent(
            self._poster.place,
            tuple(one.parcel.serial for one in self._taken),
            sum(len(one.parcel.tallies) for one in self._taken),
            sum(len(one.parcel.outcomes) for one in self._taken),
            sum(len(one.content) for one in self._taken),
            self._settled,
            sum(len(one.parcel.tallies) + len(one.parcel.outcomes) for one in kept),
        )

    def _deliver(self, *, every: bool) -> None:
        """Post what waits, but no window of a future that this PC's clock once showed: its time will come."""
        found = [
            one
            for one in waiting(self._state, every=every, models=self._models)
            if one.window.begins <= self._now + _AHEAD
        ]
        queue: deque[Sequence[Counts]] = deque(portions(found))
        while queue:
            portion = queue.popleft()
            try:
                is_whole = self._post(portion)
            except RefusedError as error:
                parts = _smaller(portion, error.kind)
                if not parts and error.kind not in _OF_ONE_BUNDLE:
                    raise
                if not parts:
                    self._refused.append(error)
                queue.extend(parts)
                continue
            if not is_whole:
                queue.extend(_by_bundle(portion))

    def _post(self, portion: Sequence[Counts]) -> bool:
        """Post one parcel; say whether the hub says that it has all of it, or gives no receipts at all."""
        packed = pack_portion(self._state, self._now, portion, models=self._models)
        try:
            taken = self._ask(packed)
        except BusyError as error:
            until = self._now + min(timedelta(seconds=error.wait), _LONGEST)
            hubs.change(self._state, self._address, until=stamp(until))
            raise
        self._taken.append(packed)
        facts = self._facts()
        hubs.change(self._state, self._address, enrolled=facts.enrolled or stamp(self._now), until="")
        homes = self._receipt(taken, packed)
        if homes is None:
            return True
        self._homes |= homes
        self._heed(homes)
        return homes.get(packed.parcel.serial) == packed.digest

    def _ask(self, packed: Packed) -> Taken:
        try:
            return ask(self._poster, PARCELS, packed.content, Taken)
        except BusyError as error:
            if error.wait > _SHORT:
                raise
            sleep(error.wait)
        return ask(self._poster, PARCELS, packed.content, Taken)

    def _receipt(self, taken: Taken, packed: Packed) -> dict[int, str] | None:
        """Return what came home, by the receipt; None where there is none that can be believed."""
        where = f"the receipt of {self._poster.place}"
        if taken.receipt is None:
            self._warn(f"{self._poster.place} gives no receipts, so the same counts are sent again: tell who runs it")
            return None
        try:
            content = b64decode(taken.receipt, validate=True)
            return homes_of(self._state, content, packed.parcel.device, where)
        except (FormatError, TrustError) as error:
            self._warn(str(error))
        except (NoBase64, ValueError):
            self._warn(f"{where}: is no base64, so nothing is taken for sent")
        return None

    def _heed(self, homes: dict[int, str]) -> None:
        """Settle what came home; find out whether the hub has lost what had come home before."""
        known = self._facts()
        self._settled += settle(self._state, homes)
        newest = max(homes, default=0)
        is_lost = known.serial and homes.get(known.serial) != known.digest
        if is_lost and (len(homes) < MOST_PARCELS or min(homes) < known.serial):
            hubs.change(self._state, self._address, again=True)
        if newest:
            home = {"serial": newest, "digest": homes[newest], "home": stamp(self._now)}
            hubs.change(self._state, self._address, **home)

    def _heed_wait(self, known: HubFacts) -> None:
        """Raise TransferError when the hub asked to be left alone, and that time is not over."""
        until = datetime.fromisoformat(known.until) if known.until else self._now
        if self._now < until <= self._now + _LONGEST:
            raise TransferError(f"{self._poster.place}: asked to be left alone until {known.until}; try again later")

    def _facts(self) -> HubFacts:
        return hubs.facts_of(self._state, self._address)


def _smaller(portion: Sequence[Counts], kind: str) -> tuple[Sequence[Counts], ...]:
    """Return the parts in which a portion may be taken that was refused as a whole; none where parts change nothing."""
    if kind == "too-large" and len(portion) > 1:
        half = len(portion) // 2
        return portion[:half], portion[half:]
    return _by_bundle(portion) if kind in _OF_ONE_BUNDLE else ()


def _by_bundle(portion: Sequence[Counts]) -> tuple[Sequence[Counts], ...]:
    """Return the counts of each bundle by themselves; none where they are of one."""
    found: dict[str, list[Counts]] = defaultdict(list)
    for one in portion:
        found[one.model.digest].append(one)
    return tuple(found.values()) if len(found) > 1 else ()


def _many(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' if number != 1 else ''}"

"""`enrol`: a hub gets to know this device, by the code of an invitation and a parcel that proves the device's key."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import ClassVar

import msgspec

from hakobu_runtime.channel.post import Poster
from hakobu_runtime.device import hubs
from hakobu_runtime.device.asking import ask, check_address
from hakobu_runtime.device.follow import followed, take_follow
from hakobu_runtime.device.ledger import stamp
from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.outgoing import pack_portion
from hakobu_runtime.device.state import State
from hakobu_runtime.errors import StateError, TransferError, UsageError
from hakobu_runtime.format.parcel import plain_words
from hakobu_runtime.format.reply import ENROL, INVITE, Enrolled

_LONGEST = 200
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A hub knows this device from now on."""

    schema: ClassVar = "hakobu.enrol/1"

    device: str
    hub: str
    group: str
    """The group of devices that it is in there; "" for none."""

    def said(self) -> str:
        """Return it for a person."""
        group = f", in the group {self.group}" if self.group else ""
        return f"enrolled: {self.hub} knows this device as {self.device}{group}; counts go there with 'hakobu-run sync'"

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


def enrol(state: State, code: str, now: datetime, address: str | None = None) -> Enrolment:
    """Make this device known at the hub at `address`, or the only one that is followed, by the `code` of an invitation.

    Where an address is given that nothing is followed with, the counts of the models that have no hub go there from
    now on. Raises UsageError and StateError where it is not clear which hub, RefusedError when that refuses, and
    TransferError when it cannot be reached.
    """
    invite = _checked(code)
    hub = _chosen(state, address)
    poster = Poster(check_address(hub))
    with locked(state.root / "hub", patience=_PATIENCE):
        models = hubs.hubs_of(state).get(hub, frozenset())
        packed = pack_portion(state, now, (), models=models)  # whose counts need not leave before it is let in
        found = ask(poster, ENROL, packed.content, Enrolled, {INVITE: invite})
        if found.device != packed.parcel.device:
            raise TransferError(
                f"{poster.place}: says that it enrolled {plain_words(found.device)!r}, and this is "
                f"{packed.parcel.device}: tell who runs it"
            )
        if hub not in hubs.hubs_of(state):
            _send_to(state, hub)
        group = plain_words(found.group)
        hubs.change(state, hub, enrolled=stamp(now), group=group, refusal="", trouble="", until="")
    return Enrolment(found.device, poster.place, group)


def _checked(code: str) -> str:
    """Return the code as a header may hold it."""
    found = code.strip()
    if not found or len(found) > _LONGEST or not (found.isascii() and found.isprintable()):
        raise UsageError(f"{code[:40]!r} is no code of an invitation, like K7QF-3M2X-…: copy it once more, whole")
    return found


def _chosen(state: State, address: str | None) -> str:
    known = hubs.hubs_of(state)
    if address is not None:
        if address not in known and not any(not follow.hub for follow in followed(state)):
            names = f"its counts go to {', '.join(known)}" if known else "no channel is followed yet"
            raise StateError(
                f"{state.root}: {names}; take the file that names {address} first: hakobu-run follow FILE.follow"
            )
        return address
    if len(known) > 1:
        raise UsageError(f"the counts go to several hubs ({', '.join(known)}): say which one with --hub URL")
    if not known:
        raise StateError(
            f"{state.root}: no hub is named in what is followed; name it with --hub URL, or get a follow file that was "
            "made with 'hakobu depot invite --hub URL'"
        )
    return next(iter(known))


def _send_to(state: State, hub: str) -> None:
    """Let the counts of the models that have no hub go to this one."""
    for follow in followed(state):
        if not follow.hub:
            take_follow(state, msgspec.structs.replace(follow, hub=hub))

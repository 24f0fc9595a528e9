"""Whether a parcel whose signature holds may be taken, and what of it.

What is wrong with it, whether that was meant or not, refuses all of it. Two things are no fault of a device that has
other counts to tell, and would bar these for ever: windows of a bundle that the hub does not know, like one that
somebody tried out there, and windows of a future that its clock once showed. These windows are left out, what is left
out is said in the reply, and the parcel is not acknowledged: no receipt speaks of it, so that the device sends all of
it again, which changes nothing, and the rest counts once the bundle is added or the time has come. Where a parcel has
nothing but such windows, it is refused.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from hakobu.hub import devices as enrolled
from hakobu.hub.block import row_of
from hakobu.hub.bundles import KnownBundle
from hakobu.hub.outcomes import OutcomeState, outcome_state
from hakobu.hub.refusals import Kind, Refusal
from hakobu.hub.windows import State
from hakobu_runtime.errors import CountError, FormatError, TrustError
from hakobu_runtime.format.outcome import Outcome
from hakobu_runtime.format.parcel import Parcel, plain_words
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.uplink.parcel import Opened

_AHEAD = timedelta(days=1)
"""How far in the future a window may begin, and a parcel may be made."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A parcel whose signature holds."""

    where: str
    opened: Opened

    @property
    def parcel(self) -> Parcel:
        """What was sent."""
        return self.opened.parcel

    @property
    def counted(self) -> tuple[Tally | Outcome, ...]:
        """All that it counts."""
        return (*self.parcel.tallies, *self.parcel.outcomes)

    def refused(self, kind: Kind, words: str) -> Refusal:
        """Return what says that it is refused."""
        return Refusal(self.where, kind, plain_words(words))


@dataclass(slots=True)
class Admitted:
    """A parcel that is to be taken."""

    sent: Sent
    device: Row[Any]
    states: list[State] = field(default_factory=list)
    outcomes: list[OutcomeState] = field(default_factory=list)
    left_out: list[tuple[Kind, str]] = field(default_factory=list)
    is_known: bool = False
    """Whether it came before, all of it."""


def admit(
    sent: Sent,
    locked: Mapping[str, Row[Any]],
    known: dict[tuple[int, int], str],
    bundles: Mapping[str, KnownBundle],
    now: datetime,
) -> Admitted | Refusal:
    """Check a parcel against what is known; note its serial among `known`."""
    parcel, digest = sent.parcel, sent.opened.digest
    device = locked.get(parcel.device)
    if device is None:
        return sent.refused(
            Kind.UNKNOWN_DEVICE,
            f"the device {parcel.device} is not enrolled here: ask the hub's operator for an invitation",
        )
    try:
        enrolled.recognise(enrolled.of_row(device), sent.opened.key)
    except TrustError as error:
        return sent.refused(Kind.BLOCKED if device.key == parcel.key else Kind.FORGED, str(error))
    if datetime.fromisoformat(parcel.made) > now + _AHEAD:
        return sent.refused(
            Kind.FUTURE, f"it was made at {parcel.made[:19]}, where it is {now:%Y-%m-%d} here: set the device's clock"
        )
    odd = next((one.epoch for one in sent.counted if not one.epoch.isprintable()), "")
    if odd:  # which PostgreSQL may not even be able to hold
        return sent.refused(Kind.MALFORMED, f"the epoch {odd[:40]!r} is not printable")
    place = (device.id, parcel.serial)
    if known.get(place, digest) != digest:
        return sent.refused(
            Kind.SERIAL_REUSED,
            f"the parcel {parcel.serial} of {parcel.device} came before, with other content: two devices go by one "
            "name, or one was set back to a copy; give one of them a new --state folder, if there are two",
        )
    admitted = Admitted(sent, device, is_known=place in known)
    return admitted if admitted.is_known else _fill(admitted, known, bundles, now)


def _fill(
    admitted: Admitted, known: dict[tuple[int, int], str], bundles: Mapping[str, KnownBundle], now: datetime
) -> Admitted | Refusal:
    """Put what of a parcel can be taken into `admitted`."""
    parcel = admitted.sent.parcel
    left: dict[tuple[Kind, ModelName], list[str]] = defaultdict(list)
    try:
        for one in admitted.sent.counted:
            bundle = bundles.get(one.model.digest)
            if bundle is None or (bundle.model, bundle.version) != (one.model.name, one.model.version):
                left[Kind.UNKNOWN_BUNDLE, one.model].append(one.window.start)
            elif one.window.begins > now + _AHEAD:
                left[Kind.FUTURE, one.model].append(one.window.start)
            else:
                _add(admitted, one, bundle)
    except CountError as error:
        return admitted.sent.refused(Kind.IMPOSSIBLE_COUNTS, str(error))
    except FormatError as error:
        return admitted.sent.refused(Kind.OTHER_BINS, str(error))
    admitted.left_out = [(kind, _left_words(kind, model, starts)) for (kind, model), starts in sorted(left.items())]
    if left and not (admitted.states or admitted.outcomes):
        return admitted.sent.refused(*admitted.left_out[0])
    if not left:
        known[admitted.device.id, parcel.serial] = admitted.sent.opened.digest
    return admitted


def _add(admitted: Admitted, counted: Tally | Outcome, bundle: KnownBundle) -> None:
    where = f"{bundle.model} {bundle.version}, {counted.window.start}"
    key = (admitted.device.id, bundle.id, counted.epoch, counted.window.start)
    try:
        if isinstance(counted, Outcome):
            admitted.outcomes.append(outcome_state(key, admitted.device.group_name, counted, bundle))
            return
        row = row_of(
            bundle.layout,
            counted.rows,
            counted.verdicts,
            counted.features,
            counted.outputs,
            counted.breaches,
            counted.latency,
        )
    except FormatError as error:
        raise type(error)(f"{where}: {error}") from error
    admitted.states.append(State(key, admitted.device.group_name, counted.revision, row))


def _left_words(kind: Kind, model: ModelName, starts: Sequence[str]) -> str:
    name, many = f"{model.name} {model.version}", f"{len(starts)} window{'s' if len(starts) > 1 else ''}"
    if kind is Kind.FUTURE:
        return f"{many} of {name} begin in the future, like {max(starts)}: set the device's clock, if it is wrong"
    return (
        f"{many} of {name} (sha256 {model.digest[:16]}…), a bundle that is not known here: the hub's operator can add "
        "it, hakobu hub add BUNDLE; until then they are not counted, and sent again"
    )

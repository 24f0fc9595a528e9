"""What a device has, trusts, follows and has counted."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime

from hakobu_runtime.device import facts
from hakobu_runtime.device.age import age_words
from hakobu_runtime.device.barred import HeldBack, held_back, why_barred
from hakobu_runtime.device.counting import open_journal, set_aside_files
from hakobu_runtime.device.follow import followed
from hakobu_runtime.device.ledger import device_id, reading
from hakobu_runtime.device.probation import trial_words
from hakobu_runtime.device.slots import Slot, active_slots, former_slots, open_slot
from hakobu_runtime.device.state import State, read_keyring
from hakobu_runtime.device.waiting import HubStanding, Kept, kept, standings
from hakobu_runtime.errors import HakobuError
from hakobu_runtime.version import __version__


@dataclass(frozen=True, slots=True)
class Counted:
    """How much one bundle has scored here."""

    model: str
    version: str
    rows: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Following:
    """What one model follows, and what was learned from it."""

    model: str
    channel: str
    depot: str
    """Its address; "" where updates come on sticks alone."""
    offered: str
    """What it had for this device when it was last read."""
    contact: str
    """When that was, ISO 8601 in UTC; "" when never."""
    trouble: str
    """Why the last try to read it failed; "" when it did not."""
    expires: str
    """Until when what it said is believed."""
    expired: bool

    def words(self) -> str:
        """Return it in one line."""
        return f"{self.model} {self.channel}, from {self.depot or 'sticks alone'}"

    def seen(self) -> str:
        """Say in one line what was learned last."""
        if not self.contact:
            return "never; look with 'hakobu-run sync'"
        past = "it expired" if self.expired else "believed until"
        return f"{self.contact}: {self.offered}; {past} {self.expires}"


@dataclass(frozen=True, slots=True)
class Status:
    """The whole of it."""

    device: str
    folder: str
    active: tuple[Slot, ...]
    keys: tuple[str, ...]
    counted: tuple[Counted, ...]
    damaged: tuple[str, ...]
    """What was damaged and set aside, so that its counts are in no total."""
    former: tuple[Slot, ...]
    """What `rollback` goes back to."""
    probation: dict[str, str]
    """For each model on probation, how far it has come."""
    aged: dict[str, str]
    """For each model that is too old for its builder's taste, how."""
    barred: dict[str, str]
    """For each model whose active bundle must not be used any more, why."""
    held_back: tuple[HeldBack, ...]
    following: tuple[Following, ...]
    kept: Kept | None
    """The predictions that wait for their labels; None where none were ever kept."""
    hubs: tuple[HubStanding, ...]

    def plain(self) -> dict[str, object]:
        """Return the status for JSON."""
        return {"runtime": __version__, **asdict(self)}

    def words(self) -> str:
        """Return the status for a person."""
        lines = [f"device   {self.device}", f"folder   {self.folder}", f"runtime  {__version__}"]
        lines.append(f"keys     {', '.join(key[:16] + '…' for key in self.keys) or 'none; pin one with trust add'}")
        if not self.active:
            lines.append("models   none; install one with 'hakobu-run install FILE.hako'")
        for slot in self.active:
            lines.append(
                f"model    {slot.model} {slot.version}, installed {slot.installed}, sha256 {slot.digest[:16]}…"
            )
            if slot.model in self.barred:
                lines.append(f"barred   {self.barred[slot.model]}; nothing is scored with it")
            if slot.model in self.aged:
                lines.append(f"age      {self.aged[slot.model]}")
            if slot.model in self.probation:
                lines.append(f"trial    {self.probation[slot.model]}")
        lines += [f"former   {slot.model} {slot.version}, for 'hakobu-run rollback'" for slot in self.former]
        lines += [f"held     {held.model} {held.version}, since {held.since}: {held.reason}" for held in self.held_back]
        for following in self.following:
            lines += [f"follows  {following.words()}", f"read     {following.seen()}"]
            if following.trouble:
                lines.append(f"trouble  {following.trouble}")
        for standing in self.hubs:
            lines += [f"hub      {standing.known()}", f"home     {standing.home()}"]
            if trouble := standing.trouble():
                lines.append(f"trouble  {trouble}")
        for found in self.counted:
            span = found.first if found.first == found.last else f"{found.first} to {found.last}"
            lines.append(f"counted  {found.rows:,} rows of {found.model} {found.version}, {span}")
        if self.kept is not None:
            lines.append(f"keeps    {self.kept.words()}")
        lines += [f"damaged  {words}" for words in self.damaged]
        return "\n".join(lines)


def device_status(state: State, now: datetime) -> Status:
    """Return the status of the device in `state`."""
    active = active_slots(state)
    counted, damaged = _counted(state)
    with reading(state) as ledger:
        bans = {slot.model: why_barred(ledger.read, slot.model, slot.version, slot.digest) for slot in active}
    return Status(
        device=device_id(state),
        folder=str(state.root),
        active=active,
        keys=tuple(pin.key.identity for pin in read_keyring(state).pins),
        counted=counted,
        damaged=damaged,
        former=former_slots(state),
        probation={slot.model: words for slot in active if (words := trial_words(state, slot))},
        aged={slot.model: words for slot in active if (words := _aged(state, slot, now))},
        barred={model: words for model, words in bans.items() if words},
        held_back=held_back(state),
        following=following(state, now),
        kept=kept(state),
        hubs=standings(state),
    )


def following(state: State, now: datetime) -> tuple[Following, ...]:
    """Return what each model follows, as was last learned; nobody is asked."""
    found = []
    for follow in followed(state):
        known = facts.facts_of(state, follow.model)
        expires, latest = known.get(facts.EXPIRES, ""), max(now, facts.floor_in(known), follow.earliest)
        found.append(
            Following(
                follow.model,
                follow.channel,
                follow.depot,
                known.get(facts.OFFERED, ""),
                known.get(facts.CONTACT, ""),
                known.get(facts.TROUBLE, ""),
                expires,
                bool(expires) and datetime.fromisoformat(expires) <= latest,
            )
        )
    return tuple(found)


def _aged(state: State, slot: Slot, now: datetime) -> str:
    """Say how old the active bundle is for its builder's taste; "" when it is not, or cannot be opened."""
    with suppress(HakobuError):  # doctor says what is wrong with it
        return age_words(state, open_slot(state, slot).manifest, now)
    return ""


def _counted(state: State) -> tuple[tuple[Counted, ...], tuple[str, ...]]:
    """Return what was counted, and what of it is damaged."""
    counted = []
    with open_journal(state) as journal:
        for model in journal.models():
            windows = journal.windows(model)
            rows, starts = sum(counts.rows for counts in windows.values()), [window.start for window in windows]
            if starts:
                counted.append(Counted(model.name, model.version, rows, starts[0], starts[-1]))
        damaged = [lost.words() for lost in journal.lost()]
    aside = [f"{path.name} was set aside; its counts are in no total" for path in set_aside_files(state)]
    return tuple(counted), (*aside, *damaged)

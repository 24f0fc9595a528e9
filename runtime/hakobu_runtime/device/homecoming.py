"""What came home: receipts that are believed, and what they settle in the journal and among the outcomes."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from hakobu_runtime.device import facts
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.follow import followed, place_of
from hakobu_runtime.device.outcomes_store import Store
from hakobu_runtime.device.state import State
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.outcome import Outcome
from hakobu_runtime.uplink.receipt import read_receipt


def homes_of(state: State, content: bytes, device: str, where: str) -> dict[int, str]:
    """Return the serials and digests of the parcels of `device` that came home, by the receipt in `content`.

    Raises FormatError and TrustError, which name `where`, when that is none, or from nobody whom a channel names.
    """
    found = read_receipt(content, device, _receipt_keys(state), where)
    return {home.serial: home.digest for home in found.parcels}


def settle(state: State, homes: Mapping[int, str]) -> int:
    """Heed that these parcels came home; return how many windows, and days of outcomes, need not go any more."""
    with open_journal(state) as journal:
        settled = journal.settle(homes)
    with suppress(StateError):  # status tells; what is not settled goes once more, and is counted once
        if state.predictions.exists():
            with Store.open(state.predictions) as store:
                settled += store.settle(homes)
    return settled


def outcomes_of(state: State, device: str, *, unsent: bool) -> tuple[Outcome, ...]:
    """Return the outcomes of `device`, or those that are not known to have come home as they are now.

    None where the store cannot be read, which keeps no other count from leaving; status and doctor tell.
    """
    with suppress(StateError):
        if state.predictions.exists():
            with Store.open(state.predictions) as store:
                return store.outcomes(device, unsent=unsent)
    return ()


def note_outcomes(state: State, serial: int, digest: str, sent: tuple[Outcome, ...]) -> None:
    """Remember which outcomes a parcel carries; where that cannot be, they go once more."""
    if sent:
        with suppress(StateError), Store.open(state.predictions) as store:
            store.note_parcel(serial, digest, sent)


def _receipt_keys(state: State) -> Iterator[str]:
    """Yield the keys that may sign receipts, by what the followed channels said when they were last believed.

    Of a channel that was never read, what the follow file says.
    """
    from hakobu_runtime.channel.known import read_known  # here, since looking at what waits goes without tuf

    for follow in followed(state):
        floor = facts.floor_in(facts.facts_of(state, follow.model))
        known = read_known(place_of(state, follow.model).metadata, follow, max(floor, follow.earliest))
        yield from follow.receipt_keys if known is None else known.channel.receipt_keys

"""Whether this PC can reach the depots and hubs of what it follows, or when it last did; nothing is changed."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from hakobu_runtime.device.diagnosis import Check, guarded, ok, warning
from hakobu_runtime.device.follow import depot_of
from hakobu_runtime.device.hubs import hubs_of
from hakobu_runtime.device.state import State
from hakobu_runtime.device.status import Following, following
from hakobu_runtime.device.waiting import standing_of
from hakobu_runtime.errors import TransferError
from hakobu_runtime.journal import Journal

NAME = "update channel"
_HUB = "hub"
_PATIENCE = 5.0
"""How many seconds the depot has to answer."""
_LARGEST = 1 << 20
"""Bytes of a timestamp that are read: a thousand times what one takes."""


def reach(state: State, now: datetime) -> Iterator[Check]:
    """Yield a check for each model that follows a channel; one that says so when none does."""
    found = following(state, now) if state.updates.is_dir() else ()
    if not found:
        yield ok(NAME, "none is followed: new bundles come by 'hakobu-run install FILE.hako'")
    for one in found:
        yield guarded(NAME, partial(_look, one))
    for address, models in hubs_of(state).items() if found else ():
        yield guarded(_HUB, partial(_look_at_hub, state, address, models))


def _look(one: Following) -> Check:
    last = f"last read {one.contact}" if one.contact else "never read yet"
    words = f"{one.model} {one.channel}"
    if one.expired:
        said = f"{words}: what the depot said expired {one.expires}, so nothing is installed; scoring goes on ({last})"
        return warning(NAME, said, _remedy(one))
    if not one.depot:
        return ok(NAME, f"{words}: updates come on sticks; {last}")
    try:
        _ask(one)
    except TransferError as error:
        return warning(NAME, f"{words}: {str(error).partition('; ')[0]}; {last}; scoring goes on", _remedy(one))
    if one.trouble:
        return warning(NAME, f"{words}: {one.depot} is reachable, but: {one.trouble}", "run: hakobu-run sync")
    return ok(NAME, f"{words}: {one.depot} is reachable; {last}")


def _ask(one: Following) -> None:
    """Fetch the smallest file of the depot; raise TransferError when it does not come."""
    from hakobu_runtime.channel.client import open_fetcher
    from hakobu_runtime.channel.fetch import read_whole

    read_whole(open_fetcher(depot_of(one.depot, one.model), timeout=_PATIENCE), "metadata/timestamp.json", _LARGEST)


def _remedy(one: Following) -> str:
    if not one.depot:
        return "bring a newer stick: hakobu-run sync --from FOLDER"
    return "mend the network and run hakobu-run sync, or bring a stick: hakobu-run sync --from FOLDER"


def _look_at_hub(state: State, hub: str, models: frozenset[str]) -> Check:
    """Ask the hub how it is; a damaged journal is left where it is."""
    from hakobu_runtime.channel.client import open_fetcher
    from hakobu_runtime.channel.fetch import read_whole

    standing = standing_of(state, hub, models, lambda state: Journal.open(state.journal, patience=_PATIENCE))
    address, home = standing.facts.place, standing.home()
    try:
        read_whole(open_fetcher(hub, timeout=_PATIENCE), "health", _LARGEST)
    except TransferError as error:
        words = f"{str(error).partition('; ')[0]}; {home}; scoring goes on"
        return warning(_HUB, words, "mend the network and run hakobu-run sync, or take the counts on a stick")
    if not standing.facts.enrolled:
        words = f"{address} is reachable, and does not know this device yet; {home}"
        return warning(_HUB, words, "get an invitation from whoever runs the hub: hakobu-run enrol CODE")
    if trouble := standing.trouble():
        return warning(_HUB, f"{address} is reachable, but: {trouble}; {home}", "mend that, and run: hakobu-run sync")
    return ok(_HUB, f"{address} is reachable; {home}")

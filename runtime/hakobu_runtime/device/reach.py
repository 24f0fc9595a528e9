"""Whether this PC can reach the depots that its models follow, or when it last did; nothing is changed."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from hakobu_runtime.device.diagnosis import Check, guarded, ok, warning
from hakobu_runtime.device.follow import depot_of
from hakobu_runtime.device.state import State
from hakobu_runtime.device.status import Following, following
from hakobu_runtime.errors import TransferError

NAME = "update channel"
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

"""One look at all depots that are asked for, and then the counts that leave: on the stick, or to the hubs."""

from collections.abc import Callable, Iterator
from datetime import datetime

from hakobu_runtime.device.arrival import Listener
from hakobu_runtime.device.follow import followed
from hakobu_runtime.device.hubs import hubs_of
from hakobu_runtime.device.state import State
from hakobu_runtime.device.stick import Carried, carry, stick_at
from hakobu_runtime.device.sync import Asked, Synced, sync
from hakobu_runtime.device.uplink import Sent, send
from hakobu_runtime.errors import HakobuError

Visited = Synced | Carried | Sent


def visit(state: State, now: datetime, asked: Asked, listener: Listener) -> Iterator[Visited]:
    """Do `sync`; then let the counts leave, whatever came of the updates: on a stick, if that is the source.

    They leave last, so that they say what was installed just now. With no source named they go to the hubs of what is
    followed. What fails is told, and the first failure raised when all is done: what `sync`, `carry` and `send` raise.
    """
    stick = stick_at(asked.source)
    failed: list[HakobuError] = []
    if stick is not None and asked.model is None and not followed(state):
        listener.warn("no channel is followed here, so no updates are looked for: hakobu-run follow FILE.follow")
    else:
        try:
            yield from sync(state, now, asked, listener)
        except HakobuError as error:
            failed.append(error)
    for leave in _ways(state, now, asked, listener):
        try:
            yield leave()
        except HakobuError as error:
            if failed:
                listener.warn(f"error: {error}")
            failed.append(error)
    if failed:
        raise failed[0]


def _ways(state: State, now: datetime, asked: Asked, listener: Listener) -> Iterator[Callable[[], Visited]]:
    """Yield what lets counts leave, one way after the other."""
    stick = stick_at(asked.source)
    if stick is not None:
        yield lambda: carry(state, stick, now, listener.warn)
    if asked.source is None:
        rate = 1000 * asked.rate if asked.rate else None
        for address in hubs_of(state, asked.model):
            yield lambda address=address: send(state, address, now, listener.warn, rate)  # type: ignore[misc]

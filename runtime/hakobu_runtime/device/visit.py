"""One look at all depots that are asked for, and, where it is at a stick, the counts that leave on that."""

from collections.abc import Iterator
from datetime import datetime

from hakobu_runtime.device.arrival import Listener
from hakobu_runtime.device.follow import followed
from hakobu_runtime.device.state import State
from hakobu_runtime.device.stick import Carried, carry, stick_at
from hakobu_runtime.device.sync import Asked, Synced, sync
from hakobu_runtime.errors import HakobuError


def visit(state: State, now: datetime, asked: Asked, listener: Listener) -> Iterator[Synced | Carried]:
    """Do `sync`; then, if its source is a stick, let the counts leave on it, whatever came of the updates.

    They leave last, so that they say what was installed just now. Raises what `sync` and `carry` do.
    """
    stick = stick_at(asked.source)
    failed: HakobuError | None = None
    if stick is not None and asked.model is None and not followed(state):
        listener.warn("no channel is followed here, so no updates are looked for: hakobu-run follow FILE.follow")
    else:
        try:
            yield from sync(state, now, asked, listener)
        except HakobuError as error:
            failed = error
    if stick is not None:
        try:
            yield carry(state, stick, now, listener.warn)
        except HakobuError as error:
            if failed is None:
                raise
            listener.warn(f"error: {error}")
    if failed is not None:
        raise failed

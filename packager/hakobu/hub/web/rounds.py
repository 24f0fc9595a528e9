"""What a hub does by itself while it is served: it looks at the depot, judges what was counted, and tells the hooks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from traceback import print_exc

from anyio import to_thread
from fastapi import FastAPI
from sqlalchemy import select

from hakobu.hub.alarms import Alarm, evaluate, open_alarms
from hakobu.hub.hooks import tell
from hakobu.hub.refusals import Kind, Refusal, count
from hakobu.hub.tables import devices
from hakobu.hub.web.desk import WHERE
from hakobu.hub.web.state import Hub
from hakobu_runtime.errors import HakobuError

_REST = 20
"""As many times as judging took, it rests: ten thousand devices are half a minute's work, and always send something."""

_PAGES = 8
"""Threads that make pages: fewer than a database has connections for us, so that posts find one."""


@dataclass(slots=True)
class Rounds:
    """The rounds of one hub; each is run in a thread, and one that fails is run again the next time."""

    hub: Hub
    _open: dict[int, Alarm] = field(default_factory=dict, init=False)
    _blocked: dict[str, str] = field(default_factory=dict, init=False)
    _trouble: str = field(default="", init=False)
    _rested: float = field(default=0.0, init=False)
    """Before then, by the clock of this process, nothing is judged again."""

    @asynccontextmanager
    async def going(self, _app: FastAPI) -> AsyncIterator[None]:
        """Go round while the block lasts."""
        hub = self.hub
        to_thread.current_default_thread_limiter().total_tokens = _PAGES
        await to_thread.run_sync(self._try, self._begin)
        hub.events.write("started", depot=hub.settings.depot)
        ended = asyncio.Event()
        rounds = asyncio.gather(
            self._repeat(self.look, hub.settings.look, ended), self._repeat(self.judge, hub.settings.every, ended)
        )
        try:
            yield
        finally:
            ended.set()
            await rounds
            await to_thread.run_sync(self._try, self.look)
            hub.events.write("stopped")
            hub.events.close()

    def look(self) -> None:
        """Take in what the depot published and who was enrolled; let the database know what was refused at the door."""
        hub = self.hub
        hub.releases.look()
        hub.door.refresh()
        if lost := hub.events.pull_lost():
            hub.metrics.lost_events.inc(lost)
        refused = {kind: found for kind, found in hub.refused.pull().items() if kind in set(Kind)}
        if refused:
            with hub.settings.database.begin() as connection:
                for kind, (many, words) in refused.items():
                    count(connection, Refusal(WHERE, Kind(kind), words), hub.settings.clock(), many)

    def judge(self) -> None:
        """Open and close alarms by what was counted, and tell the hooks of those that they have not heard of."""
        hub, settings = self.hub, self.hub.settings
        if monotonic() >= self._rested:
            begun = monotonic()
            evaluate(settings.database, settings.clock())
            self._rested = monotonic() + _REST * (monotonic() - begun)
        there = self._open_now()
        for number in sorted(there.keys() - self._open.keys()):
            _write(hub, "alarm-opened", there[number])
        for number in sorted(self._open.keys() - there.keys()):
            _write(hub, "alarm-closed", self._open[number])
        self._open = there
        self._tell_blocked()
        for telling in tell(settings.database, settings.hooks, settings.clock()):
            if telling.alarm.id not in self._open:  # somebody else opened it meanwhile
                self._open[telling.alarm.id] = telling.alarm
                _write(hub, "alarm-opened", telling.alarm)
            kind = "hook-told" if telling.worked else "hook-failed"
            hub.events.write(kind, alarm=telling.alarm.id, hook=telling.hook, words=telling.words)

    def _tell_blocked(self) -> None:
        """Tell which devices somebody blocked, or let in again, since the last round."""
        there, before = self._blocked_now(), self._blocked
        for name in sorted(there.keys() - before.keys()):
            self.hub.events.write("device-blocked", device=name, words=there[name])
        for name in sorted(before.keys() - there.keys()):
            self.hub.events.write("device-unblocked", device=name)
        self._blocked = there

    def _begin(self) -> None:
        """Take note of what is nothing new; what the depot published while nobody served it is."""
        self.hub.releases.look()
        self.hub.door.refresh()
        self._open, self._blocked = self._open_now(), self._blocked_now()

    def _open_now(self) -> dict[int, Alarm]:
        with self.hub.settings.database.read() as connection:
            return {alarm.id: alarm for alarm in open_alarms(connection)}

    def _blocked_now(self) -> dict[str, str]:
        with self.hub.settings.database.read() as connection:
            rows = connection.execute(select(devices.c.name, devices.c.blocked).where(devices.c.blocked != ""))
            return {row.name: row.blocked for row in rows}

    async def _repeat(self, act: Callable[[], None], pause: timedelta, ended: asyncio.Event) -> None:
        while not ended.is_set():
            await to_thread.run_sync(self._try, act)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause.total_seconds()):
                    await ended.wait()

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except HakobuError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self.hub.events.write("trouble", words=str(error))
        except BaseException as error:
            self.hub.events.write("trouble", words=f"the rounds of the hub end: {error!r}")
            print_exc()
            raise
        else:
            self._trouble = ""


def _write(hub: Hub, kind: str, alarm: Alarm) -> None:
    plain = alarm.plain()
    about = {name: plain[name] for name in ("model", "version", "subject", "group", "device", "period", "words")}
    hub.events.write(kind, alarm=alarm.id, about=plain["kind"], **about)

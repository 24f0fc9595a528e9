"""What the parts of one serving hub share."""

import hmac
import time
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_bytes
from threading import Lock

from anyio import CapacityLimiter
from starlette.requests import Request

from hakobu.hub.pace import Pace
from hakobu.hub.web.body import Bodies
from hakobu.hub.web.desk import Desk
from hakobu.hub.web.door import Door
from hakobu.hub.web.events import Events
from hakobu.hub.web.metrics import Metrics
from hakobu.hub.web.releases import Releases
from hakobu.hub.web.settings import Settings


@dataclass(frozen=True, slots=True)
class Paces:
    """How often somebody may fail, in a minute or five, before they are asked to wait."""

    strangers: Pace = field(default_factory=lambda: Pace(60, 60.0))
    """Posts from one address that no enrolled device signed."""
    devices: Pace = field(default_factory=lambda: Pace(30, 60.0))
    """Posts of one device that were refused although it signed them."""
    logins: Pace = field(default_factory=lambda: Pace(10, 300.0))
    """Of one name, from one address."""
    visitors: Pace = field(default_factory=lambda: Pace(30, 300.0))
    """From one address, whatever the names."""
    names: Pace = field(default_factory=lambda: Pace(100, 300.0))
    """Of one name, from wherever."""
    told: Pace = field(default_factory=lambda: Pace(60, 60.0))
    """Refusals of one kind that are told one by one in the log."""


@dataclass(slots=True)
class Refused:
    """Refusals at the door that the database has not heard of yet: it is told of many at once."""

    many: dict[str, tuple[int, str]] = field(default_factory=dict)
    untold: dict[str, int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def add(self, kind: str, words: str) -> None:
        """Count one."""
        with self.lock:
            self.many[kind] = (self.many.get(kind, (0, ""))[0] + 1, words)

    def pull(self) -> dict[str, tuple[int, str]]:
        """Return how many there were by kind, with the last words, and begin anew."""
        with self.lock:
            found, self.many = self.many, {}
            return found


@dataclass(frozen=True, slots=True)
class Pulse:
    """Whether the database was there when somebody looked."""

    is_there: bool = True
    until: float = 0.0
    """By the clock of this process: until when that does."""


@dataclass(slots=True)
class Hub:
    """A hub that is being served."""

    settings: Settings
    events: Events
    metrics: Metrics
    releases: Releases
    door: Door
    desk: Desk
    bodies: Bodies = field(default_factory=Bodies)
    paces: Paces = field(default_factory=Paces)
    refused: Refused = field(default_factory=Refused)
    checking: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    """How many signatures are looked at at once."""
    hashing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    """How many passwords are: each takes 32 MiB and a quarter of a second."""
    pulse: Pulse = Pulse()
    secret: bytes = field(default_factory=lambda: token_bytes(32), repr=False)

    def mark(self, text: str) -> str:
        """Return what only this process can have made of `text`."""
        return hmac.new(self.secret, text.encode("utf-8", "replace"), sha256).hexdigest()

    def note_refused(self, kind: str, words: str, *, is_counted: bool, **more: object) -> None:
        """Count a refusal, and tell of it in the log; of a flood only some are told one by one.

        `is_counted`: in the database, which hears of the others in the next round.
        """
        if not is_counted:
            self.refused.add(kind, words)
        self.metrics.refusals.labels(kind).inc()
        if self.paces.told.allow(kind, time.monotonic()):
            untold = self.refused.untold.pop(kind, None)
            self.events.write("parcel-refused", reason=kind, words=words, untold=untold, **more)
        else:
            self.refused.untold[kind] = self.refused.untold.get(kind, 0) + 1


def hub_of(request: Request) -> Hub:
    """Return the hub that answers this request."""
    hub: Hub = request.app.state.hub
    return hub


def build(settings: Settings) -> Hub:
    """Return the parts of a hub; raise StateError when its events cannot be written."""
    events = Events(settings.events, settings.clock)
    releases = Releases(settings.database, settings.depot, events, settings.clock)
    return Hub(
        settings,
        events,
        Metrics(settings.database, settings.clock),
        releases,
        Door(settings.database),
        Desk(settings, releases.look),
    )

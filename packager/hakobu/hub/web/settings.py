"""How a hub is served: what `hakobu hub serve` was told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

from hakobu.hub.database import Database
from hakobu.hub.hooks import Hooks
from hakobu_runtime.errors import UsageError
from hakobu_runtime.trust import PrivateKey

Clock = Callable[[], datetime]


def clock() -> datetime:
    """Return what time it is."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a hub is served with."""

    database: Database
    depot: Path | None = None
    """The folder of the depot that is served under /depot."""
    receipt_key: PrivateKey | None = None
    """Signs the word that parcels came home; without it devices send the same counts again."""
    proxy_header: str = ""
    """The header in which a reverse proxy says who is logged in; "" where people log in here."""
    proxies: tuple[str, ...] = ()
    """Addresses, or networks, of reverse proxies: their word on who asks is believed, and nobody else's."""
    hooks: Hooks = field(default_factory=Hooks)
    """Who is told of new alarms."""
    every: timedelta = timedelta(seconds=60)
    """How often alarms are looked for."""
    look: timedelta = timedelta(seconds=5)
    """How often the depot is looked at."""
    events: Path | None = None
    """The file of events; - for the standard output."""
    root_path: str = ""
    """Below which path of its address a reverse proxy shows the hub."""
    open_metrics: bool = False
    """Whether anybody may read /metrics, not this machine and operators alone."""
    clock: Clock = clock

    def __post_init__(self) -> None:
        for proxy in self.proxies:
            try:
                ip_network(proxy)
            except ValueError as error:
                raise UsageError(f"{proxy!r} is no address of a proxy, like 127.0.0.1 or 10.0.0.0/24") from error
        if self.proxy_header and not self.proxies:
            raise UsageError(
                f"the header {self.proxy_header} is believed from a proxy alone: name its address with --trusted-proxy"
            )
        if self.root_path and (not self.root_path.startswith("/") or self.root_path.endswith("/")):
            raise UsageError(f"the path {self.root_path!r} must begin with a slash and not end with one, like /hub")

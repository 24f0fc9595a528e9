"""The hubs that this device sends its counts to, and what it remembers of each."""

from dataclasses import asdict, dataclass, fields, replace
from sqlite3 import Connection

from hakobu_runtime.device.follow import followed
from hakobu_runtime.device.ledger import changing, reading
from hakobu_runtime.device.state import State


@dataclass(frozen=True, slots=True)
class HubFacts:
    """What outlives a command. Times are ISO 8601 in UTC, by this PC's clock, "" for never."""

    address: str
    enrolled: str = ""
    """Since when the hub is known to know this device."""
    group: str = ""
    """The group of devices that it was put into."""
    home: str = ""
    """When counts came home last."""
    serial: int = 0
    """Of the last parcel that a receipt of this hub spoke of; 0 for none."""
    digest: str = ""
    """Of the same."""
    again: bool = False
    """Whether the hub has lost what came home before, so that everything goes once more."""
    tried: str = ""
    """When posting to it was last tried."""
    trouble: str = ""
    """Why that failed; "" when it did not."""
    refusal: str = ""
    """Why the hub refused what was posted last; "" when it did not."""
    until: str = ""
    """It asked to be left alone until then."""

    @property
    def place(self) -> str:
        """The address as it may be shown: without a name and a password."""
        scheme, _, rest = self.address.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def hubs_of(state: State, model: str | None = None) -> dict[str, frozenset[str]]:
    """Return the models that each hub gets the counts of, by its address; with `model`, of the hub of that alone."""
    found: dict[str, set[str]] = {}
    for follow in followed(state):
        if follow.hub:
            found.setdefault(follow.hub, set()).add(follow.model)
    return {address: frozenset(models) for address, models in sorted(found.items()) if model is None or model in models}


def facts_of(state: State, address: str) -> HubFacts:
    """Return what is remembered of the hub at `address`."""
    with reading(state) as ledger:
        row = ledger.read(f"SELECT {_COLUMNS} FROM hubs WHERE address = ?", (address,))  # noqa: S608 - our own names
    return _facts(row[0]) if row else HubFacts(address)


def change(state: State, address: str, **changed: object) -> HubFacts:
    """Remember these facts of the hub at `address`, in place of those that were known; return all of them."""
    with changing(state) as ledger:
        found = replace(_known(ledger, address), **changed)  # type: ignore[arg-type]
        values = tuple(asdict(found).values())
        ledger.execute(f"INSERT OR REPLACE INTO hubs ({_COLUMNS}) VALUES ({_MARKS})", values)  # noqa: S608 - the same
        return found


def _known(ledger: Connection, address: str) -> HubFacts:
    row = ledger.execute(f"SELECT {_COLUMNS} FROM hubs WHERE address = ?", (address,)).fetchone()  # noqa: S608
    return _facts(row) if row else HubFacts(address)


def _facts(row: tuple[object, ...]) -> HubFacts:
    found = HubFacts(*row)  # type: ignore[arg-type]
    return replace(found, again=bool(found.again))


_COLUMNS = ", ".join(f'"{field.name}"' for field in fields(HubFacts))
_MARKS = ", ".join("?" for _ in fields(HubFacts))

"""The door for parcels: what costs little is looked at first, so that bad posts cannot keep good ones waiting.

Nothing is unfolded before it is known that a device which is enrolled has signed it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

from sqlalchemy import func, select

from hakobu.hub.database import Database
from hakobu.hub.refusals import Kind
from hakobu.hub.tables import devices
from hakobu_runtime.errors import FormatError, TrustError
from hakobu_runtime.format.dsse import read_envelope, to_sign
from hakobu_runtime.format.parcel import KIND
from hakobu_runtime.trust import PublicKey


@dataclass(frozen=True, slots=True)
class Known:
    """A device, by the key that it signs with."""

    name: str
    pem: str


@dataclass(frozen=True, slots=True)
class Unwelcome:
    """Why a post is not let in."""

    kind: Kind
    words: str


class Door:
    """Knows the keys of the devices that are enrolled; they are read anew when that changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._known: Mapping[str, Known] = {}
        self._state: tuple[object, ...] = ()

    def check(self, content: bytes, *, is_trusting: bool = True) -> Known | Unwelcome:
        """Return which device signed this post, or why it is not let in; raise StateError without the database.

        Unless `is_trusting`, the database is not asked whether a key that is not known here came just now.
        """
        try:
            envelope = read_envelope(content, KIND, "the parcel")
        except FormatError as error:
            return Unwelcome(Kind.MALFORMED, str(error))
        device = self._find(envelope.identity, is_trusting=is_trusting)
        if device is None:
            words = f"no device with the key {envelope.identity[:16]!r} is enrolled at this hub: hakobu-run enrol"
            return Unwelcome(Kind.UNKNOWN_DEVICE, words)
        try:
            holds = PublicKey(device.pem.encode()).holds(envelope.signature, to_sign(KIND, envelope.payload))
        except TrustError as error:
            return Unwelcome(Kind.FORGED, f"the key of {device.name} in the database cannot be used: {error}")
        if holds:
            return device
        words = f"the signature of {device.name} does not hold: the parcel was changed, or is from somebody else"
        return Unwelcome(Kind.FORGED, words)

    def refresh(self) -> None:
        """Read the keys anew if a device came or went; for a stranger that is one look at the database."""
        with self._lock, self._database.read() as connection:
            columns = func.count(), func.max(devices.c.id), func.max(devices.c.enrolled)
            state = tuple(connection.execute(select(*columns).select_from(devices)).one())
            if state == self._state:
                return
            rows = connection.execute(select(devices.c.name, devices.c.key))
            self._known = {sha256(row.key.encode()).hexdigest(): Known(row.name, row.key) for row in rows}
            self._state = state

    def _find(self, identity: str, *, is_trusting: bool) -> Known | None:
        found = self._known.get(identity)
        if found is None and is_trusting:
            self.refresh()
            found = self._known.get(identity)
        return found

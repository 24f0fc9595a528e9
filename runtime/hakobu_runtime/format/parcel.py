"""What a device sends home: what it has and how that fares, and the counts that are not known to have come home yet.

Signed by the device, on a stick it lies at `hakobu/tallies/DEVICE/SERIAL.parcel`. Never a row, never a value of one.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

from hakobu_runtime.errors import CountError, FormatError
from hakobu_runtime.format.channel import CHANNEL
from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.counts import LATENCY_EDGES_US
from hakobu_runtime.format.manifest import NAME, VERSION
from hakobu_runtime.format.outcome import Outcome, check_possible
from hakobu_runtime.format.tally import Tally
from hakobu_runtime.format.window import Span

SCHEMA: Final = "hakobu.parcel/1"
KIND: Final = "application/vnd.hakobu.parcel+zlib"
"""The type of what is signed: the JSON of a parcel, deflated."""
FOLDER: Final = "hakobu/tallies"
"""On a stick: where the folders of the devices are."""
ENDING: Final = ".parcel"
LARGEST_FILE: Final = 8 << 20
"""Bytes of a parcel as it lies on a stick; one of 20 features and a window takes two thousand."""
LARGEST: Final = 16 << 20
"""Bytes of its JSON."""
MOST_TALLIES: Final = 5_000
MOST_OUTCOMES: Final = 5_000
MOST_EVENTS: Final = 20
LONGEST_WORDS: Final = 300
"""Letters of whatever a device says in words."""

DEVICE = re.compile(r"[0-9a-z][0-9a-z-]{6,62}[0-9a-z]")
"""The name of a device: it names folders too, also where case is not told apart, and nul and com1 are no files."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST_SERIAL = 2**53
_MOST_ROWS = 2**40
"""In one window: more than any device scores in a month, and so few that the sum over a fleet fits int64."""
_LONGEST_NAME = 500
_MOST_MODELS = 1_000
_MOST_PARTS = 10_000
_SPANS = (Span.HOUR, Span.DAY, Span.MONTH)
"""Of which one always holds all of another, or nothing of it; weeks do not lie in months."""


class Box(Value, frozen=True):
    """A bundle in a slot of the device."""

    version: str
    digest: str
    installed: str
    """When, by its clock."""

    def __post_init__(self) -> None:
        _check_bundle(self.version, self.digest)
        check_moment(self.installed)


class HeldBack(Value, frozen=True):
    """A bundle that failed on the device, so that it is not tried again."""

    version: str
    digest: str
    reason: str
    since: str

    def __post_init__(self) -> None:
        _check_bundle(self.version, self.digest)
        _check_words(self.reason)
        check_moment(self.since)


class Happened(Value, frozen=True):
    """Something that happened to a bundle: it was installed, proven, rolled back, it failed, was refused or revoked."""

    number: int
    """Counts upwards on the device."""
    time: str
    kind: str
    version: str
    digest: str
    words: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.number < _LARGEST_SERIAL:
            raise FormatError(f"an event cannot have the number {self.number}")
        _check_bundle(self.version, self.digest)
        _check_words(self.kind, self.words)
        check_moment(self.time)


class ModelState(Value, frozen=True):
    """What the device has of one model, and how that fares."""

    name: str
    channel: str = ""
    """That it follows; "" for none."""
    active: Box | None = None
    former: Box | None = None
    held_back: tuple[HeldBack, ...] = ()
    events: tuple[Happened, ...] = ()
    """The last ones, oldest first."""
    barred: str = ""
    """Why the active one must not be used any more; "" when it may."""
    trial: str = ""
    """How far the active one is in its probation; "" when it is on none."""
    offered: str = ""
    """What the channel had for it when it was last read."""
    contact: str = ""
    """When that was; "" when never."""
    tried: str = ""
    """When reading it was last tried."""
    trouble: str = ""
    """Why that failed then; "" when it did not."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or (self.channel and not CHANNEL.fullmatch(self.channel)):
            raise FormatError(f"channel {self.channel[:80]!r} of model {self.name[:80]!r}: no such names can be")
        if len(self.held_back) > _MOST_PARTS or len(self.events) > MOST_EVENTS:
            raise FormatError(f"{self.name}: {len(self.held_back)} bundles held back, {len(self.events)} events")
        _check_words(self.barred, self.trial, self.offered, self.trouble)
        for moment in filter(None, (self.contact, self.tried)):
            check_moment(moment)


class Parcel(Value, frozen=True):
    """One parcel: the state of a device, not a change of it. Of two, neither is lost when the other comes first."""

    schema: Literal["hakobu.parcel/1"]
    device: str
    key: str
    """The device's public key, as PEM, whose private half signs this."""
    serial: int
    """Counts upwards; no two parcels of a device have the same."""
    made: str
    """When, by the device's clock, ISO 8601 in UTC."""
    runtime: str
    """The version of hakobu-runtime."""
    platform: str
    models: tuple[ModelState, ...] = ()
    tallies: tuple[Tally, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    """Of predictions that labels came for, by days."""

    def __post_init__(self) -> None:
        if not DEVICE.fullmatch(self.device):
            raise FormatError(f"{self.device[:80]!r} is no name of a device: 8 to 64 of a-z, 0-9 and inner hyphens")
        if not 1 <= self.serial < _LARGEST_SERIAL:
            raise FormatError(f"a parcel cannot have the serial {self.serial}")
        _check_words(self.runtime, self.platform)
        check_moment(self.made)
        if len({model.name for model in self.models}) != len(self.models) or len(self.models) > _MOST_MODELS:
            raise FormatError("it names a model twice, or a thousand of them")
        if len(self.tallies) > MOST_TALLIES:
            raise FormatError(f"it holds {len(self.tallies)} windows; at most {MOST_TALLIES} are read")
        if len(self.outcomes) > MOST_OUTCOMES:
            raise FormatError(f"it holds {len(self.outcomes)} days of outcomes; at most {MOST_OUTCOMES} are read")
        for tally in self.tallies:
            _check_tally(tally, self.device)
        for outcome in self.outcomes:
            _check_outcome(outcome, self.device)
        for found in (self.tallies, self.outcomes):
            if len({(one.model, one.epoch, one.window) for one in found}) != len(found):
                raise FormatError("it holds a window twice")


def check_moment(text: str) -> None:
    """Raise FormatError unless `text` is a time in ISO 8601 with its zone, which has a time in UTC."""
    try:
        moment = datetime.fromisoformat(text)
        zone = moment.tzinfo
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        zone = None
    if zone is None or len(text) > 40:
        raise FormatError(f"{text[:80]!r} is no time with its zone, like 2026-01-31T12:00:00+00:00")


def plain_words(text: str) -> str:
    """Return `text` as a parcel may hold it: on one line, of printable letters, and not too long."""
    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return line if len(line) <= LONGEST_WORDS else line[: LONGEST_WORDS - 1] + "…"


def _check_words(*texts: str) -> None:
    for text in texts:
        if len(text) > LONGEST_WORDS or not text.isprintable():
            raise FormatError(f"{text[:40]!r}… is no line of at most {LONGEST_WORDS} printable letters")


def _check_bundle(version: str, digest: str) -> None:
    if not VERSION.fullmatch(version):
        raise FormatError(f"{version[:80]!r} is no version like 1.2.3")
    if not _DIGEST.fullmatch(digest):
        raise FormatError(f"{digest[:80]!r} is not a sha256 in hex")


def _check_tally(tally: Tally, device: str) -> None:
    """Raise FormatError unless a tally, sound by itself, is one that this device can have counted."""
    where = _check_owner(tally, device)
    if tally.window.span not in _SPANS:
        raise FormatError(f"{where}: counts of one {tally.window.span}, where hours, days and months are kept")
    _check_rows(where, tally.rows)
    if len(tally.latency) not in (0, len(LATENCY_EDGES_US) + 1):
        raise FormatError(f"{where}: {len(tally.latency)} counts of time taken, for {len(LATENCY_EDGES_US) + 1} slots")
    _check_names(where, (tally.epoch, *tally.verdicts, *tally.features, *tally.outputs, *tally.breaches))
    for name, counts in (*tally.features.items(), *tally.outputs.items(), ("latency", tally.latency)):
        if sum(counts) > tally.rows:
            raise CountError(f"{where}: {name[:80]!r} counts {sum(counts)} values in {tally.rows} rows")
    for name, rules in tally.breaches.items():
        _check_names(where, rules)
        if max(rules.values(), default=0) > tally.rows:
            raise CountError(f"{where}: {name[:80]!r} counts more breaches of a rule than the {tally.rows} rows")


def _check_outcome(outcome: Outcome, device: str) -> None:
    """Raise FormatError unless an outcome, sound by itself, is one that this device can have counted."""
    where = _check_owner(outcome, device)
    if outcome.window.span is not Span.DAY:
        raise FormatError(f"{where}: outcomes of one {outcome.window.span}, where days are kept")
    _check_rows(where, outcome.counts.rows)
    _check_names(where, (outcome.epoch,))
    try:
        check_possible(outcome)
    except FormatError as error:
        raise CountError(f"{where}: {error}") from error


def _check_owner(counted: Tally | Outcome, device: str) -> str:
    """Return what was counted, for a message; raise FormatError unless it is of this device and some bundle."""
    if counted.device != device:
        raise FormatError(f"it holds counts of another device, {counted.device[:80]!r}")
    if not NAME.fullmatch(counted.model.name):
        raise FormatError(f"{counted.model.name[:80]!r} is no name of a model")
    _check_bundle(counted.model.version, counted.model.digest)
    return f"{counted.model.name} {counted.model.version}, {counted.window.start}"


def _check_rows(where: str, rows: int) -> None:
    if rows > _MOST_ROWS:
        raise CountError(f"{where}: {rows} rows are more than a device can score")


def _check_names(where: str, names: Iterable[str]) -> None:
    found = tuple(names)
    if len(found) > _MOST_PARTS or any(len(name) > _LONGEST_NAME for name in found):
        raise FormatError(f"{where}: {len(found)} names, or one that is longer than {_LONGEST_NAME} letters")

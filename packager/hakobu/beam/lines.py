"""What merging the parcels of a fleet writes: a line of JSON each."""

import msgspec

from hakobu.fleet.odd import Oddity
from hakobu_runtime.format.outcome import OutcomeCounts
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window


class PeriodLine(msgspec.Struct, frozen=True, tag="period"):
    """What all devices counted with one bundle in one period."""

    digest: str
    window: Window
    devices: int
    counts: bytes
    odd: tuple[Oddity, ...]
    apart: tuple[tuple[str, str, tuple[int, ...]], ...]
    """Device, feature and counts of what is odd."""
    told: Span
    """How long the part of the period is that was counted."""


class OutcomeLine(msgspec.Struct, frozen=True, tag="outcome"):
    """What became of predictions, of one bundle and day."""

    digest: str
    window: Window
    counts: OutcomeCounts


class ModelLine(msgspec.Struct, frozen=True, tag="model"):
    """How many devices counted with one bundle."""

    model: ModelName
    devices: int


class RefusedLine(msgspec.Struct, frozen=True, tag="refused"):
    """What was left out, and why."""

    words: str


Line = PeriodLine | OutcomeLine | ModelLine | RefusedLine
_LINES: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def written(line: Line) -> str:
    """Return a line as JSON, without the end of it."""
    return msgspec.json.encode(line).decode()


def read_line(content: bytes | str) -> Line:
    """Return what `written` wrote."""
    return _LINES.decode(content)

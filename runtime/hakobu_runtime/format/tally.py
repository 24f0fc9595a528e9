"""The cumulative counts of one device, model and window: all that ever leaves a device."""

import re
from typing import Final, Literal

from hakobu_runtime.errors import CountError, FormatError
from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.window import Window

SCHEMA: Final = "hakobu.tally/1"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST = 2**63 - 1


class ModelName(Value, frozen=True, order=True):
    """Which bundle: its name, version, and the sha256 of the whole file, in hex."""

    name: str
    version: str
    digest: str

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.digest):
            raise FormatError(f"{self.digest!r} is not a sha256 in hex")


class Tally(Value, frozen=True):
    """State, not a delta: of two tallies of one device, model, epoch and window the higher revision holds.

    A longer window counts all that the windows inside it counted, so where one is known, those inside it say nothing.
    """

    schema: Literal["hakobu.tally/1"]
    device: str
    model: ModelName
    window: Window
    revision: int
    rows: int
    verdicts: dict[str, int]
    features: dict[str, tuple[int, ...]]
    """Counts over the slots of each feature's bins."""
    outputs: dict[str, tuple[int, ...]]
    """Counts over the slots of the bins of `labels` and `scores`."""
    breaches: dict[str, dict[str, int]]
    """For each feature or column, the breaches by rule."""
    latency: tuple[int, ...] = ()
    """Rows by the time that a row took, over the slots of the journal's latency bins."""
    epoch: str = ""
    """Which beginning of the counts this is: a device that lost its counts starts another one, which adds to this."""

    def __post_init__(self) -> None:
        counts = [self.revision, self.rows, *self.verdicts.values(), *self.latency]
        for part in (*self.features.values(), *self.outputs.values()):
            counts.extend(part)
        for rules in self.breaches.values():
            counts.extend(rules.values())
        if min(counts) < 0 or max(counts) > _LARGEST:
            raise CountError("a count must lie between 0 and 2^63 - 1")
        if sum(self.verdicts.values()) != self.rows:
            raise CountError(
                f"the verdicts of a tally add up to {sum(self.verdicts.values())}, its rows are {self.rows}"
            )

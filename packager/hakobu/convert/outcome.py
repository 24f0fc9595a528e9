"""What became of a model that was to travel."""

from dataclasses import dataclass
from enum import StrEnum

from hakobu.export.convert import Exported
from hakobu.parity import Parity
from hakobu_runtime.format.feature import Input
from hakobu_runtime.format.manifest import ClassLabel, Dtype


class Status(StrEnum):
    """The outcome in a word."""

    EXACT = "exact"
    """Every class is the same, and every number the float32 nearest to the source's."""
    MATCH = "match"
    """Every class is the same, and every number within the tolerance."""
    NOT_PROVEN = "not proven"
    """There is no source to compare with, and the sample tells no outputs."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Proof:
    """What was compared: the rows of the sample, and rows made from them to be hard (none without a source)."""

    rows: Parity
    edge_rows: Parity | None = None

    @property
    def whole(self) -> Parity:
        """Both together."""
        return self.rows if self.edge_rows is None else self.rows + self.edge_rows


@dataclass(frozen=True, slots=True)
class Converted:
    """The outcome, and what it rests on."""

    status: Status
    model: str
    """The class of the estimator, or its library."""
    inputs: tuple[Input, ...]
    classes: tuple[ClassLabel, ...]
    dtype: Dtype
    """What the ONNX model reads its numbers in."""
    exported: Exported | None = None
    """None when refused."""
    proof: Proof | None = None
    """None when it never came to a comparison."""
    not_scored: tuple[str, ...] = ()
    """Cells that the source refuses to score, and that whoever runs the ONNX model must refuse too."""
    reason: str = ""
    remedy: str = ""

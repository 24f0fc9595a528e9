"""Golden rows: inputs with the outputs that the trained model gave, replayed wherever the bundle lands."""

from math import isfinite
from typing import Final, Literal

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import Value

SCHEMA: Final = "hakobu.golden/1"

Cell = bool | int | float | str | None


class Tolerance(Value, frozen=True):
    """How far a number may lie from the expected one: `absolute + relative * |expected|`."""

    absolute: float = 1e-5
    relative: float = 1e-4

    def __post_init__(self) -> None:
        # The absolute one is in the unit of the output, which may be yen.
        if not (self.absolute >= 0 and isfinite(self.absolute)):
            raise FormatError(f"the absolute tolerance {self.absolute} must be finite and not negative")
        if not 0 <= self.relative < 1:
            raise FormatError(f"the relative tolerance {self.relative} must lie in 0..1")

    def allows(self, expected: float) -> float:
        """Return the largest difference allowed from `expected`."""
        return self.absolute + self.relative * abs(expected)


class Golden(Value, frozen=True):
    """Rows by column, what the trained model predicts for each, and the verdict that each must get."""

    schema: Literal["hakobu.golden/1"]
    columns: dict[str, tuple[Cell, ...]]
    predictions: tuple[bool | int | float | str | None, ...]
    """The class or the value; None for a rejected row."""
    probabilities: tuple[tuple[float, ...] | None, ...]
    """A row of probabilities each, or None where there are none."""
    verdicts: tuple[str, ...]
    tolerance: Tolerance

    def __post_init__(self) -> None:
        rows = len(self.verdicts)
        lengths = {len(cells) for cells in self.columns.values()} | {len(self.predictions), len(self.probabilities)}
        if lengths != {rows}:
            raise FormatError("golden columns, predictions, probabilities and verdicts must be of one length")
        numbers = [found for found in self.predictions if isinstance(found, float)]
        numbers += [number for row in self.probabilities if row is not None for number in row]
        if not all(map(isfinite, numbers)):
            raise FormatError("a golden row expects a number that is not finite: nothing can be compared with it")

    def __len__(self) -> int:
        return len(self.verdicts)

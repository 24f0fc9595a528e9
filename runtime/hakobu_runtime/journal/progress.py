"""How far a run has come."""

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import Value
from hakobu_runtime.journal.packed import LARGEST


class Progress(Value, frozen=True):
    """How far the scoring of a file has come."""

    rows_done: int
    input_offset: int
    output_bytes: int
    state: str = "{}"
    """JSON of whatever else the scoring needs to go on."""

    def __post_init__(self) -> None:
        numbers = (self.rows_done, self.input_offset, self.output_bytes)
        if not all(0 <= number <= LARGEST for number in numbers):
            raise FormatError(f"progress lies between 0 and 2^63 - 1, unlike {numbers}")

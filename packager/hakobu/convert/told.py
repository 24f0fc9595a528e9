"""The outputs that a sample tells, in place of a model that could be asked."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hakobu.convert.sample import Sample
from hakobu_runtime.errors import InputError
from hakobu_runtime.format.manifest import ClassLabel
from hakobu_runtime.limits.breach import quote
from hakobu_runtime.rows.cells import parse_number


class Told:
    """What the sample's column of right outputs says, row by row."""

    def __init__(self, outputs: NDArray[Any]) -> None:
        self._outputs = outputs

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return what the sample tells for the rows of `frame`, which are all of its rows."""
        return self._outputs


def told_by(sample: Sample, classes: tuple[ClassLabel, ...]) -> Told | None:
    """Return the right outputs of `sample`, `classes` or numbers; None when it tells none.

    Raises InputError at a cell that is neither.
    """
    if sample.expected is None:
        return None
    column, texts = sample.expected
    known = {str(label): label for label in classes}
    outputs: list[ClassLabel | float] = []
    for row, text in enumerate(texts):
        found = known.get(text) if classes else parse_number(text)
        if found is None or (not classes and not np.isfinite(found)):
            rule = f"none of the model's classes ({', '.join(list(known)[:8])})" if classes else "no number"
            held = f"{quote(text)} is {rule}" if text else "the cell is empty"
            raise InputError(
                f"{sample.path}: row {row + 1}, column '{column}': {held}; "
                "--expected names a column with the right output in every row"
            )
        outputs.append(found)
    return Told(np.array(outputs))

"""The breaches alone, a line each, for the person who must mend them."""

import numpy as np

from hakobu_runtime.device.output import id_columns
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.limits.breach import Breach, Rule
from hakobu_runtime.limits.check import Checked
from hakobu_runtime.rows.growing import Columns
from hakobu_runtime.rows.write import Coded, Column


def problem_columns(manifest: Manifest, block: Block, checked: Checked) -> Columns:
    """Return the breaches of a block: which row and ids, which column holds what, the rule, the verdict, the reason."""
    breaches = checked.breaches
    places = {feature.name: feature.column for feature in manifest.features}
    rows = np.array([breach.row for breach in breaches], dtype=np.int64)
    ids: dict[str, Column] = {name: _taken(cells, rows) for name, cells in id_columns(manifest, block).items()}
    return {
        "row": rows + (block.first + 1),
        **ids,
        "column": [places.get(breach.name, breach.name) for breach in breaches],
        "value": [_shown(breach) for breach in breaches],
        "rule": [breach.rule.value for breach in breaches],
        "verdict": [breach.verdict.word for breach in breaches],
        "reason": [breach.reason for breach in breaches],
    }


def _shown(breach: Breach) -> str:
    """Return the cell as a person would write it: what is compared with a range is a float, so 4 comes as 4.0."""
    if breach.rule not in (Rule.BELOW, Rule.ABOVE):
        return breach.value
    # The float32 of 64.94 is 64.94000244140625: the person must find the cell as the file writes it.
    number = float(breach.value)
    with np.errstate(over="ignore"):
        short = np.float32(number)
    return (str(short) if float(short) == number else breach.value).removesuffix(".0")


def _taken(cells: Column, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Column:
    if isinstance(cells, Coded):
        return Coded(cells.codes[rows], cells.cells)
    if isinstance(cells, np.ndarray):
        taken: Column = cells[rows]
        return taken
    return [cells[row] for row in rows.tolist()]

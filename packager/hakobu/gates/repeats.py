"""The gates of repeats: rows and columns that say the same thing twice."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hakobu.gates.judge import judge
from hakobu.project import Project
from hakobu.table import Table, frame_of
from hakobu_runtime.format.validation import Gate, Stage


def repeat_gates(table: Table, project: Project) -> Iterator[Gate]:
    """Judge how many rows repeat an earlier one in every column that is read, and which features are the same."""
    frame = frame_of(table.block, project.inputs, project.dtype)
    limit = project.file.gates.duplicate_rows
    repeated = float(_whole_rows(table, frame).duplicated().mean())
    yield judge(
        Stage.DATA, "repeated rows", "share of rows that repeat an earlier one in every column", repeated, limit,
        passed=repeated <= limit,
        remedy="a row that is there twice may be learned from and judged on at once: remove the repeats, name the "
        "column that tells rows apart in [data] id, or raise [gates] duplicate_rows",
    )  # fmt: skip
    same = same_columns(frame)
    shown = ", ".join(f"{second} is {first}" for first, second in same)
    yield judge(
        Stage.DATA, "repeated columns", "features that are the same in every row", shown or "none", "none",
        passed=not same,
        remedy=f"leave {', '.join(dict.fromkeys(second for _, second in same))} out of [features]: "
        "what is there twice adds nothing, and hides how much the model rests on it",
    )  # fmt: skip


def _whole_rows(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the features, the target and every other column that is read, such as ids and times."""
    others: dict[str, NDArray[Any]] = {f"text {name}": values for name, values in table.block.texts.items()}
    others |= {f"number {name}": values for name, values in table.block.numbers.items()}
    return pd.concat([frame, pd.DataFrame(others | {"the target": table.targets})], axis=1)


def same_columns(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the pairs of columns that are the same in every row, and not in every row missing: the first, a later."""
    found: list[tuple[str, str]] = []
    seen: dict[bytes, Any] = {}
    for name in frame.columns:
        values: NDArray[Any] = frame[name].to_numpy()
        mark = pd.util.hash_array(values, categorize=True).tobytes()
        first = seen.setdefault(mark, name)
        if first != name and not frame[name].isna().all() and _equal(frame[first].to_numpy(), values):
            found.append((str(first), str(name)))
    return found


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if (one.dtype == object) != (other.dtype == object):
        return False
    return bool(np.array_equal(one, other, equal_nan=one.dtype != object))

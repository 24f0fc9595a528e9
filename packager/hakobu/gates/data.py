"""The gates of the data, before anything is trained on it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu.gates.judge import judge
from hakobu.project import Project
from hakobu.settings import Task
from hakobu.table import Table
from hakobu_runtime.format.validation import Gate, Stage
from hakobu_runtime.limits.breach import quote
from hakobu_runtime.limits.derive import derive_number

FEWEST_ROWS = 50
FEWEST_OF_A_CLASS = 10


def data_gates(table: Table, project: Project) -> Iterator[Gate]:
    """Judge the table before anything is trained on it."""
    yield judge(
        Stage.DATA, "rows", f"rows with a target ({table.without_target} without one left out)",
        len(table), FEWEST_ROWS, passed=len(table) >= FEWEST_ROWS,
        remedy=f"a model needs at least {FEWEST_ROWS} rows with a target; bring more data",
    )  # fmt: skip
    yield from _readable(table, project)
    if project.file.model.task is Task.CLASSIFICATION:
        yield _classes(table, project)
    else:
        yield judge(
            Stage.DATA, "target", "distinct values of the target", len(np.unique(table.targets)), 2,
            passed=len(np.unique(table.targets)) >= 2,
            remedy=f"the target '{project.file.data.target}' is the same in every row: there is nothing to learn",
        )  # fmt: skip
    if table.times is not None:
        lost = int(np.isnat(table.times).sum())
        yield judge(
            Stage.DATA, "time", "rows without a readable time", lost, 0, passed=lost == 0,
            remedy=f"fill column '{project.file.data.time}', or say how it is written with [data] time_format",
        )  # fmt: skip
    yield from _columns(table, project)


def _readable(table: Table, project: Project) -> Iterator[Gate]:
    bad = [f"row {row + 1}: {reason}" for row, reason in table.broken.items()]
    for wish in project.inputs:
        if not wish.reads_text:
            invalid = derive_number(wish, table.block, project.dtype).invalid
            bad += [
                f"row {table.rows[row] + 1}: {wish.name} = {quote(text)} is {rule}"
                for row, (rule, text) in invalid.items()
            ]
    yield judge(
        Stage.DATA, "readable", "cells of the wrong kind", len(bad), 0, passed=not bad,
        remedy=f"{bad[0]}; mend it, or list the text in [data] missing" if bad else "",
    )  # fmt: skip


def _classes(table: Table, project: Project) -> Gate:
    names, counts = np.unique(table.targets.astype(str), return_counts=True)
    target = project.file.data.target
    if len(names) < 2:
        remedy = f"the target '{target}' is '{names[0]}' in every row; a classifier needs two classes or more"
    else:
        rare = names[counts.argmin()]
        remedy = f"class '{rare}' of '{target}' has {counts.min()} rows; bring more, or leave the class out"
    passed = len(names) >= 2 and counts.min() >= FEWEST_OF_A_CLASS
    value = f"{len(names)}, least {counts.min()} rows"
    return judge(
        Stage.DATA, "classes", "classes, and rows in each", value, f"2, least {FEWEST_OF_A_CLASS} rows",
        passed=passed, remedy=remedy,
    )  # fmt: skip


def _columns(table: Table, project: Project) -> Iterator[Gate]:
    """Judge the worst feature by its missing rate, and find the ones that never change."""
    limit = project.file.gates.missing_rate
    rates, constant = {}, []
    for wish in project.inputs:
        values: NDArray[Any]
        if wish.reads_text:
            values = table.block.texts[wish.column]
            present = values[values != ""]
        else:
            values = derive_number(wish, table.block, project.dtype).values
            present = values[~np.isnan(values)]
        rates[wish.name] = 1 - len(present) / len(values)
        if len(set(present.tolist())) < 2:
            constant.append(wish.name)
    worst = max(rates, key=lambda name: rates[name])
    yield judge(
        Stage.DATA, "missing", f"share missing, worst feature ({worst})", rates[worst], limit,
        passed=rates[worst] <= limit, remedy=f"leave '{worst}' out of [features], or raise [gates] missing_rate",
    )  # fmt: skip
    yield judge(
        Stage.DATA, "constant", "with fewer than two values", ", ".join(constant) or "none", "none",
        passed=not constant, remedy=f"leave {', '.join(constant)} out of [features]: they tell the model nothing",
    )  # fmt: skip

"""The table that a model learns from, read by the very code that reads it on the device."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hakobu.project import Project
from hakobu.settings import Task
from hakobu_runtime.errors import InputError, ProjectError
from hakobu_runtime.format.block import Block, Form, Wanted
from hakobu_runtime.format.feature import Input
from hakobu_runtime.format.manifest import ClassLabel, Dtype
from hakobu_runtime.limits.dates import as_utc, read_moment
from hakobu_runtime.limits.derive import derive_number, wanted
from hakobu_runtime.rows.source import Layout, open_rows

_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Table:
    """All rows whose target is known."""

    block: Block
    targets: NDArray[Any]
    """Shape (n,): float64 for a regression; int64 or text for a classification."""
    classes: tuple[ClassLabel, ...]
    """The classes in the order of the model's probabilities, as the data writes them; () for a regression."""
    times: NDArray[np.datetime64] | None
    """Shape (n,), in UTC, NaT where the cell holds none."""
    groups: NDArray[np.object_] | None
    without_target: int
    """How many rows were left out because their target is missing."""
    digest: str
    """sha256 of the file."""
    rows: NDArray[np.int64]
    """Shape (n,): where each row stands in the file, from 0."""
    broken: Mapping[int, str]
    """Every row of the file, from 0, that cannot be read, whether its target is known or not, and why."""

    def __len__(self) -> int:
        return self.block.size


def read_table(project: Project, advance: Callable[[int, int | None], None] = lambda done, size: None) -> Table:
    """Read the project's data; raise InputError or ProjectError saying what is wrong and where.

    `advance` hears how many bytes of how many were read.
    """
    path, data = project.data_path, project.file.data
    blocks = []
    layout = Layout(delimiter=data.delimiter, encoding=data.encoding)
    try:
        with open_rows(path, _wanted(project), layout=layout) as opened:
            for block in opened:
                blocks.append(block)
                advance(opened.position, opened.size)
    except InputError as error:
        # The reader's remedies are flags of the device's command; here hakobu.toml is where they go.
        words = str(error).replace("--encoding ", "[data] encoding = ").replace("--delimiter ", "[data] delimiter = ")
        raise InputError(words) from error
    if not blocks:
        raise InputError(f"{path}: holds no rows, only a header; a model needs rows to learn from")
    whole = join(blocks)
    keep = _known(whole, project)
    if not keep.any():
        raise InputError(f"{path}: column '{data.target}', the target, is empty in every row")
    rows = np.flatnonzero(keep)
    block = take(whole, rows)
    targets, classes = _targets(block, project)
    times = _times(block.texts[data.time], data.time_format) if data.time else None
    groups = block.texts[data.group] if data.group else None
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    left_out = int(whole.size - keep.sum())
    return Table(block, targets, classes, times, groups, left_out, digest, rows, whole.broken)


def _wanted(project: Project) -> Wanted:
    data = project.file.data
    base = wanted(project.inputs, data.id, data.missing)
    named = project.file.gates.fairness.groups
    extra = {name: Form.TEXT for name in (data.time, data.group, *named) if name}
    target = Form.NUMBER if project.file.model.task is Task.REGRESSION else Form.TEXT
    forms = {**extra, **base.forms, data.target: target}
    clash = [name for name in extra if forms[name] is not Form.TEXT]
    if clash:
        use = "a group of [gates.fairness]" if clash[0] in named else "the time or group column"
        raise ProjectError(f"column '{clash[0]}' cannot be a number feature and {use} as well")
    return Wanted(forms, frozenset({*base.required, *extra, data.target, *data.id}), base.missing_values)


def join(blocks: Sequence[Block]) -> Block:
    """Return consecutive blocks as one."""
    first = blocks[0].first
    wrong: dict[str, dict[int, str]] = {}
    broken: dict[int, str] = {}
    for block in blocks:
        shift = block.first - first
        broken |= {row + shift: reason for row, reason in block.broken.items()}
        for name, cells in block.wrong.items():
            wrong.setdefault(name, {}).update({row + shift: text for row, text in cells.items()})
    numbers = {name: np.concatenate([block.numbers[name] for block in blocks]) for name in blocks[0].numbers}
    texts = {name: np.concatenate([block.texts[name] for block in blocks]) for name in blocks[0].texts}
    return Block(first, sum(block.size for block in blocks), numbers, texts, wrong, broken)


def take(block: Block, rows: NDArray[np.int64]) -> Block:
    """Return `rows` of `block`, in that order."""
    place = {int(row): index for index, row in enumerate(rows)}

    def moved(cells: Mapping[int, str]) -> dict[int, str]:
        return {place[row]: text for row, text in cells.items() if row in place}

    numbers = {name: values[rows] for name, values in block.numbers.items()}
    texts = {name: values[rows] for name, values in block.texts.items()}
    wrong = {name: moved(cells) for name, cells in block.wrong.items()}
    return Block(0, len(rows), numbers, texts, wrong, moved(block.broken))


def frame_of(block: Block, inputs: Iterable[Input], dtype: Dtype) -> pd.DataFrame:
    """Return what the pipeline learns from: columns of `dtype`, NaN where missing; text columns, "" where missing.

    They hold the very numbers that the device will feed the model, so nothing is lost on the way.
    """
    columns = {}
    for wish in inputs:
        if wish.reads_text:
            columns[wish.name] = pd.Series(block.texts[wish.column], dtype=object)
        else:
            columns[wish.name] = pd.Series(derive_number(wish, block, dtype).values)
    return pd.DataFrame(columns)


def frame_of_matrices(
    numbers: NDArray[np.floating], strings: NDArray[np.object_], inputs: Sequence[Input]
) -> pd.DataFrame:
    """Return the matrices that the device would feed as the frame that the pipeline reads."""
    number, text = iter(numbers.T), iter(strings.T)
    columns = {
        wish.name: pd.Series(next(text), dtype=object) if wish.reads_text else pd.Series(next(number))
        for wish in inputs
    }
    return pd.DataFrame(columns)


def matrices_of(
    frame: pd.DataFrame, inputs: Sequence[Input], dtype: Dtype = Dtype.FLOAT32
) -> tuple[NDArray[np.floating], NDArray[np.object_]]:
    """Return `frame` as the two matrices that the device would feed, the numbers in `dtype`."""
    numbers = [frame[wish.name].to_numpy() for wish in inputs if not wish.reads_text]
    texts = [frame[wish.name].to_numpy() for wish in inputs if wish.reads_text]
    shape = (len(frame), 0)
    return (
        np.column_stack(numbers).astype(dtype.value, copy=False) if numbers else np.empty(shape, dtype=dtype.value),
        np.column_stack(texts) if texts else np.empty(shape, dtype=object),
    )


def _known(block: Block, project: Project) -> NDArray[np.bool_]:
    """Return which rows have a target; raise InputError at one that cannot be read."""
    target = project.file.data.target
    if project.file.model.task is Task.CLASSIFICATION:
        return np.asarray(block.texts[target] != "", dtype=np.bool_)
    wrong = block.wrong.get(target, {})
    if wrong:
        row, text = next(iter(wrong.items()))
        raise InputError(
            f"{project.data_path}: row {row + 1}: the target '{target}' is '{text}', which is not a number; "
            'mend it, list the text in [data] missing, or set task = "classification"'
        )
    endless = np.flatnonzero(np.isinf(block.numbers[target]))
    if len(endless):
        raise InputError(
            f"{project.data_path}: row {endless[0] + 1}: the target '{target}' is infinite; "
            "mend it, or list the text in [data] missing"
        )
    return ~np.isnan(block.numbers[target])


def _targets(block: Block, project: Project) -> tuple[NDArray[Any], tuple[ClassLabel, ...]]:
    target = project.file.data.target
    if project.file.model.task is Task.REGRESSION:
        return block.numbers[target], ()
    texts = block.texts[target]
    distinct = sorted(set(texts))
    if len(distinct) > 1000:
        raise ProjectError(
            f"{project.data_path}: the target '{target}' has {len(distinct)} classes, more than 1000; "
            'is it a number? then set task = "regression"'
        )
    if {text.lower() for text in distinct} <= _TRUTH.keys():
        truth = np.array([_TRUTH[text.lower()] for text in texts], dtype=np.int64)
        return truth, tuple(bool(value) for value in np.unique(truth))
    whole = _whole(distinct)
    if whole is not None:
        codes = np.array([whole[text] for text in texts], dtype=np.int64)
        return codes, tuple(int(code) for code in np.unique(codes))
    return texts, tuple(distinct)


def _whole(texts: Sequence[str]) -> dict[str, int] | None:
    """Return the integer that each text writes; None when one of them writes none, or two write the same.

    Nor where one is beyond int64, which neither numpy nor the model holds: such codes stay texts.
    """
    try:
        found = {text: int(text) for text in texts if str(int(text)) == text}
    except ValueError:
        return None
    return found if len(found) == len(texts) and all(-(2**63) <= number < 2**63 for number in found.values()) else None


def _times(texts: NDArray[np.object_], pattern: str | None) -> NDArray[np.datetime64]:
    seen: dict[str, np.datetime64] = {}
    for text in texts:
        if text not in seen:
            moment = read_moment(text, pattern) if text else None
            moment = as_utc(moment) if moment else None
            seen[text] = np.datetime64(moment.replace(tzinfo=None), "s") if moment else np.datetime64("NaT", "s")
    return np.array([seen[text] for text in texts], dtype="datetime64[s]")

"""Our exporter: export, look into the model, and prove it on the hard rows of our own before anybody sees it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_outlier_detector

from fidelity.answer import Answer
from fidelity.tables import Table
from hakobu.export.convert import Exported, export
from hakobu.pack.hard import hard_block
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.feature import Baseline, Categories, Feature, Input, Kind, Missing, Policy, Range
from hakobu_runtime.format.histogram import CategoryBins, NumberBins
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.model import Model


def inputs_of(table: Table) -> list[Input]:
    """Return an input for each column of `table`."""
    kinds = {name: Kind.CATEGORY if cells.dtype == object else Kind.NUMBER for name, cells in table.frame.items()}
    return [Input(name=str(name), column=str(name), kind=kind) for name, kind in kinds.items()]


def classes_of(estimator: Any, X: Any, *, labels: bool) -> list[Any]:
    """Return the classes that `estimator` tells apart: as it says, or as it gives them for `X`; [] without `labels`."""
    if not labels:
        return []
    if is_outlier_detector(estimator):
        return [-1, 1]
    known = getattr(estimator, "classes_", None)
    if known is None:
        return list(range(max(2, int(np.max(estimator.predict(X))) + 1)))
    if isinstance(known, list):
        raise ProjectError("it answers for several targets at once")
    return [_plain(label) for label in np.ravel(known)]


def carry(estimator: Any, table: Table, dtype: Dtype, *, labels: bool) -> Exported:
    """Return `estimator` as ONNX that may run on a device; raise HakobuError with the reason when it is refused."""
    exported = export(estimator, inputs_of(table), labels, dtype)
    check_model(exported.model)
    return exported


def answer(exported: Exported, X: Any, classes: Sequence[Any], dtype: Dtype) -> Answer:
    """Return what the ONNX model says of the rows `X`, as a device would."""
    frame = Table(X, None, "").frame
    texts = [name for name in frame if frame[name].dtype == object]
    numbers = frame[[name for name in frame if name not in texts]].to_numpy(dtype=dtype.value)
    strings = frame[texts].to_numpy(dtype=object)
    if exported.tensors.label is None:
        return Answer(None, _values(exported, numbers, strings).astype(np.float64))
    found = Model(exported.model, exported.tensors, classes).predict(numbers, strings)
    assert found.codes is not None  # a model with a label gives codes
    odds = None if found.probabilities is None else found.probabilities.astype(np.float64)
    return Answer(np.array(classes, dtype=object)[found.codes], odds)


def _values(exported: Exported, numbers: NDArray[np.floating], strings: NDArray[np.object_]) -> NDArray[Any]:
    """Return the value of each row, shape (n, k): a device takes k = 1 only, a step of a pipeline has many."""
    import onnxruntime

    tensors, texts = exported.tensors, strings.copy()
    for place in tensors.lowercase:
        texts[:, place] = [text.lower() for text in strings[:, place]]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(exported.model, options, providers=["CPUExecutionProvider"])
    feeds = {tensors.numbers: numbers, tensors.strings: texts}
    found = session.run([tensors.value], {name: part for name, part in feeds.items() if name})
    return np.asarray(found[0]).reshape(len(numbers), -1)


def _plain(label: Any) -> Any:
    if isinstance(label, bool | np.bool_):
        return bool(label)
    return str(label) if isinstance(label, str) else int(label)


def proof_rows(exported: Exported, table: Table, *, bounded: bool) -> Any:
    """Return the rows on which `hakobu convert` proves a model, in the form of `table`."""
    frame = table.frame
    numbers = {str(n): cells.to_numpy(dtype=np.float64) for n, cells in frame.items() if cells.dtype != object}
    texts = {str(name): cells.to_numpy(dtype=object) for name, cells in frame.items() if cells.dtype == object}
    features = [_feature(wish, frame[name].to_numpy()) for wish, name in zip(inputs_of(table), frame, strict=True)]
    block = Block(0, len(frame), numbers, texts)
    made = hard_block(block, features, Dtype.FLOAT32, exported.splits, 0, bounded=bounded)
    columns = {wish.name: made.texts[wish.name] if wish.is_category else made.numbers[wish.name] for wish in features}
    if isinstance(table.X, pd.DataFrame):
        return pd.DataFrame({name: pd.Series(cells, dtype=frame[name].dtype) for name, cells in columns.items()})
    return np.column_stack(list(columns.values())).astype(table.X.dtype)


def _feature(wish: Input, cells: NDArray[Any]) -> Feature:
    if wish.is_category:
        values = tuple(sorted({str(cell) for cell in cells} - {""}))
        shown = Baseline(CategoryBins(values), (1,) * (len(values) + 2))
        return Feature(
            name=wish.name, column=wish.column, kind=wish.kind, policy=Policy.WARN, missing=Missing.EXPECTED,
            baseline=shown, categories=Categories(values, scores_unknown=True),
        )  # fmt: skip
    known = cells[np.isfinite(cells)]
    if len(known) == 0:
        raise ProjectError(f"the column {wish.name!r} is empty in every row: a sample must show what it holds")
    low, high = float(known.min()), float(known.max())
    return Feature(
        name=wish.name, column=wish.column, kind=wish.kind, policy=Policy.WARN, missing=Missing.EXPECTED,
        baseline=Baseline(NumberBins((low, high + 1)), (1, 1, 1, 1, 1)), range=Range(low, high),
    )  # fmt: skip
